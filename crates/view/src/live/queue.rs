//! The bounded queue between work and display, which would rather lose a step than hold up the work.

use housecat_core::{EpisodeHeader, EpisodeSummary, StepRecord};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Messages that may wait: with images of 224 x 224 pixels some 10 MB.
const CAPACITY: usize = 64;

/// The lowest rate to which a slow display brings the queue, as the time between two steps.
const SLOWEST: Duration = Duration::from_secs(2);

/// What is on its way to the display.
pub(super) enum Message<A> {
    Begin(EpisodeHeader),
    Step(Box<StepRecord>),
    End(Box<EpisodeSummary>),
    Metrics(u64, Vec<(String, f32)>),
    /// Steps are left out from here on.
    Overrun,
    /// Whatever is done with the display itself.
    Adjust(Box<dyn FnOnce(&mut A) + Send>),
}

/// How much of the work was shown: control steps of the episodes that were followed, and lines of metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Shown.
    pub shown: u64,
    /// Left out to keep to the rate that was asked for.
    pub thinned: u64,
    /// Left out because the display was slower than that.
    pub dropped: u64,
}

/// The queue. Any thread may put, one takes.
pub(super) struct Queue<A> {
    state: Mutex<State<A>>,
    changed: Condvar,
    /// Between two steps that are shown, and between two plans.
    pace: Duration,
}

struct State<A> {
    messages: VecDeque<Message<A>>,
    count: Shown,
    closed: bool,
    /// An episode is being followed: there is one stage.
    taken: bool,
    /// The time between two steps at present: longer than the pace once the display is too slow.
    interval: Duration,
    last_step: Option<Instant>,
    last_plan: Option<Instant>,
    overrun: bool,
}

impl<A> Queue<A> {
    pub fn new(pace: Duration) -> Self {
        let state = State {
            messages: VecDeque::new(),
            count: Shown::default(),
            closed: false,
            taken: false,
            interval: pace,
            last_step: None,
            last_plan: None,
            overrun: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), pace }
    }

    /// Takes the stage for an episode; not if it is taken, or the display is behind.
    pub fn begin(&self, header: &EpisodeHeader) -> bool {
        let mut state = self.state();
        let free = !state.taken && !state.closed && state.messages.len() < CAPACITY;
        if free {
            state.taken = true;
            self.put(&mut state, Message::Begin(header.clone()));
        }
        free
    }

    /// Offers a step of the episode on stage.
    pub fn step(&self, record: &StepRecord, now: Instant) {
        let mut state = self.state();
        // Plans are few and say most: they have a pace of their own.
        let (last, interval) = match record.plan.is_some() && state.interval == self.pace {
            true => (state.last_plan, self.pace),
            false => (state.last_step, state.interval),
        };
        if last.is_some_and(|last| now.duration_since(last) < interval) {
            state.count.thinned += u64::from(state.interval == self.pace);
            state.count.dropped += u64::from(state.interval != self.pace);
        } else if self.room(&mut state) {
            state.last_step = Some(now);
            if record.plan.is_some() {
                state.last_plan = Some(now);
            }
            self.put(&mut state, Message::Step(Box::new(record.clone())));
        }
    }

    /// Offers a line of metrics.
    pub fn metrics(&self, step: u64, values: &[(String, f32)]) {
        let mut state = self.state();
        if self.room(&mut state) {
            self.put(&mut state, Message::Metrics(step, values.to_vec()));
        }
    }

    /// Leaves the stage; the end of an episode that was begun always finds room.
    pub fn end(&self, summary: Option<&EpisodeSummary>) {
        let mut state = self.state();
        state.taken = false;
        if let Some(summary) = summary {
            self.put(&mut state, Message::End(Box::new(summary.clone())));
        }
    }

    /// Does something with the display, after what is before it in the queue.
    pub fn adjust(&self, with: Box<dyn FnOnce(&mut A) + Send>) {
        self.put(&mut self.state(), Message::Adjust(with));
    }

    /// Takes the next message, waiting for it; `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<Message<A>> {
        let mut state = self.state();
        loop {
            if let Some(message) = state.messages.pop_front() {
                return Some(message);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    pub fn count(&self) -> Shown {
        self.state().count
    }

    /// Whether something more may wait. Where it may not, the rate goes down; where nothing waits any more, up again.
    fn room(&self, state: &mut State<A>) -> bool {
        let room = state.messages.len() < CAPACITY;
        if !room {
            state.count.dropped += 1;
            state.interval = (2 * state.interval).clamp(Duration::from_millis(1), SLOWEST);
            if !std::mem::replace(&mut state.overrun, true) {
                self.put(state, Message::Overrun);
            }
        } else {
            state.count.shown += 1;
            if state.messages.is_empty() {
                state.interval = (state.interval / 2).max(self.pace);
                // Halving never reaches a pace of zero.
                if state.interval < self.pace + Duration::from_millis(1) {
                    state.interval = self.pace;
                }
            }
        }
        room
    }

    fn put(&self, state: &mut State<A>, message: Message<A>) {
        state.messages.push_back(message);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
