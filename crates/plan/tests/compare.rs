//! The solvers side by side, and each where it should be good. A table of the first comparison is printed by
//! `cargo test -p housecat-plan --test compare -- --nocapture`.

mod common;

use common::{Bowl, Broken, Cost, plan, plan_of};
use housecat_core::Seed;
use housecat_plan::{AdamConfig, IcemConfig, Objective, PlannerConfig, ProjectedGradientConfig};

/// A cart on a rail is to stop at 1, from rest at 0, cheaply.
fn cart(actions: &[f32]) -> f32 {
    let (mut x, mut v, mut effort) = (0.0_f32, 0.0_f32, 0.0_f32);
    for a in actions {
        v += 0.15 * a;
        x += 0.15 * v;
        effort += a * a;
    }
    (x - 1.0).powi(2) + v * v + 1e-3 * effort
}

/// Many basins, the best of them along a sine (Rastrigin 1974, scaled to actions).
fn rugged(actions: &[f32]) -> f32 {
    let wave = |d: f32| d * d + 0.05 * (1.0 - (std::f32::consts::TAU * 3.0 * d).cos());
    actions.iter().enumerate().map(|(i, a)| wave(a - 0.6 * (1.3 * i as f32).sin())).sum()
}

/// A wide valley at -0.5, a narrow one at 0.7 that is 0.3 deeper.
fn two_basins(actions: &[f32]) -> f32 {
    let from = |centre: f32| actions.iter().map(|a| (a - centre).powi(2)).sum::<f32>();
    (0.3 + from(-0.5)).min(8.0 * from(0.7))
}

/// The cheapest of as many random plans as 20 rounds of 128 price.
fn random_shooting(cost: impl Fn(&[f32]) -> f32, len: usize) -> f32 {
    let mut rng = Seed::new(0).rng();
    let mut draw = || cost(&(0..len).map(|_| rng.uniform(-1.0, 1.0)).collect::<Vec<f32>>());
    (0..20 * 128).map(|_| draw()).fold(f32::INFINITY, f32::min)
}

/// The median over five seeds.
fn median(cost: impl Fn(u64) -> f32) -> f32 {
    let mut costs: Vec<f32> = (0..5).map(cost).collect();
    costs.sort_by(f32::total_cmp);
    costs[2]
}

fn defaults(name: &str) -> PlannerConfig {
    PlannerConfig::named(name).unwrap()
}

