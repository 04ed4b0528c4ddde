//! The bounded queue between work and display, which would rather lose an episode than hold up the work.
//!
//! Episodes are shown whole, as many of them as the [`Budget`] allows: an episode uses it up in advance, and the next is
//! shown when that has been made good. Only where the display cannot even take an episode that it has begun are steps of
//! it left out: every other one, then three of four, and so on until it has caught up.

use super::budget::{Budget, Verdict};
use super::clock::Moment;
use housecat_core::{EpisodeHeader, EpisodeSummary, StepRecord};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    /// Episodes are left out from here on, because displaying them takes too much of the processors.
    Thrift,
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
    /// Those among them that would have taken more than displaying's share of the processor time.
    pub too_dear: u64,
    /// Control steps shown.
    pub steps: u64,
    /// Lines of metrics shown.
    pub metrics: u64,
    /// Steps of followed episodes, and lines of metrics, that are missing because the display was too slow.
    pub missing: u64,
    /// Processor time that displaying took.
    pub cost: Duration,
}

/// What [`Queue::take`] gives.
pub(super) enum Taken<A> {
    Message(Message<A>),
    /// Nothing has come for as long as one would wait.
    Silence,
    /// Nothing will come any more.
    Closed,
}

/// The queue. Any thread may put, one takes.
pub(super) struct Queue<A> {
    state: Mutex<State<A>>,
    changed: Condvar,
}

struct State<A> {
    messages: VecDeque<Message<A>>,
    count: Shown,
    closed: bool,
    /// A message has been taken and not yet been paid for.
    displaying: bool,
    /// An episode is being followed: there is one stage.
    taken: bool,
    budget: Budget,
    /// Every so manieth step is shown: more than 1 once the display is too slow.
    stride: u64,
    overrun: bool,
    thrift: bool,
}

impl<A> State<A> {
    /// Messages that are not displayed yet.
    fn waiting(&self) -> usize {
        self.messages.len() + usize::from(self.displaying)
    }
}

impl<A> Queue<A> {
    pub fn new(budget: Budget) -> Self {
        let state = State {
            messages: VecDeque::new(),
            count: Shown::default(),
            closed: false,
            displaying: false,
            taken: false,
            budget,
            stride: 1,
            overrun: false,
            thrift: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Takes the stage for an episode; not if it is taken, the budget is spent, or the display is behind.
    pub fn begin(&self, header: &EpisodeHeader, now: Moment) -> bool {
        let mut state = self.state();
        if state.budget.resting() {
            return false;
        }
        let free = !state.taken && !state.closed && state.messages.len() <= BEHIND;
        match state.budget.judge(now, state.waiting()) {
            Verdict::Affordable if free => {}
            verdict => {
                state.count.passed_over += 1;
                if free && verdict == Verdict::TooDear {
                    state.count.too_dear += 1;
                    if !std::mem::replace(&mut state.thrift, true) {
                        self.put(&mut state, Message::Thrift);
                    }
                }
                return false;
            }
        }
        state.taken = true;
        state.count.episodes += 1;
        state.stride = (state.stride / 2).max(1);
        self.put(&mut state, Message::Begin(header.clone()));
        true
    }

    /// Offers a step of the episode on stage.
    pub fn step(&self, record: &StepRecord, now: Moment) {
        let mut state = self.state();
        if !record.step.is_multiple_of(state.stride) {
            state.count.missing += 1;
        } else if self.room(&mut state) {
            state.count.steps += 1;
            state.budget.show(now);
            self.put(&mut state, Message::Step(Box::new(record.clone())));
        } else {
            state.stride = (2 * state.stride).min(STRIDE);
        }
    }

    /// What has been taken has been displayed; it took so much processor time.
    pub fn displayed(&self, cost: Duration, now: Moment) {
        let mut state = self.state();
        state.displaying = false;
        state.budget.charge(cost, now);
        if state.messages.is_empty() {
            self.changed.notify_all();
        }
    }

    /// Something else was done for the display's sake.
    pub fn pay(&self, cost: Duration, now: Moment) {
        self.state().budget.pay(cost, now);
    }

    /// Waits until all is displayed; from then on nothing is shown, and time does not count.
    pub fn rest(&self, now: impl FnOnce() -> Moment) {
        let mut state = self.state();
        while state.waiting() > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.budget.rest(now());
    }

    pub fn resume(&self, now: Moment) {
        self.state().budget.resume(now);
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

    /// Takes the next message, waiting for it, though for no longer than the patience that one has.
    pub fn take(&self, patience: Option<Duration>) -> Taken<A> {
        let mut state = self.state();
        loop {
            if let Some(message) = state.messages.pop_front() {
                state.displaying = true;
                return Taken::Message(message);
            }
            if state.closed {
                return Taken::Closed;
            }
            state = match patience {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let waited = self.changed.wait_timeout(state, patience);
                    let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && state.messages.is_empty() && !state.closed {
                        return Taken::Silence;
                    }
                    state
                }
            };
        }
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    pub fn count(&self) -> Shown {
        let state = self.state();
        Shown { cost: state.budget.cost(), ..state.count }
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

    /// Takes all that there is, as a display that costs nothing.
    #[cfg(test)]
    pub fn drain(&self) {
        let mut state = self.state();
        state.messages.clear();
    }

    fn put(&self, state: &mut State<A>, message: Message<A>) {
        state.messages.push_back(message);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
