//! The bounded queue between work and display, which would rather lose an episode than hold up the work.
//!
//! Episodes are shown whole. The rate is a budget: an episode that runs faster than it uses it up in advance, and the
//! next is shown when it has been made good. Only where the display cannot even take an episode that it has begun are
//! steps of it left out: every other one, then three of four, and so on until it has caught up.

use housecat_core::{EpisodeHeader, EpisodeSummary, StepRecord};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Messages that may wait: with images of 224 x 224 pixels some 40 MB.
const CAPACITY: usize = 256;

/// A display may be this far behind when an episode begins.
const BEHIND: usize = CAPACITY / 4;

/// At least one of so many steps is offered to the display.
const STRIDE: u64 = 64;

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

/// How much of the work was shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Episodes that were followed.
    pub episodes: u64,
    /// Episodes passed over: another was on, or the rate that was asked for or the display did not allow another.
    pub passed_over: u64,
    /// Control steps shown.
    pub steps: u64,
    /// Lines of metrics shown.
    pub metrics: u64,
    /// Steps of followed episodes, and lines of metrics, that are missing because the display was too slow.
    pub missing: u64,
}

/// The queue. Any thread may put, one takes.
pub(super) struct Queue<A> {
    state: Mutex<State<A>>,
    changed: Condvar,
    /// What a step costs of the budget.
    pace: Duration,
}

struct State<A> {
    messages: VecDeque<Message<A>>,
    count: Shown,
    closed: bool,
    /// An episode is being followed: there is one stage.
    taken: bool,
    /// Until then the budget is spent.
    spent: Option<Instant>,
    /// Every so manieth step is shown: more than 1 once the display is too slow.
    stride: u64,
    overrun: bool,
}

impl<A> Queue<A> {
    pub fn new(pace: Duration) -> Self {
        let state = State {
            messages: VecDeque::new(),
            count: Shown::default(),
            closed: false,
            taken: false,
            spent: None,
            stride: 1,
            overrun: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), pace }
    }

    /// Takes the stage for an episode; not if it is taken, the budget is spent, or the display is behind.
    pub fn begin(&self, header: &EpisodeHeader, now: Instant) -> bool {
        let mut state = self.state();
        let affordable = state.spent.is_none_or(|until| until <= now);
        let free = !state.taken && !state.closed && state.messages.len() <= BEHIND;
        if !(free && affordable) {
            state.count.passed_over += 1;
            return false;
        }
        state.taken = true;
        state.count.episodes += 1;
        state.stride = (state.stride / 2).max(1);
        self.put(&mut state, Message::Begin(header.clone()));
        true
    }

    /// Offers a step of the episode on stage.
    pub fn step(&self, record: &StepRecord, now: Instant) {
        let mut state = self.state();
        if !record.step.is_multiple_of(state.stride) {
            state.count.missing += 1;
        } else if self.room(&mut state) {
            state.count.steps += 1;
            state.spent = Some(state.spent.map_or(now, |until| until.max(now)) + self.pace);
            self.put(&mut state, Message::Step(Box::new(record.clone())));
        } else {
            state.stride = (2 * state.stride).min(STRIDE);
        }
    }

    /// Offers a line of metrics.
    pub fn metrics(&self, step: u64, values: &[(String, f32)]) {
        let mut state = self.state();
        if self.room(&mut state) {
            state.count.metrics += 1;
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

    /// Whether something more may wait; what may not is missing, which is said once.
    fn room(&self, state: &mut State<A>) -> bool {
        let room = state.messages.len() < CAPACITY;
        if !room {
            state.count.missing += 1;
            if !std::mem::replace(&mut state.overrun, true) {
                self.put(state, Message::Overrun);
            }
        }
        room
    }

    #[cfg(test)]
    pub fn waits(&self) -> bool {
        !self.state().messages.is_empty()
    }

    fn put(&self, state: &mut State<A>, message: Message<A>) {
        state.messages.push_back(message);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
