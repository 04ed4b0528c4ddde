//! Receding horizon: plan, execute the first blocks, shift the plan, plan again.

use housecat_core::{PlanTrace, Rng};
use housecat_plan::{Objective, PlanError, Planner, PlannerConfig, SearchConfig, optimise};
use std::collections::VecDeque;

/// A planner with what is left of its last plan.
pub(crate) struct Receding {
    planner: Box<dyn Planner>,
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
        let planner = solver.build(search.samples, search.horizon * block, action_dim)?;
        Ok(Self { planner, search: search.clone(), block, queue: VecDeque::new(), planned: false })
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

    /// Plans, from the shifted last plan if there is one, and queues the actions to execute.
    pub(crate) fn plan(&mut self, objective: &mut dyn Objective, rng: &mut Rng) -> PlanTrace {
        let steps = self.search.execute * self.block;
        let iterations = if self.planned {
            self.planner.shift(steps);
            self.search.warm_iterations
        } else {
            self.search.iterations
        };
        self.planned = true;
        let trace = optimise(&mut *self.planner, objective, iterations, rng);
        self.queue =
            trace.best.chunks(trace.action_dim.max(1)).take(steps).map(<[f32]>::to_vec).collect();
        trace
    }
}
