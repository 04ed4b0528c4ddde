//! `housecat bench`: this machine's throughput.

mod plan;
mod view;

use crate::args::{BenchArgs, BenchWhat};
use crate::command::{
    collect::{self, Collector},
    train,
};
use crate::config::RunConfig;
use crate::console::table;
use crate::run_dir::RunDir;
use crate::session::Session;
use crate::sims;
use anyhow::bail;
use housecat_agent::{Interval, RandomPolicy, median_interval};
use housecat_core::{Env as _, ImageSpec, Observation, Policy as _, ResetOptions, Seed};
use housecat_data::Dataset;
use housecat_model::Trainer;
use housecat_physics::Workspace;
use housecat_sim::{Sim, ViewOptions};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A measured rate: median of rounds, with the extremes.
struct Rate {
    name: String,
    unit: &'static str,
    rounds: Vec<f64>,
    /// What its median should not exceed.
    bar: Option<f64>,
}

/// The command.
pub fn run(session: &Session, args: &BenchArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let names = match args.sims.is_empty() {
        true => sims::all()?.into_iter().map(|(name, _)| name).collect(),
        false => args.sims.clone(),
    };
    let budget = Duration::from_secs_f64(args.seconds.clamp(0.1, 600.0));
    let mut rates = Vec::new();
    for name in &names {
        let sim = sims::load(name)?;
        session
            .say(format!("measuring {} on {name} ...", format!("{:?}", args.what).to_lowercase()));
        match args.what {
            BenchWhat::Physics => {
                rates.push(worlds(session, &sim, None, true, budget)?);
                rates.push(engine(session, &sim, budget)?);
            }
            BenchWhat::Collect => {
                for &size in &args.size {
                    rates.push(worlds(session, &sim, Some(size), true, budget)?);
                }
            }
            BenchWhat::Render => {
                for &size in &args.size {
                    rates.push(worlds(session, &sim, Some(size), false, budget)?);
                }
            }
            BenchWhat::Train => rates.push(training(session, &sim, budget)?),
            BenchWhat::Plan => rates.extend(plan::planning(session, &sim, budget)?),
            BenchWhat::View => rates.extend(view::watching(session, &sim, budget)?),
            BenchWhat::Deadline => rates.extend(plan::deadline(session, &sim, budget)?),
        }
        if session.interrupt.is_raised() {
            return Err(session.interrupted());
        }
    }
    let mut rows = vec![["what", "median", "min", "max", "unit"].map(str::to_owned).to_vec()];
    let mut document = Vec::new();
    for rate in &mut rates {
        rate.rounds.sort_by(f64::total_cmp);
        let (min, max) = (rate.rounds[0], rate.rounds[rate.rounds.len() - 1]);
        let median = rate.rounds[rate.rounds.len() / 2];
        let mut row = json!({
            "name": rate.name, "unit": rate.unit, "median": median, "min": min, "max": max, "rounds": rate.rounds.len(),
        });
        let mut unit = rate.unit.to_owned();
        if let Some((bar, (_, interval))) = rate.bar.zip(median_interval(&rate.rounds)) {
            let Interval { low, high } = interval;
            let holds = holds(bar, interval);
            unit += &format!("; 95 % interval [{low:.2}, {high:.2}]: {}", verdict(bar, holds));
            row["low"] = low.into();
            row["high"] = high.into();
            row["bar"] = bar.into();
            row["holds"] = holds.into();
        }
        let figures = [median, min, max].map(number);
        rows.push([rate.name.clone()].into_iter().chain(figures).chain([unit]).collect());
        document.push(row);
    }
    session.result(&Value::Array(document), &table(&rows))
}

/// Whether the bar is kept, as far as the interval says.
fn holds(bar: f64, Interval { low, high }: Interval) -> Option<bool> {
    (high < bar || low > bar).then_some(high < bar)
}

