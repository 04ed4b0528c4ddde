//! How fast plans are made, and how well their deadlines are kept.

use super::{Rate, measure};
use crate::config::RunConfig;
use crate::session::Session;
use housecat_agent::{Goal, LatentObjective, Limits, MpcPolicy, Oracle, median, percentile};
use housecat_core::{Actor as _, Env as _, Observation, Policy as _, ResetOptions, Seed};
use housecat_model::{Distance, LatentRollout, WorldModel};
use housecat_plan::{ActionSequences, Effort, Objective as _, SearchConfig, optimise};
use housecat_sim::{Sim, ViewOptions};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// An untrained model of the recipe's size: it takes as long as a trained one.
fn untrained(sim: &Sim, config: &RunConfig, seed: Seed) -> anyhow::Result<WorldModel> {
    let env = sim.env(&config.view(sim, config.input.sees()))?;
    let spec = config.spec(sim.name(), env.spaces())?;
    let distance = Distance::of(&[], &[], spec.model.latent_dim);
    Ok(WorldModel::new(spec, seed)?.with_distance(distance))
}

/// Plans a second: the recipe's planner in an untrained model of the recipe's size, and the oracle.
pub fn planning(session: &Session, sim: &Sim, budget: Duration) -> anyhow::Result<Vec<Rate>> {
    let config = RunConfig::load(sim, sim.name(), None, session.common.seed, &session.common.set)?;
    let mut env = sim.env(&ViewOptions { images: Vec::new(), state: true })?;
    let seed = Seed::new(session.common.seed.unwrap_or(0));
    let model = untrained(sim, &config, seed)?;
    let mut rollout = model.latent_rollout_in(config.planner.precision)?;
    let search = &config.planner.search;
    let block = config.model.action_repeat;
    let start = vec![0.1; model.latent_dim()];
    let goal = vec![0.5; model.latent_dim()];
    let distance = model.distance().filter(|_| config.planner.cost.change != 0.0);
    let mut rng = seed.rng();
    let reward = config.model.reward.is_some();
    let basis = search.time.basis(search.horizon * block)?;
    let action_dim = env.spaces().action.dim();
    let mut planner = config.planner.solver.build(search.samples, basis.knots(), action_dim)?;
    let threads = session.threads()?;
    let mut plan = |rollout: &mut LatentRollout, again: bool| {
        let mut objective = LatentObjective {
            rollout,
            start: &start,
            before: None,
            goal: (!reward).then_some(&*goal),
            distance,
            shape: config.planner.cost,
            limits: Limits::default(),
        };
        let iterations = if again { search.warm_iterations } else { search.iterations };
        match again {
            true => {
                planner.shift(&|knots| basis.shift(knots, action_dim, config.planner.steps(block)))
            }
            false => planner.reset(),
        }
        let effort = Effort { basis: &basis, iterations, deadline: None, proposals: &[] };
        optimise(&mut *planner, &mut objective, &effort, &mut rng);
        Ok(1.0)
    };
    let first = measure(budget, || plan(&mut rollout, false))?;
    rollout.set_threads(threads);
    let first_on_all = measure(budget, || plan(&mut rollout, false))?;
    let replan = measure(budget, || plan(&mut rollout, true))?;
    rollout.set_threads(1);
    let candidates =
        ActionSequences::zeros(search.samples, search.horizon * block, env.spaces().action.dim());
    let mut objective = LatentObjective {
        rollout: &mut rollout,
        start: &start,
        before: None,
        goal: (!reward).then_some(&*goal),
        distance,
        shape: config.planner.cost,
        limits: Limits::default(),
    };
    let rolls = measure(budget, || {
        std::hint::black_box(objective.costs(&candidates));
        Ok((search.samples * search.horizon) as f64)
    })?;

    env.reset(seed, &ResetOptions { evaluation: true, ..ResetOptions::default() })?;
    let state = env.state();
    env.set_goal(Some(&state))?;
    let mut oracle = Oracle::new(&env, &config.oracle, block)?;
    let oracle = measure(budget, || {
        oracle.reset();
        oracle.decide(&env, &Observation::default(), &mut rng)?;
        Ok(1.0)
    })?;
    let millis =
        |rates: Vec<f64>| -> Vec<f64> { rates.into_iter().map(|rate| 1e3 / rate).collect() };
    let replan = millis(replan);
    let p99 = percentile(&replan, 0.99);
    let size = |search: &SearchConfig| {
        format!("{} x {} x {} blocks of {block}", search.samples, search.iterations, search.horizon)
    };
    Ok(vec![
        Rate {
            name: format!("{} plan in the model, {}", sim.name(), size(search)),
            unit: "ms, one thread",
            rounds: millis(first),
            bar: None,
        },
        Rate {
            name: format!("{} plan in the model, {}", sim.name(), size(search)),
            unit: "ms, all threads",
            rounds: millis(first_on_all),
            bar: None,
        },
        Rate {
            name: format!("{} replan in the model, {} rounds", sim.name(), search.warm_iterations),
            unit: "ms, all threads",
            rounds: replan,
            bar: None,
        },
        Rate {
            name: format!("{} replan in the model, 99 of 100 within", sim.name()),
            unit: "ms, all threads",
            rounds: vec![p99],
            bar: None,
        },
        Rate {
            name: format!("{} predictor in planning", sim.name()),
            unit: "block predictions/s, one thread",
            rounds: rolls,
            bar: None,
        },
        Rate {
            name: format!("{} plan on the simulator, {}", sim.name(), size(&config.oracle.search)),
            unit: "ms, one thread",
            rounds: millis(oracle),
            bar: None,
        },
    ])
}

