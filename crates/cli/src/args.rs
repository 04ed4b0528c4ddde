//! The command line.

mod shared;

pub use shared::{Common, HowArg, RecipeArg, SimArg, VaryArg, WatchArg};

use clap::{Args, Parser, Subcommand, ValueEnum};
use housecat_view::Sink;
use std::path::PathBuf;

/// A robot stack in one binary: simulate, collect, train a world model, plan in it, evaluate, and see.
///
/// Start with `housecat run two-room`. It collects experience in a simulated world, trains a world
/// model from pixels, plans in it towards goal pictures, compares that with three other arms, and
/// writes a report. Everything lands in `runs/<sim>/<name>/`; the same command resumes.
#[derive(Debug, Parser)]
#[command(name = "housecat", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of every command.
    #[command(flatten)]
    pub common: Common,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The main job: collect, train, evaluate and report on a sim.
    Run(RunArgs),
    /// Watch a small model that comes with the source plan on push-t, in seconds.
    Demo(DemoArgs),
    /// Record experience into a LeRobot dataset.
    Collect(CollectArgs),
    /// Train a world model on a dataset.
    Train(TrainArgs),
    /// Evaluate a run on held-out problems against floors and ceiling.
    Eval(EvalArgs),
    /// Build the page of a run anew, or one that puts several runs side by side.
    Report(ReportArgs),
    /// Compare planners and models on the same problems.
    Compare(CompareArgs),
    /// Solve one planning problem and explain the plan.
    Plan(PlanArgs),
    /// Measure this machine's throughput.
    Bench(BenchArgs),
    /// Watch a run, a dataset or a sim in the rerun viewer.
    View(ViewArgs),
    /// List the sims, show one, or check a robot.
    Sims(SimsArgs),
    /// Simulate a scene by itself: the trajectory and its energy.
    Simulate(SimulateArgs),
    /// Say what a run, a checkpoint or a dataset holds.
    Inspect(PathArg),
    /// Check every byte of a dataset.
    Verify(PathArg),
    /// Seal an interrupted dataset and drop damaged tails.
    Repair(PathArg),
    /// Join datasets of the same sim into one.
    Merge(MergeArgs),
    /// Make a run of a model that was published elsewhere.
    Convert(ConvertArgs),
    /// Check this machine: processor, sims, viewer, disk.
    Doctor,
}

/// `housecat run`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat run two-room\n  housecat run reacher --name quick --set train.steps=500\n  \
    housecat run two-room --name watched --view          every stage in the rerun viewer\n  \
    housecat run push-t --name lewm --recipe lewm --set image=64 --set model.encoder.patch=8\n\n\
    Running the same command again resumes an interrupted run and repeats nothing that is complete."
)]
pub struct RunArgs {
    /// The sim.
    #[command(flatten)]
    pub sim: SimArg,
    /// Name of the run: its folder is `<out>/<sim>/<name>`.
    #[arg(long, default_value = "default")]
    pub name: String,
    /// Folder that holds all runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub out: PathBuf,
    /// After the first training: rounds in which the planner acts in what was learned, what it did joins the
    /// dataset, and training goes on [default: the sim's train.toml].
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// What is learned, and how.
    #[command(flatten)]
    pub recipe: RecipeArg,
    /// Of the experience that the model learns from; `housecat eval --vary` evaluates under variation.
    #[command(flatten)]
    pub vary: VaryArg,
    /// Watching it.
    #[command(flatten)]
    pub watch: WatchArg,
}

