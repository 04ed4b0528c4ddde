//! `housecat plan`: one planning problem, timed and explained.

use crate::args::PlanArgs;
use crate::command::eval::{self, Arena};
use crate::console::table;
use crate::session::Session;
use anyhow::Context as _;
use housecat_agent::{Arm, SimObjective, held_out_pairs, spearman};
use housecat_core::{EpisodeHeader, EpisodeSummary, PlanTrace, Recorder, Seed, StepRecord};
use housecat_plan::{ActionSequences, Objective as _};
use serde_json::json;

/// Keeps the first plan.
#[derive(Default)]
struct FirstPlan(Option<PlanTrace>);

impl Recorder for FirstPlan {
    fn begin(&mut self, _: &EpisodeHeader) {}
    fn record(&mut self, step: StepRecord) {
        if self.0.is_none() {
            self.0 = step.plan;
        }
    }
    fn end(&mut self, _: &EpisodeSummary) {}
}

/// The command.
pub fn run(session: &Session, args: &PlanArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let loaded = eval::load(session, &args.run, &args.how)?;
    let eval::Loaded { sim, config, model, .. } = &loaded;
    let view = &eval::model_view(model);
    let progress = &|_, _| ();
    let stage =
        Arena { session, sim, config, model: Some(model), view, real_time: false, progress };
    stage.with_evaluator(|evaluator| {
        let mut env = (evaluator.new_env)()?;
        let seed = session.common.seed.unwrap_or(0);
        let pairs = held_out_pairs(
            &mut *env,
            evaluator.collector,
            Seed::new(seed),
            args.pair + 1,
            config.eval.goal_offset,
            config.collect.steps,
        )?;
        let pair = pairs.last().context("no problem was found")?;
        let mut first = FirstPlan::default();
        // One step is enough: the plan is made on the first.
        evaluator.run(&mut *env, Arm::Model, (seed, args.pair), pair, 1, &mut first)?;
        let plan = first.0.context("the policy did not plan")?;

        env.restore(&pair.start)?;
        if let Some((_, goal)) = &pair.goal {
            env.set_goal(Some(goal))?;
        }
        let start = env.snapshot();
        let elites = ActionSequences {
            samples: plan.elite_costs.len(),
            horizon: plan.horizon,
            action_dim: plan.action_dim,
            values: plan.elites.clone(),
        };
        let mut world = env.fork();
        let (block, shape) = (config.model.action_repeat, config.planner.cost);
        let mut truth = SimObjective::new(&mut *world, &start, block, shape);
        let simulated = truth.costs(&elites);
        let correlation = spearman(&plan.elite_costs, &simulated);

        let mut rounds =
            vec![["round", "best", "elite mean", "mean", "spread"].map(str::to_owned).to_vec()];
        for (round, it) in plan.iterations.iter().enumerate() {
            let numbers =
                [it.best, it.elite_mean, it.mean, it.std].map(|value| format!("{value:.4}"));
            rounds.push(std::iter::once((round + 1).to_string()).chain(numbers).collect());
        }
        let mut ranks =
            vec![["elite", "predicted cost", "simulated cost"].map(str::to_owned).to_vec()];
        for (elite, (predicted, simulated)) in plan.elite_costs.iter().zip(&simulated).enumerate() {
            ranks.push(vec![
                (elite + 1).to_string(),
                format!("{predicted:.4}"),
                format!("{simulated:.4}"),
            ]);
        }
        let correlation_text =
            correlation.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.2}"));
        let text = format!(
            "{} planned {} control steps in {:.1} ms, predicted cost {:.4}\n\n{}\n{}\nrank correlation {correlation_text}\n",
            config.planner.solver.name(),
            plan.horizon,
            plan.plan_secs * 1e3,
            plan.best_cost,
            table(&rounds),
            table(&ranks)
        );
        let document = json!({
            "sim": sim.name(), "pair": args.pair, "plan_ms": plan.plan_secs * 1e3, "horizon": plan.horizon,
            "best": plan.best, "best_cost": plan.best_cost, "iterations": plan.iterations,
            "elite_costs": plan.elite_costs, "simulated_costs": simulated, "rank_correlation": correlation,
        });
        session.result(&document, &text)
    })
}
