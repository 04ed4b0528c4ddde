//! The `.rrd` file: rerun's encoder behind a sink of our own.
//!
//! Rerun's file sink writes in a thread that ends at the first error, such as a full disk; a flush
//! then waits for ever, and the error itself is only logged. This one keeps the error.

use rerun::external::re_log_encoding::{CrateVersion, Encoder, EncodingOptions};
use rerun::log::LogMsg;
use rerun::sink::{LogSink, SinkFlushError};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The encoder while all goes well, else what went wrong.
type State = Result<Encoder<BufWriter<File>>, String>;

/// An open recording file. Clones share it: one is the stream's sink, one finishes it.
#[derive(Clone)]
pub(super) struct RrdFile(Arc<Mutex<State>>);

impl RrdFile {
    /// Creates the file and writes its header.
    pub(super) fn create(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| error.to_string())?;
        let options = EncodingOptions::PROTOBUF_COMPRESSED;
        let encoder = Encoder::new_eager(CrateVersion::LOCAL, options, BufWriter::new(file))
            .map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Mutex::new(Ok(encoder)))))
    }

    /// Writes the footer and everything that is still held back.
    pub(super) fn finish(&self) -> Result<(), String> {
        let mut encoder = std::mem::replace(&mut *self.state(), Err("it is closed".into()))?;
        encoder.finish().and_then(|()| encoder.flush_blocking()).map_err(|error| error.to_string())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogSink for RrdFile {
    fn send(&self, message: LogMsg) {
        let mut state = self.state();
        if let Ok(encoder) = state.as_mut()
            && let Err(error) = encoder.append(&message)
        {
            *state = Err(error.to_string());
        }
    }

    fn flush_blocking(&self, _: Duration) -> Result<(), SinkFlushError> {
        match self.state().as_mut() {
            Ok(encoder) => {
                encoder.flush_blocking().map_err(|error| SinkFlushError::failed(error.to_string()))
            }
            Err(detail) => Err(SinkFlushError::failed(detail.clone())),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rerun::{RecordingStreamBuilder, TextLog};

    #[test]
    fn a_full_disk_is_reported_and_nothing_hangs() {
        let file = RrdFile::create(Path::new("/dev/full")).unwrap();
        let stream = RecordingStreamBuilder::new("test").enabled(true).buffered().unwrap();
        stream.set_sink(Box::new(file.clone()));
        for _ in 0..3 {
            stream.log("log", &TextLog::new("x".repeat(100_000))).unwrap();
            assert!(stream.flush_blocking().is_err());
        }
        drop(stream);
        assert!(file.finish().is_err());
    }
}