/// `housecat collect`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat collect two-room --episodes 100 --policy scripted --out data/two-room\n  \
    housecat collect reacher --policy runs/reacher/default --out data/on-policy\n\n\
    An episode is durable as soon as it is counted. An interrupted collection continues with the same command."
)]
pub struct CollectArgs {
    /// The sim.
    #[command(flatten)]
    pub sim: SimArg,
    /// Episodes to record [default: the sim's train.toml].
    #[arg(long, value_name = "N")]
    pub episodes: Option<usize>,
    /// Control steps an episode [default: the sim's train.toml].
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// `random`, `scripted`, `oracle`, or the folder of a run whose model acts
    /// [default: the mix in the sim's train.toml].
    #[arg(long)]
    pub policy: Option<String>,
    /// Records no images.
    #[arg(long)]
    pub no_images: bool,
    /// How large images are, and how the oracle plans.
    #[command(flatten)]
    pub recipe: RecipeArg,
    /// Folder of the dataset. What was varied is in its meta/variations.json.
    #[arg(long, value_name = "DATASET")]
    pub out: PathBuf,
    /// What varies.
    #[command(flatten)]
    pub vary: VaryArg,
    /// Watching it.
    #[command(flatten)]
    pub watch: WatchArg,
}

/// `housecat train`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  housecat train data/two-room --out runs/two-room/mine\n  \
    housecat train data/two-room --out runs/two-room/mine --resume\n  \
    housecat train data/large --out runs/two-room/pldm --recipe pldm    images as large as the recipe's, 224 x 224")]
pub struct TrainArgs {
    /// Folder of the dataset.
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// Folder of the run; checkpoints and metrics land there.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Continues from the run's newest checkpoint, bit for bit.
    #[arg(long)]
    pub resume: bool,
    /// Starts from the weights of this checkpoint.
    #[arg(long, value_name = "CHECKPOINT", conflicts_with = "resume")]
    pub init: Option<PathBuf>,
    /// What is learned, and how.
    #[command(flatten)]
    pub recipe: RecipeArg,
    /// Watching it.
    #[command(flatten)]
    pub watch: WatchArg,
}

/// A success criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtocolArg {
    /// The first hit of the looser criterion counts.
    Moderate,
    /// The tighter criterion, held.
    Strict,
    /// Both, from the same episodes.
    Both,
}

/// `housecat demo`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat demo\n  housecat demo --view\n  housecat demo --pairs 40 --seed 7\n\n\
    The model is assets/demo, a run like any other: housecat eval assets/demo --out /tmp/demo judges it in full."
)]
pub struct DemoArgs {
    /// Problems: --seed says which.
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub pairs: usize,
    /// Watching it.
    #[command(flatten)]
    pub watch: WatchArg,
}

/// `housecat eval`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  housecat eval runs/two-room/default\n  \
    housecat eval runs/reacher/default --pairs 50 --seeds 0,1 --planner mppi --protocol strict\n  \
    housecat eval runs/two-room/default --vary light.intensity=0.3..1 --vary agent\n  \
    housecat eval runs/two-room/default --view           the model's episodes in the rerun viewer")]
pub struct EvalArgs {
    /// Folder of the run, or of one of its checkpoints.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Evaluates on this sim [default: the one the model was trained on; another is refused].
    #[arg(long)]
    pub sim: Option<String>,
    /// Which criterion to judge by.
    #[arg(long, value_enum, default_value = "both")]
    pub protocol: ProtocolArg,
    /// Problems per seed [default: the run's configuration].
    #[arg(long, value_name = "N")]
    pub pairs: Option<usize>,
    /// Evaluation seeds, separated by commas [default: the run's configuration].
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub seeds: Option<Vec<u64>>,
    /// Control steps from start to goal in the held-out episode [default: the run's configuration].
    #[arg(long, value_name = "N")]
    pub goal_offset: Option<usize>,
    /// How the model and oracle arms plan.
    #[command(flatten)]
    pub how: HowArg,
    /// Lets the world go on by the clock on the wall while planners think in threads of their own; an
    /// episode then takes as long as in reality. With --threads 1 planners have a core to themselves.
    #[arg(long)]
    pub real_time: bool,
    /// Writes the results here [default: the run's `eval` folder].
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// What varies; success is then told per factor, too.
    #[command(flatten)]
    pub vary: VaryArg,
    /// Watching it.
    #[command(flatten)]
    pub watch: WatchArg,
}