/// How well a deadline is kept by the whole decision, from picture to plan, while every other core is busy: by
/// how much a plan comes later than `planner.deadline_ms` (20 where the recipe has none). Below 0 is in time.
pub fn deadline(session: &Session, sim: &Sim, budget: Duration) -> anyhow::Result<Vec<Rate>> {
    let mut config =
        RunConfig::load(sim, sim.name(), None, session.common.seed, &session.common.set)?;
    let ms = *config.planner.search.deadline_ms.get_or_insert(20.0);
    config.planner.validate()?;
    let seed = Seed::new(session.common.seed.unwrap_or(0));
    let model = untrained(sim, &config, seed)?;
    let mut env = sim.env(&crate::command::eval::model_view(&model))?;
    let seen = env.reset(seed, &ResetOptions { evaluation: true, ..ResetOptions::default() })?;
    let goal = match config.model.reward {
        Some(_) => Goal::Reward,
        None => Goal::Observation(Box::new(seen.clone())),
    };
    let mut policy = MpcPolicy::new(&model, None, &goal, &config.planner)?;
    let mut rng = seed.rng();
    let (mut late, mut cut) = (Vec::new(), Vec::new());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 1..session.threads()? {
            scope.spawn(|| busy(&over));
        }
        let started = Instant::now();
        let measured = (|| {
            while started.elapsed() < budget && !session.interrupt.is_raised() {
                let Some(plan) = policy.act(&seen, &mut rng)?.plan else { continue };
                late.push(plan.plan_secs * 1e3 - ms);
                cut.push(plan.cut);
            }
            anyhow::Ok(())
        })();
        over.store(true, Ordering::Relaxed);
        measured
    })?;
    let name =
        |what: &str| format!("{} deadline {ms} ms, {what} of {} plans", sim.name(), late.len());
    let over = |share, what| Rate {
        name: name(what),
        unit: "ms late",
        rounds: vec![percentile(&late, share)],
        bar: None,
    };
    Ok(vec![
        over(0.5, "median"),
        over(0.99, "p99"),
        over(0.999, "p99.9"),
        over(1.0, "worst"),
        Rate {
            name: name("candidates left unpriced"),
            unit: "share, median",
            rounds: vec![median(&cut)],
            bar: None,
        },
    ])
}

/// Keeps a core busy.
fn busy(over: &AtomicBool) {
    let mut value = 1.0_f64;
    while !over.load(Ordering::Relaxed) {
        for _ in 0..1000 {
            value = std::hint::black_box(value * 1.000_000_1 + 1e-9);
        }
    }
}
