//! The one optimisation loop.

use crate::ActionSequences;
use housecat_core::{IterationTrace, PlanTrace, Rng};
use std::time::Instant;

/// Prices candidate plans.
pub trait Objective {
    /// The cost of every candidate, `[S]`; lower is better. Not-a-number counts as the worst.
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32>;
}

/// A search distribution over action sequences.
pub trait Planner {
    /// Draws candidates; every component lies in `[-1, 1]`.
    fn propose(&mut self, rng: &mut Rng) -> &ActionSequences;

    /// Learns from the candidates last proposed and their costs `[S]`, none of them NaN. `order`
    /// ranks the candidates, cheapest first.
    fn update(&mut self, costs: &[f32], order: &[usize]);

    /// How many of the cheapest candidates count as elites.
    fn elites(&self) -> usize;

    /// Mean spread of the distribution, in action units.
    fn std(&self) -> f32;

    /// Moves the distribution `steps` control steps on in time (warm start): what was executed falls
    /// off the front, the end is filled with what was planned last, and the spread opens again.
    fn shift(&mut self, steps: usize);

    /// Forgets everything.
    fn reset(&mut self);

    /// The mean of the distribution `[H, A]`.
    fn mean(&self) -> &[f32];
}

/// Searches for `iterations` rounds and returns the cheapest sequence seen, with the search's trace.
/// The last round also prices the mean of the final distribution.
pub fn optimise(
    planner: &mut dyn Planner,
    objective: &mut dyn Objective,
    iterations: usize,
    rng: &mut Rng,
) -> PlanTrace {
    let started = Instant::now();
    let mut trace = PlanTrace { best_cost: f32::INFINITY, ..PlanTrace::default() };
    let keep = |trace: &mut PlanTrace, cost: f32, sequence: &[f32]| {
        if cost < trace.best_cost || trace.best.is_empty() {
            trace.best_cost = cost;
            trace.best = sequence.to_vec();
        }
    };
    for _ in 0..iterations {
        let candidates = planner.propose(rng);
        let mut costs = objective.costs(candidates);
        // A plan that breaks the model or the simulator is the worst plan, not a poison for the mean.
        costs.iter_mut().filter(|cost| !cost.is_finite()).for_each(|cost| *cost = f32::MAX);
        let mut order: Vec<usize> = (0..costs.len()).collect();
        order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]).then(a.cmp(&b)));
        keep(&mut trace, costs[order[0]], candidates.sequence(order[0]));
        (trace.horizon, trace.action_dim) = (candidates.horizon, candidates.action_dim);
        trace.elites = Vec::new();
        let candidates = candidates.clone();
        let elites = &order[..planner.elites().min(order.len())];
        trace.elite_costs = elites.iter().map(|&index| costs[index]).collect();
        trace.elites.extend(elites.iter().flat_map(|&index| candidates.sequence(index)));
        planner.update(&costs, &order);
        trace.iterations.push(IterationTrace {
            best: costs[order[0]],
            elite_mean: mean(&trace.elite_costs),
            mean: mean(&costs),
            std: planner.std(),
        });
    }
    let last = ActionSequences {
        samples: 1,
        horizon: trace.horizon,
        action_dim: trace.action_dim,
        values: planner.mean().to_vec(),
    };
    let cost = objective.costs(&last)[0];
    if cost.is_finite() {
        keep(&mut trace, cost, &last.values);
    }
    trace.plan_secs = started.elapsed().as_secs_f64();
    trace
}

fn mean(values: &[f32]) -> f32 {
    let total: f64 = values.iter().map(|&value| f64::from(value)).sum();
    (total / values.len().max(1) as f64) as f32
}
