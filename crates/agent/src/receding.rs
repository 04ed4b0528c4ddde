//! Receding horizon: plan, execute the first blocks, shift the plan, plan again.

use housecat_core::{PlanTrace, Rng};
use housecat_plan::{
    Effort, Objective, PlanError, Planner, PlannerConfig, SearchConfig, TimeBasis, optimise,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A planner with what is left of its last plan.
pub(crate) struct Receding {
    planner: Box<dyn Planner>,
    basis: TimeBasis,
    action_dim: usize,
    search: SearchConfig,
    /// Control steps in an action block.
    block: usize,
    queue: VecDeque<Vec<f32>>,
    planned: bool,
}

impl Receding {
    pub(crate) fn new(
        search: &SearchConfig,
        solver: &PlannerConfig,
        block: usize,
        action_dim: usize,
    ) -> Result<Self, PlanError> {
        search.validate()?;
        let basis = search.time.basis(search.horizon * block)?;
        let planner = solver.build(search.samples, basis.knots(), action_dim)?;
        let queue = VecDeque::new();
        Ok(Self {
            planner,
            basis,
            action_dim,
            search: search.clone(),
            block,
            queue,
            planned: false,
        })
    }

    pub(crate) fn reset(&mut self) {
        self.planner.reset();
        self.queue.clear();
        self.planned = false;
    }

    /// The next action of the present plan; `None` when it is time to plan.
    pub(crate) fn next(&mut self) -> Option<Vec<f32>> {
        self.queue.pop_front()
    }

    /// Plans, from the shifted last plan if there is one, and queues the actions to execute. The deadline
    /// counts from `started`, when the decision was asked for.
    pub(crate) fn plan(
        &mut self,
        objective: &mut dyn Objective,
        proposals: &[Vec<f32>],
        started: Instant,
        rng: &mut Rng,
    ) -> PlanTrace {
        let steps = self.search.execute * self.block;
        let iterations = if self.planned {
            let Self { planner, basis, action_dim, .. } = self;
            planner.shift(&|knots| basis.shift(knots, *action_dim, steps));
            self.search.warm_iterations
        } else {
            self.search.iterations
        };
        self.planned = true;
        let due = self.search.deadline_ms.map(|ms| started + Duration::from_secs_f64(ms / 1e3));
        let effort = Effort { basis: &self.basis, iterations, deadline: due, proposals };
        let trace = optimise(&mut *self.planner, objective, &effort, rng);
        self.queue =
            trace.best.chunks(trace.action_dim.max(1)).take(steps).map(<[f32]>::to_vec).collect();
        trace
    }
}