#[test]
fn solvers_beat_random_shooting() {
    type Problem = (&'static str, fn(&[f32]) -> f32, (usize, usize));
    let problems: [Problem; 2] = [("cart", cart, (24, 1)), ("rugged", rugged, (8, 2))];
    for (problem, cost, shape) in problems {
        let random = random_shooting(cost, shape.0 * shape.1);
        println!("{problem:8} {:20} {random:.5}", "random shooting");
        for config in PlannerConfig::all() {
            let best = |seed| plan_of(&config, &mut Cost(cost), shape, seed).best_cost;
            let best = median(best);
            println!("{problem:8} {:20} {best:.5}", config.name());
            // Three levels are too coarse for either problem.
            let coarse = matches!(config, PlannerConfig::CategoricalCem(_));
            assert!(best < random || coarse, "{problem} {}: {best} {random}", config.name());
        }
    }
}

#[test]
fn gradients_win_where_costs_are_smooth_and_plans_long() {
    let mut rng = Seed::new(8).rng();
    let target: Vec<f32> = (0..96).map(|_| rng.uniform(-0.9, 0.9)).collect();
    let best = |name: &str| {
        median(|seed| plan(&defaults(name), &mut Bowl::new(&target), 96, seed).best_cost)
    };
    let sampling = ["cem", "icem", "mppi", "predictive_sampling"].map(best);
    let gradients = ["adam", "projected_gradient", "hybrid"].map(best);
    let least = sampling.into_iter().fold(f32::MAX, f32::min);
    assert!(gradients.iter().all(|&cost| cost < 0.2 * least), "{gradients:?} {sampling:?}");
}

#[test]
fn more_starts_find_a_narrow_basin() {
    let found = |config: &PlannerConfig| {
        let finds = |&seed: &u64| plan(config, &mut Cost(two_basins), 2, seed).best_cost < 0.2;
        (0..10).filter(finds).count()
    };
    let adam = |starts| PlannerConfig::Adam(AdamConfig { starts, ..Default::default() });
    let projected = |starts| {
        let config = ProjectedGradientConfig { starts, ..Default::default() };
        PlannerConfig::ProjectedGradient(config)
    };
    for (few, many) in [(adam(2), adam(64)), (projected(2), projected(64))] {
        let (few, many) = (found(&few), found(&many));
        assert!(many == 10 && few <= 6, "{few} with 2 starts, {many} with 64");
    }
}

#[test]
fn a_descent_that_starts_anew_with_every_plan_finds_what_the_first_missed() {
    let found = |restarts| {
        let config = AdamConfig { starts: 4, restarts, ..Default::default() };
        let finds = |&seed: &u64| {
            let mut planner = PlannerConfig::Adam(config.clone()).build(128, 1, 2).unwrap();
            let mut rng = Seed::new(seed).rng();
            let mut best = f32::MAX;
            for _ in 0..12 {
                let basis = common::steps(1);
                let mut objective = Cost(two_basins);
                let trace = common::search(&mut *planner, &mut objective, &basis, 10, &mut rng);
                best = best.min(trace.best_cost);
                planner.shift(&|_| {});
            }
            best < 0.2
        };
        (0..10).filter(finds).count()
    };
    let (stuck, free) = (found(0.0), found(0.75));
    assert!(free > stuck, "{stuck} without, {free} with");
}

#[test]
fn a_descent_that_begins_where_plans_break_begins_again() {
    // The warm start and three quarters of all starts break.
    let target = [0.8; 4];
    for config in [
        PlannerConfig::Adam(AdamConfig { starts: 4, ..Default::default() }),
        PlannerConfig::ProjectedGradient(ProjectedGradientConfig {
            starts: 4,
            ..Default::default()
        }),
    ] {
        for seed in 0..8 {
            let mut objective = Bowl { broken: Broken::Beyond(0.5), ..Bowl::new(&target) };
            let best = plan(&config, &mut objective, 4, seed).best_cost;
            assert!(best < 0.1, "{} {seed}: {best}", config.name());
        }
    }
}

#[test]
fn the_scale_of_the_costs_does_not_matter_to_gradients() {
    let target = [0.6, -0.3, 0.2, 0.8];
    for name in ["adam", "projected_gradient", "hybrid"] {
        for scale in [1e-4, 1.0, 1e6] {
            let cost = |a: &[f32]| -> f32 {
                scale * a.iter().zip(&target).map(|(a, t)| (a - t).powi(2)).sum::<f32>()
            };
            let best = plan(&defaults(name), &mut Cost(cost), 4, 2).best_cost / scale;
            assert!(best < 0.01, "{name} {scale}: {best}");
        }
    }
}

#[test]
fn red_noise_goes_further_than_white_where_actions_add_up() {
    // How far a cart comes, as of a first round.
    let far = |actions: &[f32]| -> f32 { -actions.iter().sum::<f32>() };
    let first = |noise_beta| {
        let config = PlannerConfig::Icem(IcemConfig { noise_beta, ..Default::default() });
        median(|seed| plan_of(&config, &mut Cost(far), (30, 1), seed).iterations[0].best)
    };
    let (white, red) = (first(0.0), first(2.0));
    assert!(red < 1.5 * white && white < 0.0, "{red} with red noise, {white} with white");
}

#[test]
fn icem_prices_fewer_candidates_from_round_to_round() {
    let mut objective = Bowl::new(&[0.3; 8]);
    plan(&PlannerConfig::Icem(IcemConfig::default()), &mut objective, 8, 0);
    // 128 over 1.25, again and again, not below twice the elites; at the end the mean by itself.
    assert_eq!(objective.counts[..5], [128, 102, 81, 65, 52]);
    assert_eq!(objective.counts[9..], [[20; 11].as_slice(), &[1]].concat());
}

#[test]
fn a_hybrid_asks_for_gradients_only_after_it_has_sampled() {
    /// Counts what is asked for.
    struct Asked(Vec<bool>);
    impl Objective for Asked {
        fn costs(&mut self, candidates: &housecat_plan::ActionSequences) -> Vec<f32> {
            self.0.push(false);
            Bowl::new(&[0.3; 8]).costs(candidates)
        }
        fn costs_and_grads(
            &mut self,
            candidates: &housecat_plan::ActionSequences,
        ) -> (Vec<f32>, Vec<f32>) {
            self.0.push(true);
            Bowl::new(&[0.3; 8]).costs_and_grads(candidates)
        }
    }
    let mut planner = defaults("hybrid").build(64, 4, 2).unwrap();
    let mut rng = Seed::new(0).rng();
    for _ in 0..2 {
        let mut asked = Asked(Vec::new());
        common::search(&mut *planner, &mut asked, &common::steps(4), 5, &mut rng);
        // Three rounds of sampling, two of refining, and the mean.
        assert_eq!(asked.0, [false, false, false, true, true, false]);
        planner.shift(&|_| {});
    }
}
