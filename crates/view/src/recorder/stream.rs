//! Where records go: a file or a live viewer, behind one small door to rerun.

use super::batch::{Batch, Full, chunks};
use super::blueprint::Purpose;
use super::rrd::RrdFile;
use crate::ViewError;
use crate::file::Draft;
use crate::viewer::{self, Looked};
use rerun::log::{LogMsg, PendingRow};
use rerun::sink::LogSink as _;
use rerun::{
    ApplicationId, AsComponents, EntityPath, RecordingStream, RecordingStreamBuilder, StoreId,
    TimeCell, archetypes,
};
use std::cell::{RefCell, RefMut};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Where a recording goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// An `.rrd` file. It is written under a temporary name beside this one and renamed when finished.
    File(PathBuf),
    /// A viewer on this machine: the one that already listens on rerun's port (9876), else a new one,
    /// which needs `rerun` of our version in PATH, listens on 127.0.0.1 only, and outlives this process.
    Spawn,
    /// A viewer for browsers on this machine, served by `rerun` in PATH in the same way.
    Serve,
    /// A viewer that listens at this address: `HOST:PORT`, or a URL such as `rerun+http://127.0.0.1:9876/proxy`.
    Connect(String),
}

impl FromStr for Sink {
    type Err = ViewError;

    /// `spawn`, `serve`, `connect:ADDRESS`, a URL of rerun's, or a file that ends in `.rrd`.
    fn from_str(words: &str) -> Result<Self, ViewError> {
        Ok(match words {
            "spawn" => Self::Spawn,
            "serve" => Self::Serve,
            _ if words.ends_with(".rrd") => Self::File(words.into()),
            _ if words.starts_with("rerun") && words.contains("://") => Self::Connect(words.into()),
            _ => match words.strip_prefix("connect:") {
                Some(address) if !address.is_empty() => Self::Connect(address.into()),
                _ => return Err(ViewError::Place { words: words.into() }),
            },
        })
    }
}

/// How long a live viewer may take to swallow what is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long rows for a live viewer are held back.
const HELD_BACK: Duration = Duration::from_millis(100);

/// Processor time that no clock of displaying shows, that of the thread that displays being 1: wakings, locks, and memory
/// that other threads find out of their caches. Measured as 0.2 to 0.7 (tools/experiments.md, "Being watched").
const UNSEEN: f64 = 0.4;

/// Processor time for a message to a viewer, that of making it being 1: rerun encodes and sends it in threads of its own.
const SENDING: f64 = 1.0;

/// Where recordings go, one after the other.
pub(super) struct Door {
    place: Place,
    page: Option<String>,
}

enum Place {
    File(RrdFile, Draft),
    /// The URL of a viewer.
    Viewer(String),
}

impl Door {
    /// Creates the file, or starts or finds the viewer.
    pub(super) fn open(sink: Sink) -> Result<Self, ViewError> {
        let (address, page) = match sink {
            Sink::File(path) => {
                let draft = Draft::new(&path);
                let file =
                    RrdFile::create(draft.temporary()).map_err(|error| draft.error(error))?;
                return Ok(Self { place: Place::File(file, draft), page: None });
            }
            Sink::Spawn => viewer::start(Looked::Window)?,
            Sink::Serve => viewer::start(Looked::Browser)?,
            Sink::Connect(address) => (address, None),
        };
        Ok(Self { place: Place::Viewer(viewer::records_url(&address)), page })
    }

    /// The page to open in a browser, if one is served.
    pub(super) fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// Begins a recording.
    pub(super) fn begin(&self, sim: &str, purpose: Purpose) -> Result<Stream, ViewError> {
        let name = format!("{sim}: {}", purpose.name());
        let builder = RecordingStreamBuilder::new(application(sim, purpose)).recording_name(name);
        let rerun = match &self.place {
            Place::File(file, draft) => {
                // A file that was asked for is written even where RERUN=0 silences viewers.
                let rerun = builder.enabled(true).buffered().map_err(|error| draft.error(error))?;
                rerun.set_sink(Box::new(file.clone()));
                // The name of the recording comes before what is written past rerun's threads. What goes wrong has its
                // cause in the file, which tells it when it is closed.
                let _ = rerun.flush_blocking();
                rerun
            }
            Place::Viewer(url) => {
                let opened = builder.connect_grpc_opts(url.as_str());
                opened.map_err(|error| ViewError::Viewer { detail: error.to_string() })?
            }
        };
        let store = rerun.store_info().map(|info| info.store_id);
        let file = match &self.place {
            Place::File(file, _) => Some(file.clone()),
            Place::Viewer(_) => None,
        };
        Ok(Stream { rerun, store, file, batch: RefCell::default() })
    }

    /// Processor time for each second of the thread that logs, and what no clock shows included.
    pub(super) fn weight(&self) -> f64 {
        match &self.place {
            Place::File(..) => 1.0 + UNSEEN,
            Place::Viewer(_) => 1.0 + UNSEEN + SENDING,
        }
    }

