//! Where records go: a file or a live viewer, behind one small door to rerun.

use super::blueprint::Purpose;
use super::rrd::RrdFile;
use crate::ViewError;
use crate::file::Draft;
use crate::viewer::{self, Looked};
use rerun::log::LogMsg;
use rerun::{ApplicationId, AsComponents, EntityPath, RecordingStream, RecordingStreamBuilder};
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
                rerun
            }
            Place::Viewer(url) => {
                let opened = builder.connect_grpc_opts(url.as_str());
                opened.map_err(|error| ViewError::Viewer { detail: error.to_string() })?
            }
        };
        // Only what the episodes themselves know: steps and simulated time.
        rerun.set_log_time_enabled(false);
        rerun.set_log_tick_enabled(false);
        Ok(Stream(rerun))
    }

    /// Delivers what is left of a recording.
    pub(super) fn end(&self, Stream(rerun): Stream) -> Result<(), ViewError> {
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

/// An open recording.
pub(super) struct Stream(RecordingStream);

impl Stream {
    /// Sets the present on the timelines of training.
    pub(super) fn at_training(&self, train_step: u64) {
        self.0.set_time_sequence("train_step", train_step as i64);
    }

    /// Sets the present on the timelines of episodes.
    pub(super) fn at(&self, step: u64, time_secs: f64, episode: u64) {
        self.0.set_time_sequence("step", step as i64);
        self.0.set_duration_secs("sim_time", time_secs);
        self.0.set_time_sequence("episode", episode as i64);
    }

    /// Logs at the present.
    pub(super) fn log(
        &self,
        entity: impl Into<EntityPath>,
        what: &(impl AsComponents + ?Sized),
    ) -> Result<(), ViewError> {
        let entity = entity.into();
        self.0.log(entity.clone(), what).map_err(|error| record(&entity, &error))
    }

    /// Logs for all times.
    pub(super) fn fixed(
        &self,
        entity: impl Into<EntityPath>,
        what: &(impl AsComponents + ?Sized),
    ) -> Result<(), ViewError> {
        let entity = entity.into();
        self.0.log_static(entity.clone(), what).map_err(|error| record(&entity, &error))
    }

    /// Passes a finished message on.
    pub(super) fn pass(&self, message: LogMsg) {
        self.0.record_msg(message);
    }
}

/// Rerun's name for recordings of one sim and purpose: the viewer keeps a layout for each application.
pub(super) fn application(sim: &str, purpose: Purpose) -> ApplicationId {
    ApplicationId::new_or_unknown(format!("housecat-{sim}-{}", purpose.name()))
}

fn record(entity: &EntityPath, error: &rerun::RecordingStreamError) -> ViewError {
    ViewError::Record { entity: entity.to_string(), detail: error.to_string() }
}
