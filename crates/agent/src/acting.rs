//! From plans to actions: the world waits for the planner, or goes on while it thinks.

use crate::thinker::Thinking;
use housecat_core::{Decision, EnvError, PlanTrace, Rng};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Instant;

/// Whether the world waits for a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// The world stands still while the planner thinks.
    #[default]
    Wait,
    /// The robot executes one plan while the planner thinks about the next, from where the model says that the
    /// world will then be. What the robot sees is thus as old as a plan takes to execute.
    Overlap,
}

/// The actions that are left of a plan.
pub(crate) struct Pending {
    action_dim: usize,
    /// Control steps of a plan that are executed before planning anew.
    steps: usize,
    queue: VecDeque<Vec<f32>>,
    /// What the last plan would do after that.
    rest: VecDeque<Vec<f32>>,
}

impl Pending {
    pub fn new(action_dim: usize, steps: usize) -> Self {
        Self { action_dim, steps, queue: VecDeque::new(), rest: VecDeque::new() }
    }

    pub fn clear(&mut self) {
        self.queue.clear();
        self.rest.clear();
    }

    pub fn next(&mut self) -> Option<Vec<f32>> {
        self.queue.pop_front()
    }

    /// What will be executed, `[n, A]`.
    pub fn queued(&self) -> Vec<f32> {
        self.queue.iter().flatten().copied().collect()
    }

    /// Queues the actions of a plan that has `late` control steps behind it already.
    pub fn take(&mut self, plan: &PlanTrace, late: usize) {
        let actions = plan.best.chunks_exact(self.action_dim).skip(late).map(<[f32]>::to_vec);
        self.rest = actions.collect();
        self.go_on();
    }

    /// Queues what is safe without a new plan: what the last one would do next and, where that ends, action 0 (a
    /// position-controlled robot holds its place, a torque-controlled one coasts to rest against its damping).
    pub fn go_on(&mut self) {
        let hold = || vec![0.0; self.action_dim];
        self.queue.clear();
        for _ in 0..self.steps {
            self.queue.push_back(self.rest.pop_front().unwrap_or_else(hold));
        }
    }
}

/// A mind with its hands.
pub(crate) struct Acting<T: Thinking> {
    mind: T,
    control: Control,
    pending: Pending,
    /// The plan for the time after what is queued.
    ahead: Option<PlanTrace>,
}

impl<T: Thinking> Acting<T> {
    pub fn new(mind: T, control: Control, action_dim: usize) -> Self {
        let pending = Pending::new(action_dim, mind.steps());
        Self { mind, control, pending, ahead: None }
    }

    pub fn reset(&mut self) {
        self.mind.reset();
        self.pending.clear();
        self.ahead = None;
    }

    /// The next action; looks only when it is time to plan.
    pub fn act(
        &mut self,
        look: impl FnOnce() -> T::Seen,
        rng: &mut Rng,
    ) -> Result<Decision, EnvError> {
        if let Some(action) = self.pending.next() {
            return Ok(Decision { action, plan: None });
        }
        let started = Instant::now();
        let plan = match self.control {
            Control::Wait => {
                let plan = self.mind.think(look(), &[], started, rng)?;
                adopt(&mut self.pending, Some(&plan));
                plan
            }
            Control::Overlap => {
                adopt(&mut self.pending, self.ahead.as_ref());
                let plan = self.mind.think(look(), &self.pending.queued(), started, rng)?;
                self.ahead = Some(plan.clone());
                plan
            }
        };
        let action = self.pending.next().unwrap_or_default();
        Ok(Decision { action, plan: Some(plan) })
    }
}

/// Queues the plan or, if there is none or it is empty, what is safe.
pub(crate) fn adopt(pending: &mut Pending, plan: Option<&PlanTrace>) {
    match plan.filter(|plan| !plan.best.is_empty()) {
        Some(plan) => pending.take(plan, 0),
        None => pending.go_on(),
    }
}
