//! Watching work while it is done: what `--view` opens.

use crate::args::WatchArg;
use crate::displays::Displays;
use crate::session::Session;
use crate::spectator;
use anyhow::bail;
use housecat_model::WorldModel;
use housecat_sim::{Sim, ViewOptions};
use housecat_view::{Live, Purpose};

/// Opens what `--view` asks for, if it is there; what the session does from now on is watched. `view` is what
/// the episodes show.
///
/// # Errors
/// If the viewer cannot be started or reached, or the file not be written.
pub fn open(
    session: &Session,
    args: &WatchArg,
    sim: &Sim,
    view: &ViewOptions,
    purpose: Purpose,
) -> anyhow::Result<()> {
    let Some(sink) = &args.view else { return Ok(()) };
    if args.view_hz.is_nan() || args.view_hz <= 0.0 {
        bail!("--view-hz {}: give a rate above 0", args.view_hz);
    }
    let recorder = spectator::recorder(session, sink.clone(), sim, view, purpose)?;
    session.watch(Live::new(recorder, args.view_hz));
    Ok(())
}

/// Tells who watches, if anybody does, what the work is about from now on.
pub fn about(session: &Session, purpose: Purpose) {
    if let Some(live) = session.live() {
        live.adjust(move |recorder| recorder.set_purpose(purpose));
    }
}

/// Shows what the plans of this model imagine from now on.
///
/// # Errors
/// If the model cannot be rolled out.
pub fn imagine(
    session: &Session,
    sim: &Sim,
    model: &WorldModel,
    displays: &Displays,
) -> anyhow::Result<()> {
    if let Some(live) = session.live() {
        let imagination = displays.imagination(sim, model)?;
        live.adjust(move |recorder| recorder.set_imagination(imagination));
    }
    Ok(())
}
