//! Where records go: a file or a live viewer, behind one small door to rerun.

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

/// An open recording.
pub(super) struct Stream {
    rerun: RecordingStream,
    file: Option<(RrdFile, Draft)>,
    page: Option<String>,
}

impl Stream {
    /// Opens a recording of the application `housecat-<sim>`: layouts are remembered by application.
    pub(super) fn open(sink: Sink, sim: &str) -> Result<Self, ViewError> {
        let unreachable =
            |error: rerun::RecordingStreamError| ViewError::Viewer { detail: error.to_string() };
        let builder = RecordingStreamBuilder::new(application(sim)).recording_name(sim);
        let mut page = None;
        let (rerun, file) = match sink {
            Sink::File(path) => {
                let draft = Draft::new(&path);
                let file =
                    RrdFile::create(draft.temporary()).map_err(|error| draft.error(error))?;
                // A file that was asked for is written even where RERUN=0 silences viewers.
                let rerun = builder.enabled(true).buffered().map_err(|error| draft.error(error))?;
                rerun.set_sink(Box::new(file.clone()));
                (rerun, Some((file, draft)))
            }
            Sink::Spawn | Sink::Serve | Sink::Connect(_) => {
                let address = match sink {
                    Sink::Connect(address) => address,
                    _ => {
                        let browser = sink == Sink::Serve;
                        let looked = if browser { Looked::Browser } else { Looked::Window };
                        let (address, shown) = viewer::start(looked)?;
                        page = shown;
                        address
                    }
                };
                let url = viewer::records_url(&address);
                (builder.connect_grpc_opts(url).map_err(unreachable)?, None)
            }
        };
        // Only what the episodes themselves know: steps and simulated time.
        rerun.set_log_time_enabled(false);
        rerun.set_log_tick_enabled(false);
        Ok(Self { rerun, file, page })
    }

    /// The page to open in a browser, if one is served.
    pub(super) fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// Sets the present on the timelines of training.
    pub(super) fn at_training(&self, train_step: u64) {
        self.rerun.reset_time();
        self.rerun.set_time_sequence("train_step", train_step as i64);
    }

    /// Sets the present on the timelines of episodes.
    pub(super) fn at(&self, step: u64, time_secs: f64, episode: u64) {
        self.rerun.disable_timeline("train_step");
        self.rerun.set_time_sequence("step", step as i64);
        self.rerun.set_duration_secs("sim_time", time_secs);
        self.rerun.set_time_sequence("episode", episode as i64);
    }

    /// Logs at the present.
    pub(super) fn log(
        &self,
        entity: impl Into<EntityPath>,
        what: &(impl AsComponents + ?Sized),
    ) -> Result<(), ViewError> {
        let entity = entity.into();
        self.rerun.log(entity.clone(), what).map_err(|error| record(&entity, &error))
    }

    /// Logs for all times.
    pub(super) fn fixed(
        &self,
        entity: impl Into<EntityPath>,
        what: &(impl AsComponents + ?Sized),
    ) -> Result<(), ViewError> {
        let entity = entity.into();
        self.rerun.log_static(entity.clone(), what).map_err(|error| record(&entity, &error))
    }

    /// Passes a finished message on.
    pub(super) fn pass(&self, message: LogMsg) {
        self.rerun.record_msg(message);
    }

    /// Writes what is left and closes; a file gets its final name.
    pub(super) fn close(self) -> Result<(), ViewError> {
        let Self { rerun, file, .. } = self;
        let Some((file, draft)) = file else {
            let flushed = rerun.flush_with_timeout(PATIENCE);
            if flushed.is_err() {
                // Dropping it would wait for the viewer without end.
                std::mem::forget(rerun);
            }
            return flushed.map_err(|error| ViewError::Viewer { detail: error.to_string() });
        };
        let flushed = rerun.flush_blocking();
        drop(rerun);
        // What the file says of an error is nearer to its cause.
        file.finish().map_err(|detail| draft.error(detail))?;
        flushed.map_err(|error| draft.error(error))?;
        draft.seal()
    }
}

/// Rerun's name for recordings of one sim.
pub(super) fn application(sim: &str) -> ApplicationId {
    ApplicationId::new_or_unknown(format!("housecat-{sim}"))
}

fn record(entity: &EntityPath, error: &rerun::RecordingStreamError) -> ViewError {
    ViewError::Record { entity: entity.to_string(), detail: error.to_string() }
}
