//! `housecat run`: the main job, resumable at every stage.

use crate::args::RunArgs;
use crate::clock::{self, StageClock};
use crate::command::{
    collect,
    eval::{self, Loaded},
    train,
};
use crate::config::RunConfig;
use crate::displays::Displays;
use crate::experience::{Beginner, Collectors};
use crate::run_dir::RunDir;
use crate::session::Session;
use crate::{rounds, sims, spectator, watch};
use anyhow::bail;
use housecat_agent::EvalReport;
use housecat_core::{Env as _, Protocol};
use housecat_data::{DataError, Dataset};
use housecat_model::load_model;
use housecat_view::Purpose;
use serde_json::json;
use std::time::Instant;

/// The command.
pub fn run(session: &Session, args: &RunArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let started = Instant::now();
    let sim = sims::load(&args.sim.sim)?;
    let varied = sim.varied(&args.vary.vary)?;
    let name = sims::name_in_runs(&sim, &args.sim.sim);
    let recipe = args.recipe.recipe.as_deref();
    let mut config = RunConfig::load(&sim, name, recipe, session.common.seed, &session.common.set)?;
    config.rounds.count = args.rounds.unwrap_or(config.rounds.count);
    let run = RunDir::new(args.out.join(sim.name()).join(&args.name));
    // Before anything is written: a sim may lack the scripted policy that the mix names, or show what the model
    // cannot take.
    Beginner::new(&sim, &config, Collectors::Mix(config.collect.mix.clone()))?;
    let env = sim.env(&config.view(&sim, collect::wants_images(&config)))?;
    config.check_task(env.task())?;
    train::check_model(config.spec(sim.name(), env.spaces())?)?;
    train::prepare(session, &run, &config)?;
    let seen = config.view(&sim, collect::wants_images(&config));
    watch::open(session, &args.watch, &sim, &seen, Purpose::Collect)?;
    session.say(format!("{}: {}", sim.name(), sim.description()));
    session.say(format!("everything lands in {}; the same command resumes", run.path().display()));

    let dataset = match Dataset::open(&run.dataset()) {
        Ok(dataset) => dataset,
        Err(DataError::Missing { .. } | DataError::Unsealed { .. }) => {
            let _clock = StageClock::since(Instant::now(), &run, "collect");
            let images = collect::wants_images(&config);
            let first = collect::Collector::default();
            let collected =
                collect::collect(session, &varied, &config, first, images, &run.dataset())?;
            session.say(format!(
                "collected {} episodes, {} frames in {:.0} s",
                collected.episodes, collected.frames, collected.seconds
            ));
            Dataset::open(&run.dataset())?
        }
        Err(other) => return Err(other.into()),
    };

    train::check_dataset(&dataset, &sim, &config)?;
    let (asked, recorded) =
        (collect::varying(&varied), dataset.features().provenance.get(collect::VARY));
    if asked.as_ref() != recorded {
        let or_nothing =
            |text: Option<&String>| text.cloned().unwrap_or_else(|| "nothing".to_owned());
        bail!(
            "the dataset {} was recorded with `--vary` of {}, not of {}; give the run another --name",
            run.dataset().display(),
            or_nothing(recorded),
            or_nothing(asked.as_ref())
        );
    }
    rounds::learn(session, &varied, &config, dataset, &run)?;
    let model = load_model(&run.checkpoints().join("last"))?;
    let memory = eval::memory(&run)?;
    let displays = Displays::read(&run, &model)?;
    let loaded = Loaded { run, sim, config, model, memory, displays };
    let Loaded { run, sim, config, .. } = &loaded;
    let reports = match previous(run, config) {
        Some(reports) if run.report().is_file() && run.recording().is_file() => reports,
        _ => {
            let began = Instant::now();
            let clock = StageClock::since(began, run, "evaluate");
            let (reports, evaluation) =
                eval::evaluate_run(session, &loaded, false, &Protocol::ALL)?;
            session.say(format!("evaluated in {:.0} s", began.elapsed().as_secs_f64()));
            eval::save(&reports, &run.eval())?;
            drop(clock);
            spectator::show_run(session, &loaded, &reports, &evaluation.pairs)?;
            reports
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let minutes = |(stage, seconds): &(String, f64)| format!("{stage} {:.1} min", seconds / 60.0);
    let stages: Vec<String> = clock::seconds(run).iter().map(minutes).collect();
    let text = format!(
        "{}\ndone in {seconds:.0} s; the run took {}\n  report     {}\n  recording  {}   (open with: housecat view {})\n",
        eval::summary(&reports),
        stages.join(", "),
        run.report().display(),
        run.recording().display(),
        run.path().display(),
    );
    let protocols: serde_json::Map<_, _> = reports
        .iter()
        .map(|report| Ok((report.protocol.name().to_owned(), eval::document(report)?)))
        .collect::<anyhow::Result<_>>()?;
    let document = json!({
        "sim": sim.name(), "run": run.path(), "seconds": seconds, "eval": protocols,
        "report": run.report(), "recording": run.recording(),
    });
    session.result(&document, &text)
}

/// The results of an earlier, complete evaluation with this configuration.
fn previous(run: &RunDir, config: &RunConfig) -> Option<Vec<EvalReport>> {
    let read = |protocol: &Protocol| -> Option<EvalReport> {
        let path = run.eval().join(format!("{}.json", protocol.name()));
        serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
    };
    // `housecat eval` may have left the results of another question there.
    let same = |report: &EvalReport| {
        report.pairs == config.eval.pairs
            && report.varied.is_empty()
            && report.seeds == config.eval.seeds
            && report.goal_offset == config.eval.goal_offset
            && report.planner == config.planner
            && report.oracle_planner == config.oracle
    };
    Protocol::ALL.iter().map(|protocol| read(protocol).filter(&same)).collect()
}
