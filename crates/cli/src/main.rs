//! The `housecat` binary: from an empty folder to a robot that plans in what it learned.
//!
//! One module per command under `command`, one idea per module beside them. Only this crate knows all
//! the others, and it holds no mathematics.

mod args;
mod clock;
mod command;
mod config;
mod console;
mod displays;
mod experience;
mod imagination;
mod metrics;
mod page;
mod provenance;
mod quality;
mod recipe;
mod rounds;
mod run_dir;
mod session;
mod sims;
mod spectator;
mod tensorboard;
mod watch;

use args::{Cli, Command};
use clap::Parser as _;
use session::Session;

/// Training takes and frees megabytes every step; the system allocator gives them back to the kernel each
/// time and clears the pages anew (1.3 times the step).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds for which freed memory is kept: mimalloc gives back what has lain free for a second, and clearing its pages
/// anew takes a sixth of the processor time of push-t's training.
const KEEP_MS: std::ffi::c_long = 60_000;

/// `mi_option_purge_delay` of mimalloc.h.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() {
    // SAFETY: sets a number that the allocator reads when memory is freed.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, KEEP_MS) };
    one_thread_a_tensor();
    let cli = Cli::parse();
    let session = Session::new(&cli.common);
    let outcome = match cli.command {
        Command::Run(args) => command::run::run(&session, &args),
        Command::Demo(args) => command::demo::run(&session, &args),
        Command::Collect(args) => command::collect::run(&session, &args),
        Command::Train(args) => command::train::run(&session, &args),
        Command::Eval(args) => command::eval::run(&session, &args),
        Command::Report(args) => command::report::run(&session, &args),
        Command::Compare(args) => command::compare::run(&session, &args),
        Command::Plan(args) => command::plan::run(&session, &args),
        Command::Bench(args) => command::bench::run(&session, &args),
        Command::View(args) => command::view::run(&session, &args),
        Command::Sims(args) => command::sims::run(&session, &args),
        Command::Simulate(args) => command::simulate::run(&session, &args),
        Command::Inspect(args) => command::inspect::run(&session, &args),
        Command::Verify(args) => command::maintain::verify(&session, &args),
        Command::Repair(args) => command::maintain::repair(&session, &args),
        Command::Merge(args) => command::maintain::merge(&session, &args),
        Command::Convert(args) => command::convert::run(&session, &args),
        Command::Doctor => command::doctor::run(&session),
    };
    std::process::exit(session.finish(outcome));
}

/// Keeps the tensor library single-threaded: we run a replica on every core ourselves, and its own pool
/// would spin beside them (1.6 times the step on two cores).
fn one_thread_a_tensor() {
    for key in ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"] {
        // SAFETY: nothing else runs yet.
        #[allow(clippy::disallowed_methods)]
        unsafe {
            std::env::set_var(key, "1");
        }
    }
}
