//! What the tests of planners share: objectives whose optima are known.

#![allow(dead_code, reason = "each test binary uses its share")]

use housecat_core::{PlanTrace, Rng, Seed};
use housecat_plan::{
    ActionConstraint, ActionSequences, ActionTime, Effort, Objective, Planner, PlannerConfig,
    TimeBasis, optimise,
};

/// When a plan breaks the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Broken {
    Never,
    /// Every third candidate, whatever it does.
    EveryThird,
    /// Where the first action is far below its target.
    Beyond(f32),
    Always,
}

/// Squared distance of every action from a target.
pub struct Bowl {
    pub target: Vec<f32>,
    pub broken: Broken,
    /// Whether it knows its gradients; else they are probed for.
    pub analytic: bool,
    pub constraints: Vec<ActionConstraint>,
    pub violations: Vec<f32>,
    /// Candidates of every call.
    pub counts: Vec<usize>,
}

impl Bowl {
    pub fn new(target: &[f32]) -> Self {
        let target = target.to_vec();
        let (constraints, violations, counts) = (Vec::new(), Vec::new(), Vec::new());
        Self { target, broken: Broken::Never, analytic: true, constraints, violations, counts }
    }
}

impl Objective for Bowl {
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        self.counts.push(candidates.samples);
        let limits = self.constraints.clone();
        self.violations = (0..candidates.samples)
            .flat_map(|s| limits.iter().map(move |limit| (s, limit)))
            .map(|(s, limit)| limit.violation(candidates.sequence(s), candidates.action_dim, None))
            .collect();
        (0..candidates.samples)
            .map(|sample| {
                let sequence = candidates.sequence(sample);
                assert!(sequence.iter().all(|value| (-1.0..=1.0).contains(value)), "out of bounds");
                assert_eq!(sequence.len(), self.target.len());
                let broken = match self.broken {
                    Broken::Never => false,
                    Broken::EveryThird => sample % 3 == 1,
                    Broken::Beyond(distance) => sequence[0] < self.target[0] - distance,
                    Broken::Always => true,
                };
                if broken {
                    return f32::NAN;
                }
                sequence.iter().zip(&self.target).map(|(a, b)| (a - b).powi(2)).sum()
            })
            .collect()
    }

    fn costs_and_grads(&mut self, candidates: &ActionSequences) -> (Vec<f32>, Vec<f32>) {
        if !self.analytic {
            return Probed(self).costs_and_grads(candidates);
        }
        let costs = self.costs(candidates);
        let len = self.target.len();
        let slope = |(index, a): (usize, &f32)| match costs[index / len].is_nan() {
            true => f32::NAN,
            false => 2.0 * (a - self.target[index % len]),
        };
        let grads = candidates.values.iter().enumerate().map(slope).collect();
        (costs, grads)
    }

    fn constraints(&self) -> Vec<String> {
        self.constraints.iter().map(|limit| limit.name().to_string()).collect()
    }

    fn violations(&self) -> &[f32] {
        &self.violations
    }
}

/// An objective without gradients of its own.
pub struct Probed<'a>(pub &'a mut dyn Objective);

impl Objective for Probed<'_> {
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        self.0.costs(candidates)
    }
}

/// Any cost of one sequence, without gradients.
pub struct Cost<F>(pub F);

impl<F: Fn(&[f32]) -> f32> Objective for Cost<F> {
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        (0..candidates.samples).map(|sample| (self.0)(candidates.sequence(sample))).collect()
    }
}

/// A control step each.
pub fn steps(horizon: usize) -> TimeBasis {
    ActionTime::Steps.basis(horizon).unwrap()
}

/// A search without deadline and proposals.
pub fn search(
    planner: &mut dyn Planner,
    objective: &mut dyn Objective,
    basis: &TimeBasis,
    iterations: usize,
    rng: &mut Rng,
) -> PlanTrace {
    let effort = Effort { basis, iterations, deadline: None, proposals: &[] };
    optimise(planner, objective, &effort, rng)
}

/// 20 rounds of 128 candidates for plans of `len` numbers, two to an action.
pub fn plan(
    config: &PlannerConfig,
    objective: &mut dyn Objective,
    len: usize,
    seed: u64,
) -> PlanTrace {
    plan_of(config, objective, (len / 2, 2), seed)
}

/// The same for plans of any horizon and action dimension.
pub fn plan_of(
    config: &PlannerConfig,
    objective: &mut dyn Objective,
    (horizon, action_dim): (usize, usize),
    seed: u64,
) -> PlanTrace {
    let mut planner = config.build(128, horizon, action_dim).unwrap();
    search(&mut *planner, objective, &steps(horizon), 20, &mut Seed::new(seed).rng())
}

/// What a bowl costs at the best plan that the solver can reach: a categorical one has its levels only.
pub fn least(config: &PlannerConfig, target: &[f32]) -> f32 {
    let levels = match config {
        PlannerConfig::CategoricalCem(config) => config.levels,
        _ => return target.iter().map(|t| (t - t.clamp(-1.0, 1.0)).powi(2)).sum(),
    };
    let level = |l: usize| 2.0 * l as f32 / (levels - 1) as f32 - 1.0;
    let distance = |t: f32| (0..levels).map(|l| (level(l) - t).powi(2)).fold(f32::MAX, f32::min);
    target.iter().map(|&t| distance(t)).sum()
}

pub fn within_bounds(sequence: &[f32]) -> bool {
    sequence.iter().all(|value| (-1.0..=1.0).contains(value))
}