/// `housecat report`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat report runs/two-room/default             the run's report.html, after a new `housecat eval`\n  \
    housecat report runs/push-t/default runs/push-t/lewm --out push-t.html\n\n\
    One run: the page is made from the results in its `eval` folder; the episodes of its film strips are planned\n\
    again. Several: success with intervals by protocol, quality of the models, minutes, and what differs in\n\
    configuration. They must be of one sim, and their problems as hard (`pair_difficulty`): otherwise success cannot\n\
    be compared, and nothing is written."
)]
pub struct ReportArgs {
    /// Folders of evaluated runs.
    #[arg(value_name = "RUN", required = true, num_args = 1..)]
    pub runs: Vec<PathBuf>,
    /// Writes the page here [default: report.html of the run; of several, comparison.html beside the first].
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
}

/// `housecat compare`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat compare push-t --planner cem,icem,mppi --samples 64,256 --pairs 30\n  \
    housecat compare two-room --model runs/two-room/default,oracle --deadline-ms 5,20,100\n  \
    housecat compare cart-pole --grid solver.std=0.3,0.7 --grid cost.mean=0,0.25\n\n\
    Every combination is a contender, and all face the same held-out problems. What varies is set on top of the\n\
    run's [planner], or of [oracle] in the sim's train.toml. The same command resumes, and repeats nothing done."
)]
pub struct CompareArgs {
    /// The sim.
    #[command(flatten)]
    pub sim: SimArg,
    /// Solvers, separated by commas: cem, icem, mppi, ... [default: the recipe's].
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub planner: Vec<String>,
    /// Candidates a round, separated by commas [default: the recipe's].
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    pub samples: Vec<usize>,
    /// Rounds of the first plan, separated by commas; later plans get half [default: the recipe's].
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    pub iterations: Vec<usize>,
    /// Action blocks in a plan, separated by commas [default: the recipe's].
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    pub horizon: Vec<usize>,
    /// Milliseconds a plan may take, separated by commas [default: as long as its rounds take].
    #[arg(long, value_delimiter = ',', value_name = "MS,MS")]
    pub deadline_ms: Vec<f64>,
    /// Runs whose models plan, and `oracle` for the simulator itself, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RUNS", default_value = "oracle")]
    pub model: Vec<String>,
    /// Lets the world go on by the clock on the wall while planners think in threads of their own; an
    /// episode then takes as long as in reality. With --threads 1 planners have a core to themselves.
    #[arg(long)]
    pub real_time: bool,
    /// Any other value of the planner's, `key=value,value` as in the table `planner` of a recipe; repeatable.
    #[arg(long, value_name = "KEY=VALUES")]
    pub grid: Vec<String>,
    /// Problems per seed [default: the recipe's].
    #[arg(long, value_name = "N")]
    pub pairs: Option<usize>,
    /// Evaluation seeds, separated by commas [default: the recipe's].
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub seeds: Option<Vec<u64>>,
    /// Control steps from start to goal in the held-out episode [default: the recipe's].
    #[arg(long, value_name = "N")]
    pub goal_offset: Option<usize>,
    /// Control steps a contender may use [default: the recipe's].
    #[arg(long, value_name = "N")]
    pub budget_steps: Option<usize>,
    /// Folder of the results: compare.json, compare.html, and outcomes/ to resume from; `runs/<sim>/compare` if not
    /// given.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// `housecat plan`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  housecat plan runs/two-room/default --pair 3\n  \
    housecat plan runs/push-t/default --planner icem --deadline-ms 20 --save plan.rrd")]
pub struct PlanArgs {
    /// Folder of the run, or of one of its checkpoints.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Number of the evaluation problem; --seed chooses its seed.
    #[arg(long, default_value_t = 0)]
    pub pair: usize,
    /// How to plan.
    #[command(flatten)]
    pub how: HowArg,
    /// Records what the simulator says would happen, with the path that the plan imagined.
    #[arg(long, value_name = "FILE.rrd")]
    pub save: Option<PathBuf>,
    /// Shows the same in rerun: `--view` opens its viewer, `--view=serve` serves it to a browser,
    /// `--view=connect:HOST:PORT` sends to one that listens.
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "spawn")]
    #[arg(conflicts_with = "save")]
    pub view: Option<Sink>,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchWhat {
    /// Physics and rendering together: frames a second.
    Collect,
    /// Rendering alone: frames a second.
    Render,
    /// Physics alone: control steps and physics steps a second.
    Physics,
    /// Optimiser steps and windows a second.
    Train,
    /// Milliseconds a plan in the latent model and on the simulator.
    Plan,
    /// By how many milliseconds plans miss `planner.deadline_ms` (20 if not set) while the other cores are busy.
    Deadline,
    /// What watching costs: collection with and without `--view`, recorded to a file, in turns; by how much processor
    /// and wall-clock time a frame differ, with a 95 % interval, and whether that is below 3 % (give it `--seconds 20`).
    View,
}

