//! Constraints: kept by the augmented Lagrangian, and not at the price of a poor plan.

mod common;

use common::{Bowl, plan, search, steps, within_bounds};
use housecat_core::Seed;
use housecat_plan::{
    ActionConstraint, ActionSequences, CemConfig, IcemConfig, LagrangianConfig, Objective,
    PlannerConfig,
};
use proptest::prelude::*;

fn around(inner: PlannerConfig) -> PlannerConfig {
    PlannerConfig::Lagrangian(LagrangianConfig { inner: Box::new(inner), ..Default::default() })
}

/// A bowl around `centre` everywhere, whose mean action should be at most `limit`; costs are `scale` times as
/// large, violations `unit` times.
struct Budget {
    centre: f32,
    limit: f32,
    scale: f32,
    unit: f32,
    violations: Vec<f32>,
}

impl Budget {
    const LEN: usize = 12;

    fn new(scale: f32, unit: f32) -> Self {
        Self { centre: 0.7, limit: 0.2, scale, unit, violations: Vec::new() }
    }

    /// The cost of the best plan that keeps the limit: all actions at it.
    fn least(&self) -> f32 {
        self.scale * Self::LEN as f32 * (self.centre - self.limit).powi(2)
    }
}

impl Objective for Budget {
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        let sequences = || candidates.values.chunks_exact(Self::LEN);
        let mean = |a: &[f32]| a.iter().sum::<f32>() / Self::LEN as f32;
        self.violations = sequences().map(|a| self.unit * (mean(a) - self.limit)).collect();
        let cost = |a: &[f32]| a.iter().map(|a| (a - self.centre).powi(2)).sum::<f32>();
        sequences().map(|a| self.scale * cost(a)).collect()
    }

    fn constraints(&self) -> Vec<String> {
        vec!["budget".into()]
    }

    fn violations(&self) -> &[f32] {
        &self.violations
    }
}

#[test]
fn the_constrained_optimum_is_found_whatever_the_units() {
    for inner in [
        PlannerConfig::Cem(CemConfig::default()),
        PlannerConfig::Icem(IcemConfig::default()),
        PlannerConfig::Mppi(Default::default()),
    ] {
        for (scale, unit) in [(1.0, 1.0), (1e4, 1.0), (1e-3, 1.0), (1.0, 1e3), (1.0, 1e-3)] {
            let mut objective = Budget::new(scale, unit);
            let trace = plan(&around(inner.clone()), &mut objective, Budget::LEN, 1);
            let (kept, over) = (trace.violations[0].1 <= 0.0, trace.best_cost / objective.least());
            assert!(kept && over < 1.15, "{} {scale} {unit}: {kept} {over}", inner.name());
        }
    }
}

#[test]
fn the_lagrangian_believes_in_a_plan_that_keeps_what_its_inner_solver_breaks() {
    let mean_of = |config: &PlannerConfig| {
        let mut planner = config.build(128, Budget::LEN / 2, 2).unwrap();
        let mut objective = Budget::new(1.0, 1.0);
        let mut rng = Seed::new(3).rng();
        search(&mut *planner, &mut objective, &steps(Budget::LEN / 2), 20, &mut rng);
        planner.mean().iter().sum::<f32>() / Budget::LEN as f32
    };
    let alone = mean_of(&PlannerConfig::Cem(CemConfig::default()));
    let priced = mean_of(&around(PlannerConfig::Cem(CemConfig::default())));
    assert!((alone - 0.7).abs() < 0.05, "{alone}");
    assert!((priced - 0.2).abs() < 0.05, "{priced}");
}

#[test]
fn limits_of_actions_and_rates_are_kept() {
    // Leaps from one end to the other, which neither limit allows.
    let target = [0.9, -0.9, -0.9, 0.9, 0.9, -0.9];
    let limits = vec![
        ActionConstraint::ActionLimit { limit: 0.5 },
        ActionConstraint::RateLimit { limit: 0.4 },
    ];
    // Least squares under both limits: a triangle per component, found by hand: a, b, a with a - b = 0.4 and
    // 2 (0.9 - a) = 0.9 + b.
    let (a, b): (f32, f32) = (1.3 / 3.0, 1.3 / 3.0 - 0.4);
    let least = 2.0 * (2.0 * (0.9 - a).powi(2) + (0.9 + b).powi(2));
    for inner in
        [PlannerConfig::Cem(CemConfig::default()), PlannerConfig::Icem(IcemConfig::default())]
    {
        let mut objective = Bowl { constraints: limits.clone(), ..Bowl::new(&target) };
        let trace = plan(&around(inner.clone()), &mut objective, 6, 0);
        let names: Vec<&str> = trace.violations.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["action_limit", "rate_limit"]);
        assert!(trace.violations.iter().all(|(_, by)| *by <= 0.0), "{:?}", trace.violations);
        let over = trace.best_cost / least;
        assert!(over < 1.1, "{}: {over}", inner.name());
    }
}

#[test]
fn a_constraint_that_no_plan_keeps_is_broken_as_little_as_can_be() {
    let config = around(PlannerConfig::Cem(CemConfig::default()));
    let mut planner = config.build(128, Budget::LEN / 2, 2).unwrap();
    let basis = steps(Budget::LEN / 2);
    let mut objective = Budget { limit: -1.5, ..Budget::new(1.0, 1.0) };
    let mut rng = Seed::new(7).rng();
    for _ in 0..20 {
        let trace = search(&mut *planner, &mut objective, &basis, 20, &mut rng);
        assert!(trace.best_cost.is_finite() && within_bounds(&trace.best));
        assert!(trace.violations[0].1 < 0.6, "{:?}", trace.violations);
        planner.shift(&|knots| basis.shift(knots, 2, 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn without_constraints_it_is_its_inner_solver_to_the_bit(
        target in prop::collection::vec(-2.0_f32..2.0, 8),
        seed in 0_u64..1000,
    ) {
        for inner in PlannerConfig::all() {
            let around = around(inner.clone());
            if around.build(128, 4, 2).is_err() {
                continue;
            }
            let alone = plan(&inner, &mut Bowl::new(&target), 8, seed);
            let inside = plan(&around, &mut Bowl::new(&target), 8, seed);
            prop_assert_eq!(alone.best, inside.best, "{}", inner.name());
        }
    }

    #[test]
    fn whatever_can_be_kept_is_kept(
        target in prop::collection::vec(-1.0_f32..1.0, 8),
        limit in 0.1_f32..0.9,
        rate in 0.1_f32..1.0,
        seed in 0_u64..1000,
    ) {
        let constraints = vec![
            ActionConstraint::ActionLimit { limit },
            ActionConstraint::RateLimit { limit: rate },
        ];
        let mut objective = Bowl { constraints, ..Bowl::new(&target) };
        let config = around(PlannerConfig::Cem(CemConfig::default()));
        let trace = plan(&config, &mut objective, 8, seed);
        prop_assert!(trace.violations.iter().all(|(_, by)| *by <= 0.0), "{:?}", trace.violations);
        // Doing nothing keeps both.
        let nothing: f32 = target.iter().map(|t| t * t).sum();
        prop_assert!(trace.best_cost <= nothing + 1e-6);
    }
}
