//! `housecat demo`: a small model that comes with the source plans from pixels, on problems it has never seen.

use crate::args::{DemoArgs, HowArg};
use crate::command::eval::{self, Arena, model_view};
use crate::console::table;
use crate::session::Session;
use crate::sims;
use anyhow::bail;
use housecat_agent::{
    AgentError, Arm, EvalConfig, Evaluator, Interval, Job, PairOutcome, displacements, median,
    wilson,
};
use housecat_core::{GoalError, Protocol};
use serde_json::json;
use std::time::Instant;

/// The model and its two floors. The ceiling, planning on the simulator, takes minutes: see `housecat eval`.
const ARMS: [Arm; 3] = [Arm::Model, Arm::Random, Arm::Still];

/// The command.
pub fn run(session: &Session, args: &DemoArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    if args.pairs == 0 {
        bail!("--pairs 0: give at least one problem");
    }
    let started = Instant::now();
    let folder = sims::shipped("assets/demo", "config.toml")?;
    let mut loaded = eval::load(session, &folder, &HowArg { planner: None, deadline_ms: None })?;
    let eval = &mut loaded.config.eval;
    (eval.pairs, eval.seeds) = (args.pairs, vec![session.common.seed.unwrap_or(0)]);
    session.say(format!(
        "A model of {} parameters sees {} through a camera and plans to make it look like a picture.",
        loaded.model.parameters(),
        loaded.sim.name()
    ));
    let view = model_view(&loaded.model);
    let acted = Arena::of_run(session, &loaded, &view).with_evaluator(|evaluator| {
        let found = act(session, evaluator, &loaded.config.eval);
        found.map_err(|error| match error {
            AgentError::Interrupted => session.interrupted(),
            other => other.into(),
        })
    })?;
    let (outcomes, difficulty) = acted;

    let mut rows = vec![["arm", "moderate", "strict", "n"].map(str::to_owned).to_vec()];
    let mut success = serde_json::Map::new();
    for arm in ARMS {
        let of: Vec<&PairOutcome> = outcomes.iter().filter(|one| one.arm == arm).collect();
        let rates = Protocol::ALL.map(|protocol| {
            let hits = of.iter().filter(|one| one.success.of(protocol)).count();
            (hits as f64 / of.len() as f64, wilson(hits, of.len()))
        });
        let cell = |(rate, within): &(f64, Interval)| {
            format!("{rate:.2} [{:.2}, {:.2}]", within.low, within.high)
        };
        let [moderate, strict] = &rates;
        rows.push(vec![arm.name().into(), cell(moderate), cell(strict), of.len().to_string()]);
        let [moderate, strict] = rates
            .map(|(rate, within)| json!({ "rate": rate, "low": within.low, "high": within.high }));
        success.insert(arm.name().into(), json!({ "moderate": moderate, "strict": strict }));
    }
    let plans = outcomes.iter().filter(|one| one.arm == Arm::Model);
    let plan_ms: Vec<f64> = plans.flat_map(|one| &one.plan_secs).map(|secs| secs * 1e3).collect();
    let secs = started.elapsed().as_secs_f64();
    let hard: Vec<String> = difficulty
        .iter()
        .map(|term| format!("{} {:.3} {}", term.name, term.value, term.unit))
        .collect();
    let text = format!(
        "\n{}\nmedian distance to the goal: {}\n{} plans, {:.1} ms in the median; {secs:.0} s in all\n\n\
        Train your own, against the ceiling too:  housecat run {}\n",
        table(&rows),
        hard.join(", "),
        plan_ms.len(),
        median(&plan_ms),
        loaded.sim.name()
    );
    let document = json!({
        "sim": loaded.sim.name(), "pairs": args.pairs, "seed": loaded.config.eval.seeds[0], "success": success,
        "pair_difficulty": difficulty, "plan_ms": median(&plan_ms), "secs": secs,
    });
    session.result(&document, &text)
}

/// Solves the problems, tells how each went, and says how far they ask the world to move, in the median.
fn act(
    session: &Session,
    evaluator: &Evaluator<'_>,
    config: &EvalConfig,
) -> Result<(Vec<PairOutcome>, Vec<GoalError>), AgentError> {
    let mut env = (evaluator.new_env)()?;
    let problems = evaluator.problems(&mut *env, config)?;
    let apart = displacements(&*env, &problems);
    let each = |arm: Arm| {
        problems.iter().flat_map(move |(seed, pairs)| {
            pairs.iter().enumerate().map(move |(index, pair)| (arm, *seed, index, pair))
        })
    };
    let jobs: Vec<Job<'_>> = ARMS.into_iter().flat_map(each).collect();
    let outcomes = evaluator.run_all(&jobs, config.budget_steps, &|outcome| {
        if outcome.arm == Arm::Model {
            let how = match outcome.first_success[0] {
                Some(step) => format!("reached in {step} steps"),
                None => format!("not reached in {} steps", outcome.steps),
            };
            let mean =
                outcome.plan_secs.iter().sum::<f64>() / outcome.plan_secs.len().max(1) as f64;
            session.say(format!(
                "  problem {:>2}: {how}, {} plans of {:.0} ms",
                outcome.pair + 1,
                outcome.plan_secs.len(),
                mean * 1e3
            ));
        }
    })?;
    let terms = apart.first().map_or(0, Vec::len);
    let typical = |term: usize| {
        let values: Vec<f64> = apart.iter().map(|one| one[term].value).collect();
        GoalError { value: median(&values), ..apart[0][term].clone() }
    };
    Ok((outcomes, (0..terms).map(typical).collect()))
}