/// `housecat bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure.
    #[arg(value_enum)]
    pub what: BenchWhat,
    /// Sims to measure on, by name, folder or scene file [default: all].
    #[arg(value_name = "SIM")]
    pub sims: Vec<String>,
    /// Image sizes, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "64")]
    pub size: Vec<usize>,
    /// Seconds to spend on each figure.
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
}

/// `housecat view`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat view two-room\n  housecat view runs/two-room/default --save look.rrd\n  \
    housecat view runs/two-room/default --serve          in a browser, also from another machine through ssh -L\n  \
    housecat view runs/two-room/default --training       the curves\n\n\
    Without --save or --connect, rerun of the same version must be in PATH: `pip install rerun-sdk==0.36.3`\n\
    (`housecat doctor` checks it). run, collect, train, eval, plan and demo have --view to watch them at work."
)]
pub struct ViewArgs {
    /// A run, a dataset, or a sim.
    #[arg(value_name = "THING")]
    pub thing: String,
    /// Writes a recording instead of opening the viewer.
    #[arg(long, value_name = "FILE.rrd")]
    pub save: Option<PathBuf>,
    /// Sends to the viewer that listens at this address or URL.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "save")]
    pub connect: Option<String>,
    /// Serves the viewer to a browser on this machine.
    #[arg(long, conflicts_with_all = ["save", "connect"])]
    pub serve: bool,
    /// Shows how a run was trained, in place of its episodes.
    #[arg(long)]
    pub training: bool,
    /// Episodes to show.
    #[arg(long, default_value_t = 3)]
    pub episodes: usize,
    /// What varies, in a sim or in a run's episodes. The images show it; the scene in space does not.
    #[command(flatten)]
    pub vary: VaryArg,
}

/// `housecat sims`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SimsArgs {
    /// Shows this one in detail.
    #[arg(value_name = "SIM")]
    pub sim: Option<String>,
    /// Something else to do.
    #[command(subcommand)]
    pub command: Option<SimsCommand>,
}

/// What else can be done with a sim.
#[derive(Debug, Subcommand)]
pub enum SimsCommand {
    /// Try a robot: does it load, what is not honoured, does it stay finite under random action?
    Check(CheckArgs),
    /// Write pictures of a sim: colours, depth and segmentation, from any camera at any size.
    Look(LookArgs),
}

/// `housecat sims look`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat sims look push-t\n  housecat sims look cube --camera front --size 512 --depth --segmentation --steps 30"
)]
pub struct LookArgs {
    /// A sim's name or folder, or a MJCF or URDF file.
    #[arg(value_name = "SIM")]
    pub sim: String,
    /// Cameras, separated by commas [default: all].
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub camera: Vec<String>,
    /// Pixels a side.
    #[arg(long, default_value_t = 512, value_name = "PIXELS")]
    pub size: usize,
    /// Also the depth, as grey: white is nearest.
    #[arg(long)]
    pub depth: bool,
    /// Also which shape is where, a colour each.
    #[arg(long)]
    pub segmentation: bool,
    /// Acts at random for so many control steps first.
    #[arg(long, default_value_t = 0)]
    pub steps: usize,
    /// Folder for the pictures.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub out: PathBuf,
}

