//! What every planner must do, whatever its kind.

use housecat_core::Seed;
use housecat_plan::{
    ActionSequences, ActionTime, Effort, Objective, Planner, PlannerConfig, TimeBasis, optimise,
};
use proptest::prelude::*;

/// Squared distance of every action from a target.
struct Bowl {
    target: Vec<f32>,
    broken: bool,
}

impl Objective for Bowl {
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        (0..candidates.samples)
            .map(|sample| {
                let sequence = candidates.sequence(sample);
                assert!(sequence.iter().all(|value| (-1.0..=1.0).contains(value)), "out of bounds");
                if self.broken && sample % 3 == 1 {
                    return f32::NAN;
                }
                sequence.iter().zip(&self.target).map(|(a, b)| (a - b).powi(2)).sum()
            })
            .collect()
    }
}

fn search(
    planner: &mut dyn Planner,
    objective: &mut dyn Objective,
    basis: &TimeBasis,
    iterations: usize,
    rng: &mut housecat_core::Rng,
) -> housecat_core::PlanTrace {
    let effort = Effort { basis, iterations, deadline: None, proposals: &[] };
    optimise(planner, objective, &effort, rng)
}

fn plan(
    config: &PlannerConfig,
    target: &[f32],
    seed: u64,
    broken: bool,
) -> housecat_core::PlanTrace {
    let basis = ActionTime::Steps.basis(target.len() / 2).unwrap();
    let mut planner = config.build(128, target.len() / 2, 2).unwrap();
    let mut objective = Bowl { target: target.to_vec(), broken };
    search(&mut *planner, &mut objective, &basis, 20, &mut Seed::new(seed).rng())
}

#[test]
fn finds_the_bottom_of_a_bowl_inside_the_bounds() {
    let target = [0.5, -0.5, 0.6, -0.4, 0.7, -0.2, 0.4, 0.0];
    for config in PlannerConfig::all() {
        for broken in [false, true] {
            let trace = plan(&config, &target, 0, broken);
            assert!(trace.best_cost < 0.1, "{}: {}", config.name(), trace.best_cost);
            assert_eq!(trace.iterations.len(), 20);
            assert!(trace.elite_costs.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }
}

#[test]
fn a_warm_start_is_no_worse_than_what_it_continues() {
    let target = vec![0.5; 16];
    for config in PlannerConfig::all() {
        let mut planner = config.build(64, 8, 2).unwrap();
        let mut rng = Seed::new(1).rng();
        let mut objective = Bowl { target: target.clone(), broken: false };
        let basis = ActionTime::Steps.basis(8).unwrap();
        let cold = search(&mut *planner, &mut objective, &basis, 15, &mut rng);
        planner.shift(&|knots| basis.shift(knots, 2, 2));
        let warm = search(&mut *planner, &mut objective, &basis, 3, &mut rng);
        assert!(warm.best_cost < cold.iterations[0].best, "{}", config.name());
        planner.reset();
        assert!(planner.mean().iter().all(|&value| value == 0.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn same_seed_same_plan_within_bounds(
        target in prop::collection::vec(-3.0_f32..3.0, 2..12).prop_filter("pairs", |t| t.len() % 2 == 0),
        seed in 0_u64..1000,
    ) {
        for config in PlannerConfig::all() {
            let (a, b) = (plan(&config, &target, seed, false), plan(&config, &target, seed, false));
            prop_assert_eq!(&a.best, &b.best);
            prop_assert_eq!(a.best_cost.to_bits(), b.best_cost.to_bits());
            prop_assert!(a.best.iter().all(|value| (-1.0..=1.0).contains(value)));
        }
    }
}

#[test]
fn nonsense_is_refused_by_name() {
    let config = housecat_plan::CemConfig { elites: 1000, ..Default::default() };
    let error = PlannerConfig::Cem(config).build(10, 5, 2).err().unwrap();
    assert!(error.to_string().contains("planner.elites"), "{error}");
    let config = housecat_plan::MppiConfig { temperature: -1.0, ..Default::default() };
    let error = PlannerConfig::Mppi(config).build(10, 5, 2).err().unwrap();
    assert!(error.to_string().contains("planner.temperature"), "{error}");
}
