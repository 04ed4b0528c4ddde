//! Where records go: a file or a live viewer, behind one small door to rerun.

use super::rrd::RrdFile;
use crate::ViewError;
use crate::file::Draft;
use rerun::log::LogMsg;
use rerun::{
    ApplicationId, AsComponents, EntityPath, RecordingStream, RecordingStreamBuilder, SpawnOptions,
};
use std::path::PathBuf;
use std::time::Duration;

/// Where a recording goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// An `.rrd` file. It is written under a temporary name beside this one and renamed when finished.
    File(PathBuf),
    /// A viewer on this machine: the one that already listens on rerun's port (9876), else a new one,
    /// which needs `rerun` in PATH and listens on 127.0.0.1 only.
    Spawn,
    /// A viewer that listens at this URL, such as `rerun+http://127.0.0.1:9876/proxy`.
    Connect(String),
}

/// How long a live viewer may take to swallow what is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open recording.
pub(super) struct Stream {
    rerun: RecordingStream,
    file: Option<(RrdFile, Draft)>,
}

impl Stream {
    /// Opens a recording of the application `housecat-<sim>`: layouts are remembered by application.
    pub(super) fn open(sink: Sink, sim: &str) -> Result<Self, ViewError> {
        let viewer =
            |error: rerun::RecordingStreamError| ViewError::Viewer { detail: error.to_string() };
        let builder = RecordingStreamBuilder::new(application(sim)).recording_name(sim);
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
            Sink::Spawn => {
                let options = SpawnOptions {
                    // The default listens on every address of the machine.
                    extra_args: vec!["--bind".into(), "127.0.0.1".into()],
                    ..SpawnOptions::default()
                };
                (builder.spawn_opts(&options).map_err(viewer)?, None)
            }
            Sink::Connect(url) => (builder.connect_grpc_opts(url).map_err(viewer)?, None),
        };
        // Only what the episodes themselves know: steps and simulated time.
        rerun.set_log_time_enabled(false);
        rerun.set_log_tick_enabled(false);
        Ok(Self { rerun, file })
    }

    /// Sets the present on every timeline.
    pub(super) fn at(&self, step: u64, time_secs: f64, episode: u64) {
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
        let Self { rerun, file } = self;
        let Some((file, draft)) = file else {
            return rerun
                .flush_with_timeout(PATIENCE)
                .map_err(|error| ViewError::Viewer { detail: error.to_string() });
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
