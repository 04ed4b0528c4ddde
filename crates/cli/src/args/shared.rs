//! Flags that several commands have in common.

use clap::Args;
use housecat_view::{Live, Sink};

/// Flags of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Root of all randomness: the same seed gives the same bits at any number of threads.
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
    /// Worker threads [default: all cores].
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Where tensors live: `cpu` (this build has no `cuda`).
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Overrides a value of the sim's train.toml, for example `--set train.steps=500`; repeatable.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Prints exactly one JSON document on stdout; everything else goes to stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// Says less (only errors).
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Says more; twice for debugging.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// A sim by name or path.
#[derive(Clone, Debug, Args)]
pub struct SimArg {
    /// Name of a sim (see `housecat sims`) or path of a folder with scene.xml and sim.toml.
    #[arg(value_name = "SIM")]
    pub sim: String,
}

/// A method other than the sim's own.
#[derive(Clone, Debug, Default, Args)]
pub struct RecipeArg {
    /// Takes the tables of a recipe in place of those in the sim's train.toml: a published method (`lewm`, `pldm`,
    /// `dino-wm`: model, training, planner and size of the image) or your own TOML file. --set applies on top.
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
}

/// What varies from episode to episode.
#[derive(Clone, Debug, Default, Args)]
pub struct VaryArg {
    /// Varies a factor, drawn anew for each episode from its seed: `light.intensity=0.5..1`, one value
    /// `light=0.7`, alternatives `shape=T|L`, a factor over all of its range `size`, or `all`; repeatable.
    /// `housecat sims SIM` lists the factors, their defaults and ranges.
    #[arg(long, value_name = "FACTOR[=LEVELS]")]
    pub vary: Vec<String>,
}

/// Watching the work while it is done.
#[derive(Clone, Debug, Args)]
pub struct WatchArg {
    /// Watches in rerun: `--view` opens its viewer, `--view=serve` serves it to a browser, `--view=connect:HOST:PORT`
    /// sends to one that listens, `--view=FILE.rrd` records. Each stage has a layout of its own. One episode is shown at a
    /// time, from beginning to end. The work never waits, and displaying takes at most 2 % of the processor time that is
    /// used: what is left out meanwhile is counted and said.
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "spawn")]
    pub view: Option<Sink>,
    /// Control steps a second that are shown, taken over whole episodes: the more, the more episodes. Above the default,
    /// displaying may take more of the processor time in the same ratio.
    #[arg(long, value_name = "N", default_value_t = Live::HZ, requires = "view")]
    pub view_hz: f64,
}

/// How to plan, where the run's configuration is not meant.
#[derive(Clone, Debug, Default, Args)]
pub struct HowArg {
    /// Solver, with its default hyper-parameters: cem, icem, mppi, predictive_sampling, categorical_cem, adam,
    /// projected_gradient, hybrid or lagrangian [default: the run's configuration].
    #[arg(long, value_name = "NAME")]
    pub planner: Option<String>,
    /// Milliseconds that a plan may take: the best found by then is used [default: the run's configuration].
    #[arg(long, value_name = "MS")]
    pub deadline_ms: Option<f64>,
}