    /// Delivers what is left of a recording.
    pub(super) fn end(&self, stream: Stream) -> Result<(), ViewError> {
        stream.release()?;
        let Stream { rerun, .. } = stream;
        match &self.place {
            Place::File(..) => {
                // What goes wrong here has its cause in the file, which tells it when it is closed.
                let _ = rerun.flush_blocking();
                Ok(())
            }
            Place::Viewer(_) => rerun.flush_with_timeout(PATIENCE).map_err(|error| {
                // Dropping it would wait for the viewer without end.
                std::mem::forget(rerun);
                ViewError::Lost { detail: error.to_string() }
            }),
        }
    }

    /// Closes, once all recordings have ended; a file gets its final name.
    pub(super) fn close(self) -> Result<(), ViewError> {
        match self.place {
            Place::File(file, draft) => {
                file.finish().map_err(|detail| draft.error(detail))?;
                draft.seal()
            }
            Place::Viewer(_) => Ok(()),
        }
    }
}

/// An open recording. Rows are held back until there are many, see [`Batch`].
pub(super) struct Stream {
    rerun: RecordingStream,
    /// `None` where RERUN=0 silences viewers.
    store: Option<StoreId>,
    /// Where messages go directly; else rerun passes them on.
    file: Option<RrdFile>,
    batch: RefCell<Batch>,
}

impl Stream {
    /// Sets the present on the timelines of training.
    pub(super) fn at_training(&self, train_step: u64) {
        self.batch().set("train_step", TimeCell::from_sequence(train_step as i64));
    }

    /// Sets the present on the timelines of episodes.
    pub(super) fn at(&self, step: u64, time_secs: f64, episode: u64) {
        // Only what the episodes themselves know: steps and simulated time, and no clock.
        let mut batch = self.batch();
        batch.set("step", TimeCell::from_sequence(step as i64));
        // A time that is none leaves the last one.
        if let Ok(time) = Duration::try_from_secs_f64(time_secs) {
            batch.set("sim_time", time);
        }
        batch.set("episode", TimeCell::from_sequence(episode as i64));
    }

    /// Logs at the present.
    pub(super) fn log(
        &self,
        entity: impl Into<EntityPath>,
        what: &(impl AsComponents + ?Sized),
    ) -> Result<(), ViewError> {
        let full = self.batch().add(entity.into(), what.as_serialized_batches());
        self.relieve(full)
    }

    /// Logs at the present what stays in view until it changes; nothing is sent of what has not.
    pub(super) fn show(
        &self,
        entity: impl Into<EntityPath>,
        what: &(impl AsComponents + ?Sized),
    ) -> Result<(), ViewError> {
        let full = self.batch().add_changed(entity.into(), what.as_serialized_batches());
        self.relieve(full)
    }

    /// Takes an entity and those below it from view, from the present on.
    pub(super) fn clear(&self, entity: &str) -> Result<(), ViewError> {
        let entity = EntityPath::from(entity);
        self.batch().forget(&entity);
        self.log(entity, &archetypes::Clear::new(true))
    }

    /// Logs for all times.
    pub(super) fn fixed(
        &self,
        entity: impl Into<EntityPath>,
        what: &(impl AsComponents + ?Sized),
    ) -> Result<(), ViewError> {
        let full = self.batch().add_fixed(entity.into(), what.as_serialized_batches());
        self.relieve(full)
    }

    /// Passes a finished message on.
    pub(super) fn pass(&self, message: LogMsg) {
        match &self.file {
            Some(file) => file.send(message),
            None => self.rerun.record_msg(message),
        }
    }

    /// How long what is there may still be held back; `None` if there is nothing, or it goes to a file.
    pub(super) fn patience(&self) -> Option<Duration> {
        let age = self.batch().age().filter(|_| self.file.is_none());
        age.map(|age| HELD_BACK.saturating_sub(age))
    }

    /// Sends what is held back.
    pub(super) fn release(&self) -> Result<(), ViewError> {
        let all = self.batch().take();
        all.into_iter().try_for_each(|(entity, rows)| self.send(entity, rows))
    }

    /// Sends what is much, and all if it is old.
    fn relieve(&self, full: Full) -> Result<(), ViewError> {
        if let Some((entity, rows)) = full {
            self.send(entity, rows)?;
        }
        match self.patience() {
            Some(Duration::ZERO) => self.release(),
            _ => Ok(()),
        }
    }

    fn send(&self, entity: EntityPath, rows: Vec<PendingRow>) -> Result<(), ViewError> {
        let Some(store) = &self.store else { return Ok(()) };
        for chunk in chunks(entity.clone(), rows) {
            let message = chunk.and_then(|chunk| chunk.to_arrow_msg());
            let message = message.map_err(|error| ViewError::Record {
                entity: entity.to_string(),
                detail: error.to_string(),
            })?;
            self.pass(LogMsg::ArrowMsg(store.clone(), message));
        }
        Ok(())
    }

    fn batch(&self) -> RefMut<'_, Batch> {
        self.batch.borrow_mut()
    }
}

/// Rerun's name for recordings of one sim and purpose: the viewer keeps a layout for each application.
pub(super) fn application(sim: &str, purpose: Purpose) -> ApplicationId {
    ApplicationId::new_or_unknown(format!("housecat-{sim}-{}", purpose.name()))
}
