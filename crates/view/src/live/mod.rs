//! Watching work while it is done.
//!
//! [`Live`] stands between the work and a recorder. The work hands over and goes on at once; a thread of its own
//! displays. One episode is shown at a time, whichever thread it runs in, from beginning to end; and no more of them
//! than the steps a second that were asked for make up, nor than a small share of the processor time pays for. What is
//! left out is counted.

mod budget;
mod clock;
mod queue;

pub use clock::processor_time;
pub use queue::Shown;

use crate::{RerunRecorder, ViewError};
use budget::Budget;
use clock::Moment;
use housecat_core::{EpisodeHeader, EpisodeSummary, Recorder, StepRecord};
use queue::{Message, Queue, Taken};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long the rest may take once the work is done.
const PATIENCE: Duration = Duration::from_secs(30);

/// What displays.
trait Display: Send + Sized + 'static {
    fn show(&mut self, message: Message<Self>);
    /// How long it may hold back what it has; `None` if it holds back nothing, or may do so for ever.
    fn patience(&self) -> Option<Duration>;
    /// Lets go of what it holds back.
    fn release(&mut self);
    /// Processor time that it takes for each second of the thread that shows: more than 1 if others work for it.
    fn weight(&self) -> f64;
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
            Message::Thrift => self.note(format!(
                "not every episode is shown from here on: displaying may take {:.0} % of the processor time",
                100.0 * budget::SHARE
            )),
            Message::Adjust(with) => with(self),
        }
    }

    fn patience(&self) -> Option<Duration> {
        RerunRecorder::patience(self)
    }

    fn release(&mut self) {
        RerunRecorder::release(self);
    }

    fn weight(&self) -> f64 {
        RerunRecorder::weight(self)
    }

    fn finish(self) -> Result<(), ViewError> {
        RerunRecorder::finish(self)
    }
}

/// Work that is watched. Clones watch the same.
#[derive(Clone)]
pub struct Live(Watched<RerunRecorder>);

impl Live {
    /// Control steps a second that are a good default.
    pub const HZ: f64 = budget::HZ;

    /// The share of the processor time that displaying may take at [`Live::HZ`].
    pub const SHARE: f64 = budget::SHARE;

    /// Lets a recorder watch, up to `hz` control steps a second of wall-clock time, taken over whole episodes. Displaying
    /// takes up to [`Live::SHARE`] of the processor time that the process uses, at N times [`Live::HZ`] N times as much; where
    /// that is too little, fewer episodes are shown, but the first always is.
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

    /// Waits until what was handed over is shown; until [`resume`](Self::resume) nothing more is, and the time that passes
    /// earns nothing: for measuring what watching costs.
    pub fn rest(&self) {
        self.0.queue.rest(Moment::now);
    }

    /// Watches again.
    pub fn resume(&self) {
        self.0.queue.resume(Moment::now());
    }

    /// How much has been shown so far.
    pub fn count(&self) -> Shown {
        self.0.queue.count()
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
        let queue = Arc::new(Queue::new(Budget::new(hz)));
        let (send, outcome) = sync_channel(1);
        let taken = Arc::clone(&queue);
        std::thread::spawn(move || {
            let (weight, mut started) = (display.weight(), clock::of_thread());
            let mut spent = || {
                let now = clock::of_thread();
                now.saturating_sub(std::mem::replace(&mut started, now)).mul_f64(weight)
            };
            loop {
                match taken.take(display.patience()) {
                    Taken::Message(message) => {
                        display.show(message);
                        taken.displayed(spent(), Moment::now());
                    }
                    Taken::Silence => {
                        display.release();
                        taken.pay(spent(), Moment::now());
                    }
                    Taken::Closed => break,
                }
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
            let before = clock::of_thread();
            self.queue.step(step, Moment::now());
            // The copy is made for the display, too.
            self.queue.pay(clock::of_thread().saturating_sub(before), Moment::now());
        }
    }
}

impl Recorder for Follower {
    fn begin(&mut self, header: &EpisodeHeader) {
        if self.on_stage {
            self.queue.end(None);
        }
        self.on_stage = self.queue.begin(header, Moment::now());
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
