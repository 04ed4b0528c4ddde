//! Searching anew from the plan before: the planner of a receding horizon.

use crate::AgentError;
use crate::evaluate::Search;
use housecat_core::{PlanTrace, Rng};
use housecat_plan::{Effort, Objective, Planner, SearchConfig, TimeBasis, optimise};
use std::time::{Duration, Instant};

/// Share of a deadline that the search does not use: where other work is about, the scheduler may take a core away for
/// milliseconds just before the end.
const RESERVE: f64 = 0.15;

/// A planner with its memory of the last plan.
pub(crate) struct Searching {
    planner: Box<dyn Planner>,
    basis: TimeBasis,
    action_dim: usize,
    search: SearchConfig,
    /// Control steps of a plan that are executed before planning anew.
    steps: usize,
    planned: bool,
}

impl Searching {
    pub(crate) fn new(
        search: &Search,
        block: usize,
        action_dim: usize,
    ) -> Result<Self, AgentError> {
        search.fits(block)?;
        let steps = search.steps(block);
        let Search { search, solver, .. } = search;
        search.validate()?;
        let basis = search.time.basis(search.horizon * block)?;
        let planner = solver.build(search.samples, basis.knots(), action_dim)?;
        Ok(Self { planner, basis, action_dim, search: search.clone(), steps, planned: false })
    }

    pub(crate) fn reset(&mut self) {
        self.planner.reset();
        self.planned = false;
    }

    /// Control steps of a plan that are executed before planning anew.
    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// Action blocks in a plan.
    pub(crate) fn blocks(&self) -> usize {
        self.search.horizon
    }

    /// Plans, from the shifted last plan if there is one. The deadline counts from `started`, when the
    /// decision was asked for.
    pub(crate) fn plan(
        &mut self,
        objective: &mut dyn Objective,
        proposals: &[Vec<f32>],
        started: Instant,
        rng: &mut Rng,
    ) -> PlanTrace {
        let steps = self.steps();
        let iterations = if self.planned {
            let Self { planner, basis, action_dim, .. } = self;
            planner.shift(&|knots| basis.shift(knots, *action_dim, steps));
            self.search.warm_iterations
        } else {
            self.search.iterations
        };
        self.planned = true;
        let due = (self.search.deadline_ms)
            .map(|ms| started + Duration::from_secs_f64((1.0 - RESERVE) * ms / 1e3));
        let effort = Effort { basis: &self.basis, iterations, deadline: due, proposals };
        optimise(&mut *self.planner, objective, &effort, rng)
    }
}
