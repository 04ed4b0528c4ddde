//! Watching work while it is done.
//!
//! [`Live`] stands between the work and a recorder. The work hands over and goes on at once; a thread of its own
//! displays. One episode is shown at a time, whichever thread it runs in, from beginning to end; and no more of them
//! than the steps a second that were asked for make up. What is left out is counted.

mod queue;

pub use queue::Shown;

use crate::{RerunRecorder, ViewError};
use housecat_core::{EpisodeHeader, EpisodeSummary, Recorder, StepRecord};
use queue::{Message, Queue};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the rest may take once the work is done.
const PATIENCE: Duration = Duration::from_secs(30);

/// What displays.
trait Display: Send + Sized + 'static {
    fn show(&mut self, message: Message<Self>);
    fn finish(self) -> Result<(), ViewError>;
}

impl Display for RerunRecorder {
    fn show(&mut self, message: Message<Self>) {
        match message {
            Message::Begin(header) => self.begin(&header),
            Message::Step(step) => self.record(*step),
            Message::End(summary) => self.end(&summary),
            Message::Metrics(step, values) => self.metrics(step, &values),
            Message::Overrun => self.note(
                "the viewer is slower than the work, which does not wait for it: some of it is left out from here on"
                    .into(),
            ),
            Message::Adjust(with) => with(self),
        }
    }

    fn finish(self) -> Result<(), ViewError> {
        RerunRecorder::finish(self)
    }
}

/// Work that is watched. Clones watch the same.
#[derive(Clone)]
pub struct Live(Watched<RerunRecorder>);

impl Live {
    /// Lets a recorder watch, up to `hz` control steps a second of wall-clock time, taken over whole episodes.
    pub fn new(recorder: RerunRecorder, hz: f64) -> Self {
        Self(Watched::new(recorder, hz))
    }

    /// A recorder for one thread's episodes, which are watched whenever no other is.
    pub fn follow(&self) -> Follower {
        Follower { queue: Arc::clone(&self.0.queue), on_stage: false }
    }

    /// Shows the metrics of an optimiser step; see [`RerunRecorder::metrics`].
    pub fn metrics(&self, step: u64, values: &[(String, f32)]) {
        self.0.queue.metrics(step, values);
    }

    /// Changes the recorder, once what was handed over before has been shown.
    pub fn adjust(&self, with: impl FnOnce(&mut RerunRecorder) + Send + 'static) {
        self.0.queue.adjust(Box::new(with));
    }

    /// Waits until the rest is shown, though not for ever, and says how much was. Whatever clones hand over later is lost.
    ///
    /// # Errors
    /// That of [`RerunRecorder::finish`], or [`ViewError::Lost`] if the display does not come to its end.
    pub fn finish(&self) -> (Shown, Result<(), ViewError>) {
        self.0.finish()
    }
}

/// A display behind its queue.
struct Watched<D> {
    queue: Arc<Queue<D>>,
    outcome: Arc<Mutex<Receiver<Result<(), ViewError>>>>,
}

impl<D> Clone for Watched<D> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), outcome: Arc::clone(&self.outcome) }
    }
}

impl<D: Display> Watched<D> {
    fn new(mut display: D, hz: f64) -> Self {
        let pace = Duration::try_from_secs_f64(1.0 / hz).unwrap_or(Duration::ZERO);
        let queue = Arc::new(Queue::new(pace));
        let (send, outcome) = sync_channel(1);
        let taken = Arc::clone(&queue);
        std::thread::spawn(move || {
            while let Some(message) = taken.take() {
                display.show(message);
            }
            // Nobody may be waiting for it any more.
            let _ = send.send(display.finish());
        });
        Self { queue, outcome: Arc::new(Mutex::new(outcome)) }
    }

    fn finish(&self) -> (Shown, Result<(), ViewError>) {
        self.queue.close();
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = outcome.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let detail = format!("it has not taken the rest within {} s", PATIENCE.as_secs());
            Err(ViewError::Lost { detail })
        });
        (self.queue.count(), outcome)
    }
}

/// Follows the episodes of one thread.
pub struct Follower {
    queue: Arc<Queue<RerunRecorder>>,
    on_stage: bool,
}

impl Follower {
    /// As [`Recorder::record`], for who needs the record afterwards; it is copied only if it is shown.
    pub fn see(&self, step: &StepRecord) {
        if self.on_stage {
            self.queue.step(step, Instant::now());
        }
    }
}

impl Recorder for Follower {
    fn begin(&mut self, header: &EpisodeHeader) {
        if self.on_stage {
            self.queue.end(None);
        }
        self.on_stage = self.queue.begin(header, Instant::now());
    }

    fn record(&mut self, step: StepRecord) {
        self.see(&step);
    }

    fn end(&mut self, summary: &EpisodeSummary) {
        if std::mem::take(&mut self.on_stage) {
            self.queue.end(Some(summary));
        }
    }
}

/// An episode that failed has no end, but the stage is free again.
impl Drop for Follower {
    fn drop(&mut self) {
        if self.on_stage {
            self.queue.end(None);
        }
    }
}

#[cfg(test)]
mod tests;
