//! What every planner must do, whatever its kind.

mod common;

use common::{Bowl, Broken, Cost, least, plan, search, steps, within_bounds};
use housecat_core::{PlanTrace, Seed};
use housecat_plan::{
    ActionSequences, ActionTime, CategoricalCemConfig, Effort, HybridConfig, Objective,
    PlannerConfig, optimise,
};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const TARGET: [f32; 8] = [0.5, -0.5, 0.6, -0.4, 0.7, -0.2, 0.4, 0.0];

#[test]
fn finds_the_bottom_of_a_bowl_inside_the_bounds() {
    for config in PlannerConfig::all() {
        for analytic in [false, true] {
            let trace = plan(&config, &mut Bowl { analytic, ..Bowl::new(&TARGET) }, 8, 0);
            let over = trace.best_cost - least(&config, &TARGET);
            assert!(over < 0.1, "{} {analytic}: {over} too much", config.name());
            assert_eq!(trace.iterations.len(), 20);
            assert!(trace.elite_costs.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }
}

#[test]
fn plans_that_break_the_model_do_not_poison_the_others() {
    for config in PlannerConfig::all() {
        // A third of all candidates cannot be probed for slopes, as the probes are candidates too; a part of
        // the space can.
        for (broken, analytic) in
            [(Broken::EveryThird, true), (Broken::Beyond(0.6), true), (Broken::Beyond(0.6), false)]
        {
            let mut objective = Bowl { broken, analytic, ..Bowl::new(&TARGET) };
            let trace = plan(&config, &mut objective, 8, 0);
            let over = trace.best_cost - least(&config, &TARGET);
            assert!(over < 0.1, "{} {broken:?} {analytic}: {over} too much", config.name());
        }
    }
}

#[test]
fn a_model_that_breaks_on_every_plan_is_survived() {
    for config in PlannerConfig::all() {
        let mut planner = config.build(32, 4, 2).unwrap();
        let mut rng = Seed::new(3).rng();
        let mut objective = Bowl { broken: Broken::Always, ..Bowl::new(&TARGET) };
        let trace = search(&mut *planner, &mut objective, &steps(4), 6, &mut rng);
        assert_eq!(trace.best_cost, f32::MAX, "{}", config.name());
        assert!(trace.best.len() == 8 && within_bounds(&trace.best));
        objective.broken = Broken::Never;
        let trace = search(&mut *planner, &mut objective, &steps(4), 20, &mut rng);
        let over = trace.best_cost - least(&config, &TARGET);
        assert!(over < 0.2, "{}: {over} too much after it recovered", config.name());
    }
}

#[test]
fn a_warm_start_is_no_worse_than_what_it_continues() {
    let target = vec![0.7; 16];
    for config in PlannerConfig::all() {
        let mut planner = config.build(64, 8, 2).unwrap();
        let mut rng = Seed::new(1).rng();
        let mut objective = Bowl::new(&target);
        let basis = steps(8);
        let cold = search(&mut *planner, &mut objective, &basis, 15, &mut rng);
        planner.shift(&|knots| basis.shift(knots, 2, 2));
        let warm = search(&mut *planner, &mut objective, &basis, 3, &mut rng);
        assert!(warm.best_cost < cold.iterations[0].best, "{}", config.name());
        assert!(warm.iterations[0].best < cold.iterations[0].best, "{}", config.name());
        planner.reset();
        assert!(planner.mean().iter().all(|&value| value == 0.0));
    }
}

#[test]
fn a_reset_planner_is_as_good_as_new_to_the_bit() {
    for config in PlannerConfig::all() {
        let mut planner = config.build(64, 4, 2).unwrap();
        let mut run = |seed| {
            let mut objective = Bowl::new(&TARGET);
            search(&mut *planner, &mut objective, &steps(4), 7, &mut Seed::new(seed).rng()).best
        };
        let first = run(5);
        run(6);
        planner.shift(&|knots| steps(4).shift(knots, 2, 1));
        planner.reset();
        let mut objective = Bowl::new(&TARGET);
        let again = search(&mut *planner, &mut objective, &steps(4), 7, &mut Seed::new(5).rng());
        assert_eq!(first, again.best, "{}", config.name());
    }
}

#[test]
fn shifting_past_the_end_leaves_a_planner_that_plans() {
    for config in PlannerConfig::all() {
        let mut planner = config.build(64, 4, 2).unwrap();
        let (mut objective, mut rng) = (Bowl::new(&TARGET), Seed::new(9).rng());
        search(&mut *planner, &mut objective, &steps(4), 10, &mut rng);
        planner.shift(&|knots| steps(4).shift(knots, 2, 4));
        assert!(planner.mean().iter().all(|&value| value == 0.0), "{}", config.name());
        let trace = search(&mut *planner, &mut objective, &steps(4), 20, &mut rng);
        assert!(trace.best_cost - least(&config, &TARGET) < 0.1, "{}", config.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn same_seed_same_plan_within_bounds(
        target in prop::collection::vec(-3.0_f32..3.0, 2..12).prop_filter("pairs", |t| t.len() % 2 == 0),
        seed in 0_u64..1000,
        analytic in any::<bool>(),
    ) {
        for config in PlannerConfig::all() {
            let run = || plan(&config, &mut Bowl { analytic, ..Bowl::new(&target) }, target.len(), seed);
            let (a, b) = (run(), run());
            prop_assert_eq!(&a.best, &b.best);
            prop_assert_eq!(a.best_cost.to_bits(), b.best_cost.to_bits());
            prop_assert!(within_bounds(&a.best));
            prop_assert!(within_bounds(&a.elites));
        }
    }

    #[test]
    fn no_plan_is_dearer_than_doing_nothing(
        weights in prop::collection::vec(-5.0_f32..5.0, 6),
        seed in 0_u64..1000,
    ) {
        // Neither convex nor differentiable everywhere.
        let cost = |a: &[f32]| -> f32 {
            a.iter().zip(&weights).map(|(a, w)| (3.0 * a * w).sin() + (a - 0.1 * w).abs()).sum()
        };
        for config in PlannerConfig::all() {
            // The first candidate of a fresh planner is zero, or close to it.
            let trace = plan(&config, &mut Cost(cost), 6, seed);
            prop_assert!(trace.best_cost <= cost(&[0.0; 6]) + 0.05, "{}", config.name());
        }
    }
}

#[test]
fn every_solver_plans_over_every_kind_of_knots() {
    let target = [0.5, -0.3].repeat(12);
    for time in [
        ActionTime::Steps,
        ActionTime::Blocks { steps: 5 },
        ActionTime::Lines { knots: 4 },
        ActionTime::Splines { knots: 4 },
    ] {
        let basis = time.basis(12).unwrap();
        for mut config in PlannerConfig::all() {
            if let PlannerConfig::CategoricalCem(config) = &mut config {
                // Between knots an action is on no level, so that the plan may come closer than levels do.
                config.levels = 21;
            }
            for analytic in [false, true] {
                let mut planner = config.build(96, basis.knots(), 2).unwrap();
                let mut objective = Bowl { analytic, ..Bowl::new(&target) };
                let mut rng = Seed::new(4).rng();
                search(&mut *planner, &mut objective, &basis, 20, &mut rng);
                planner.shift(&|knots| basis.shift(knots, 2, 1));
                let trace = search(&mut *planner, &mut objective, &basis, 10, &mut rng);
                assert_eq!((trace.horizon, trace.action_dim), (12, 2));
                assert!(within_bounds(&trace.best));
                let each = trace.best_cost / 24.0;
                assert!(each < 0.02, "{} {time:?} {analytic}: {each}", config.name());
            }
        }
    }
}

#[test]
fn proposals_are_tried() {
    for config in PlannerConfig::all() {
        let mut planner = config.build(16.max(2 * planner_elites(&config)), 4, 2).unwrap();
        let (basis, proposals) = (steps(4), [TARGET.to_vec()]);
        let effort = Effort { basis: &basis, iterations: 3, deadline: None, proposals: &proposals };
        let mut rng = Seed::new(2).rng();
        let trace = optimise(&mut *planner, &mut Bowl::new(&TARGET), &effort, &mut rng);
        assert_eq!((trace.best, trace.best_cost), (TARGET.to_vec(), 0.0), "{}", config.name());
    }
}

fn planner_elites(config: &PlannerConfig) -> usize {
    config.build(256, 4, 2).unwrap().elites()
}

/// Takes 50 microseconds a candidate.
struct Slow(Bowl);

impl Objective for Slow {
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        let until = Instant::now() + Duration::from_micros(50) * candidates.samples as u32;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        self.0.costs(candidates)
    }
}

#[test]
fn a_deadline_is_kept() {
    let basis = steps(4);
    for config in PlannerConfig::all() {
        let mut planner = config.build(64, 4, 2).unwrap();
        let mut rng = Seed::new(0).rng();
        let mut objective = Slow(Bowl::new(&TARGET));
        for _ in 0..2 {
            let deadline = Some(Instant::now() + Duration::from_millis(5));
            let effort = Effort { basis: &basis, iterations: 1000, deadline, proposals: &[] };
            let trace = optimise(&mut *planner, &mut objective, &effort, &mut rng);
            assert!(trace.best.len() == 8 && within_bounds(&trace.best), "{}", config.name());
            assert!(trace.best_cost < f32::MAX && trace.cut > 0.0, "{}", config.name());
            // 1000 rounds would take seconds; a busy machine gets room.
            assert!(trace.plan_secs < 0.5, "{}: {} s", config.name(), trace.plan_secs);
            planner.shift(&|knots| basis.shift(knots, 2, 1));
        }
    }
}

#[test]
fn a_deadline_is_kept_where_candidates_become_dearer_to_price() {
    // Sampling takes 50 microseconds a candidate; probing for gradients 66 times as long.
    let config = HybridConfig { sample_rounds: 1, ..Default::default() };
    let mut planner = PlannerConfig::Hybrid(config).build(64, 32, 2).unwrap();
    let mut objective = Slow(Bowl::new(&[0.3; 64]));
    let basis = steps(32);
    let deadline = Some(Instant::now() + Duration::from_millis(12));
    let effort = Effort { basis: &basis, iterations: 50, deadline, proposals: &[] };
    optimise(&mut *planner, &mut objective, &effort, &mut Seed::new(0).rng());
    let probed = objective.0.counts.iter().filter(|&&count| count == 65).count();
    assert!(probed <= 4, "{probed} candidates probed, as if each took 50 microseconds");
}

#[test]
fn a_deadline_that_has_passed_gives_an_empty_plan() {
    let basis = steps(4);
    for config in PlannerConfig::all() {
        let mut planner = config.build(64, 4, 2).unwrap();
        let mut rng = Seed::new(0).rng();
        let deadline = Some(Instant::now());
        let effort = Effort { basis: &basis, iterations: 5, deadline, proposals: &[] };
        let mut objective = Bowl::new(&TARGET);
        let trace = optimise(&mut *planner, &mut objective, &effort, &mut rng);
        assert!(trace.best.is_empty() && trace.iterations.is_empty(), "{}", config.name());
        assert!(trace.cut > 0.0 && objective.counts.is_empty(), "{}", config.name());
        // And the planner is none the worse for it.
        let trace = search(&mut *planner, &mut objective, &basis, 20, &mut rng);
        assert!(trace.best_cost - least(&config, &TARGET) < 0.1, "{}", config.name());
    }
}

#[test]
fn a_categorical_plan_lies_on_its_levels() {
    for (levels, target) in [(2, 0.3), (3, 0.6), (5, 0.4), (9, -0.7)] {
        let config = CategoricalCemConfig { levels, ..Default::default() };
        let config = PlannerConfig::CategoricalCem(config);
        let target = vec![target; 10];
        let trace = plan(&config, &mut Bowl::new(&target), 10, 1);
        assert!((trace.best_cost - least(&config, &target)).abs() < 1e-5, "{levels} levels");
    }
}

#[test]
fn a_trace_shows_candidates_from_the_cheapest_to_the_dearest() {
    for config in PlannerConfig::all() {
        let trace =
            plan(&config, &mut Cost(|values: &[f32]| values.iter().map(|v| v * v).sum()), 6, 3);
        let (count, costs) = (trace.candidate_costs.len(), &trace.candidate_costs);
        assert!((1..=PlanTrace::CANDIDATES).contains(&count), "{}: {count}", config.name());
        assert_eq!(trace.candidates.len(), count * 6, "{}", config.name());
        assert!(costs.is_sorted(), "{}", config.name());
        let last = trace.iterations.last().unwrap();
        assert_eq!(costs[0], last.best, "{}", config.name());
        for (candidate, cost) in trace.candidates.chunks_exact(6).zip(costs) {
            let own: f32 = candidate.iter().map(|v| v * v).sum();
            assert!((own - cost).abs() < 1e-6, "{}", config.name());
        }
    }
}
