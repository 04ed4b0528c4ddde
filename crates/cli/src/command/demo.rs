//! `housecat demo`: a small model that comes with the source plans from pixels, on problems it has never seen.

use crate::args::{DemoArgs, HowArg};
use crate::command::eval::{self, Arena, model_view};
use crate::session::Session;
use crate::{sims, watch};
use housecat_agent::{AgentError, Arm, EvalReport, PairOutcome, evaluate};
use housecat_core::Protocol;
use housecat_view::Purpose;
use serde_json::{Map, Value};
use std::time::Instant;

/// The model and its two floors. The ceiling, planning on the simulator, takes minutes: see `housecat eval`.
const ARMS: [Arm; 3] = [Arm::Model, Arm::Random, Arm::Still];

/// The command.
pub fn run(session: &Session, args: &DemoArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let started = Instant::now();
    let folder = sims::shipped("assets/demo", "config.toml")?;
    let mut loaded = eval::load(session, &folder, &HowArg::default())?;
    let problems = &mut loaded.config.eval;
    (problems.pairs, problems.seeds) = (args.pairs, vec![session.common.seed.unwrap_or(0)]);
    let eval::Loaded { sim, config, model, displays, .. } = &loaded;
    session.say(format!(
        "A model of {} parameters sees {} through a camera and plans to make it look like a picture.",
        model.parameters(),
        sim.name()
    ));
    let view = model_view(model);
    watch::open(session, &args.watch, sim, &view, Purpose::Evaluate)?;
    watch::imagine(session, sim, model, displays)?;
    let evaluation = Arena::of_run(session, &loaded, &view).with_evaluator(|evaluator| {
        evaluate(evaluator, &config.eval, &ARMS, &|outcome| tell(session, outcome)).map_err(
            |error| match error {
                AgentError::Interrupted => session.interrupted(),
                other => other.into(),
            },
        )
    })?;
    let searches = (&config.planner, &config.oracle);
    let block = config.model.action_repeat;
    let reports = Protocol::ALL
        .map(|protocol| EvalReport::new(sim.name(), protocol, &evaluation, searches, block));
    let text = format!(
        "\n{}\n{:.0} s in all. Train your own, against the ceiling too:  housecat run {}\n",
        eval::summary(&reports),
        started.elapsed().as_secs_f64(),
        sim.name()
    );
    let document = reports
        .iter()
        .map(|report| Ok((report.protocol.name().to_owned(), eval::document(report)?)))
        .collect::<anyhow::Result<Map<String, Value>>>()?;
    session.result(&document.into(), &text)
}

/// Says how the model fared on a problem.
fn tell(session: &Session, outcome: &PairOutcome) {
    if outcome.arm != Arm::Model {
        return;
    }
    let how = match outcome.first_success[0] {
        Some(step) => format!("reached in {step} steps"),
        None => format!("not reached in {} steps", outcome.steps),
    };
    let plans = outcome.plan_secs.len();
    let mean_ms = 1e3 * outcome.plan_secs.iter().sum::<f64>() / plans.max(1) as f64;
    session
        .say(format!("  problem {:>2}: {how}, {plans} plans of {mean_ms:.0} ms", outcome.pair + 1));
}