/// `housecat sims check`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat sims check my-robot/            a folder with a sim.toml\n  housecat sims check panda.urdf\n  housecat sims check humanoid.xml --seconds 60"
)]
pub struct CheckArgs {
    /// A sim's name or folder, or a MJCF or URDF file.
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Simulated seconds under random action.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
}

/// How velocities become positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IntegratorArg {
    /// Semi-implicit Euler, joint damping implicit.
    Euler,
    /// Semi-implicit Euler, all velocity-dependent forces implicit.
    Implicitfast,
    /// Runge and Kutta's classical method of fourth order.
    Rk4,
}

/// `housecat simulate`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat simulate pendulum.xml --steps 1000 --qpos 1.5\n  housecat simulate arm.urdf --steps 500 --timestep 0.002 --json\n  \
    housecat simulate scene.xml --states states.json --json     one step from each of many states"
)]
pub struct SimulateArgs {
    /// A MJCF or URDF file.
    #[arg(value_name = "SCENE")]
    pub scene: PathBuf,
    /// Physics steps.
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
    /// Seconds in a step [default: the scene's].
    #[arg(long, value_name = "SECONDS")]
    pub timestep: Option<f64>,
    /// Integrator [default: the scene's].
    #[arg(long, value_enum)]
    pub integrator: Option<IntegratorArg>,
    /// Joint coordinates to begin with, in MuJoCo's layout, separated by commas.
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "NUMBERS")]
    pub qpos: Option<Vec<f64>>,
    /// Joint velocities to begin with.
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "NUMBERS")]
    pub qvel: Option<Vec<f64>>,
    /// Controls, constant.
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "NUMBERS")]
    pub ctrl: Option<Vec<f64>>,
    /// Records every so many steps.
    #[arg(long, default_value_t = 1, value_name = "STEPS")]
    pub every: usize,
    /// A file with a list of {"qpos", "qvel", "act", "ctrl"}: prints each one's accelerations and next state.
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["qpos", "qvel", "ctrl"])]
    pub states: Option<PathBuf>,
    /// Lets the base of a URDF robot move freely.
    #[arg(long)]
    pub free_base: bool,
}

/// A path.
#[derive(Debug, Args)]
pub struct PathArg {
    /// The folder.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
}

/// `housecat merge`
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Datasets to join, in order.
    #[arg(value_name = "DATASET", required = true, num_args = 1..)]
    pub datasets: Vec<PathBuf>,
    /// Folder of the joined dataset.
    #[arg(long, value_name = "DATASET")]
    pub out: PathBuf,
}

/// `housecat convert`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  housecat convert lewm.ckpt --sim push-t --out runs/push-t/lewm --action-mean 0.02,-0.01 --action-std 0.2,0.2\n  \
    housecat eval runs/push-t/lewm --pairs 20\n\n\
    Reads the weights of LeWorldModel as stable-worldmodel stores them: safetensors, or what torch.save writes. A pickle\n\
    in such a file is read and not executed; whatever is not tensors in plain containers is refused. The run has the\n\
    sim's own evaluation and the planner of the recipe `lewm`, both open to --set."
)]
pub struct ConvertArgs {
    /// The published weights: `.safetensors`, `.pt`, or a Lightning `.ckpt`.
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// The sim that the model is to act in, by name or path. The size of its action must divide that of the
    /// checkpoint's action blocks.
    #[arg(long)]
    pub sim: String,
    /// Folder of the new run.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Means by which actions were scaled in training, one for each component, in the sim's units [default: 0].
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "A,B")]
    pub action_mean: Option<Vec<f32>>,
    /// Standard deviations by which they were [default: 1].
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "A,B")]
    pub action_std: Option<Vec<f32>>,
    /// Attention heads of the encoder, which the weights do not tell.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub encoder_heads: usize,
    /// Attention heads of the predictor.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub predictor_heads: usize,
}