fn verdict(bar: f64, holds: Option<bool>) -> String {
    match holds {
        Some(true) => format!("below the bar of {bar} %"),
        Some(false) => format!("above the bar of {bar} %"),
        None => format!("across the bar of {bar} %: measure for longer with --seconds"),
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Repeats `round`, which says how many units it did, until the time is spent; at least three times.
fn measure(
    budget: Duration,
    mut round: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<f64>> {
    round()?;
    let started = Instant::now();
    let mut rates = Vec::new();
    while rates.len() < 3 || started.elapsed() < budget {
        let clock = Instant::now();
        let units = round()?;
        rates.push(units / clock.elapsed().as_secs_f64());
    }
    Ok(rates)
}

/// Control steps (with a frame each, if a size is given) a second on one core, under random action.
fn worlds(
    session: &Session,
    sim: &Sim,
    size: Option<usize>,
    physics: bool,
    budget: Duration,
) -> anyhow::Result<Rate> {
    const STEPS: usize = 200;
    let images = size.map_or_else(Vec::new, |size| {
        sim.default_view()
            .images
            .into_iter()
            .map(|image| ImageSpec { width: size, height: size, ..image })
            .collect()
    });
    let mut env = sim.env(&ViewOptions { images, state: false })?;
    let mut policy = RandomPolicy::new(env.spaces().action.dim());
    let seed = Seed::new(session.common.seed.unwrap_or(0));
    let mut rng = seed.rng();
    let mut episode = 0;
    let rounds = measure(budget, || {
        env.reset(seed.child("episode", episode), &ResetOptions::default())?;
        episode += 1;
        for _ in 0..STEPS {
            let action = policy.act(&Observation::default(), &mut rng)?.action;
            if physics {
                env.advance(&action)?;
            }
            if size.is_some() {
                std::hint::black_box(env.observe());
            }
        }
        Ok(STEPS as f64)
    })?;
    let (what, unit) = match (size, physics) {
        (None, _) => ("physics".to_owned(), "control steps/s per core"),
        (Some(size), true) => {
            (format!("collect {size}x{size}"), "frames/s per core, physics included")
        }
        (Some(size), false) => {
            (format!("render {size}x{size}"), "frames/s per core, nothing moving")
        }
    };
    Ok(Rate { name: format!("{} {what}", sim.name()), unit, rounds, bar: None })
}

/// Physics steps a second of the bare engine, all threads: short trajectories from one state under random controls
/// that change every control step.
fn engine(session: &Session, sim: &Sim, budget: Duration) -> anyhow::Result<Rate> {
    const TRAJECTORIES: usize = 64;
    const STEPS: usize = 200;
    let threads = session.threads()?;
    let (model, ranges) = (sim.model(), sim.control_ranges());
    let seed = Seed::new(session.common.seed.unwrap_or(0));
    let mut start = model.initial().clone();
    let mut work = Workspace::new(model);
    (0..100).for_each(|_| model.step(&mut start, &mut work));
    let trajectory = |index: usize, work: &mut Workspace| {
        let mut rng = seed.child("trajectory", index as u64).rng();
        let mut state = start.clone();
        for step in 0..STEPS {
            if step % sim.substeps() == 0 {
                for (control, &[low, high]) in state.control.iter_mut().zip(&ranges) {
                    *control = rng.uniform_f64(low, high);
                }
            }
            model.step(&mut state, work);
        }
        state.is_sane()
    };
    let rounds = measure(budget, || {
        let sane = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|thread| {
                    let trajectory = &trajectory;
                    // Each thread makes its own workspace, so that no two share a cache line.
                    scope.spawn(move || {
                        let mut work = Workspace::new(model);
                        let mut own = (thread..TRAJECTORIES).step_by(threads);
                        own.all(|index| trajectory(index, &mut work))
                    })
                })
                .collect();
            workers.into_iter().all(|worker| worker.join().unwrap_or(false))
        });
        if !sane {
            bail!("{}: the world explodes under random controls", sim.name());
        }
        Ok((TRAJECTORIES * STEPS) as f64)
    })?;
    let name = format!("{} engine, {threads} threads", sim.name());
    Ok(Rate { name, unit: "physics steps/s, all threads", rounds, bar: None })
}

/// Windows a second of the sim's own recipe, on all threads.
fn training(session: &Session, sim: &Sim, budget: Duration) -> anyhow::Result<Rate> {
    let (seed, set) = (session.common.seed, &session.common.set);
    let mut config = RunConfig::load(sim, sim.name(), None, seed, set)?;
    config.collect.episodes = config.collect.episodes.min(40);
    let folder = std::env::temp_dir().join(format!("housecat-bench-{}", std::process::id()));
    let run = RunDir::new(&folder);
    let measured = (|| {
        let images = config.input.sees();
        collect::collect(session, sim, &config, Collector::default(), images, &run.dataset())?;
        let dataset = Dataset::open(&run.dataset())?;
        let threads = session.threads()?;
        let experience = train::load(session, &dataset, images)?;
        let spec = train::spec(&config, &dataset)?;
        let seed = Seed::new(config.seed);
        let mut trainer = Trainer::new(spec, config.train.clone(), &experience, seed, threads)?;
        let batch = config.train.batch as f64;
        measure(budget, || {
            trainer.step()?;
            Ok(batch)
        })
    })();
    // Best effort: it is a temporary folder.
    let _ = std::fs::remove_dir_all(&folder);
    let name =
        format!("{} train, {} windows of {}", sim.name(), config.train.batch, config.train.window);
    Ok(Rate { name, unit: "windows/s, all threads", rounds: measured?, bar: None })
}
