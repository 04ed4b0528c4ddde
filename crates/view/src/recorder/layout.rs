//! The layout on its way to the viewer, with the eye that looks at the scene.
//!
//! Rerun's blueprint API for Rust (0.36) builds containers, views and panels but has no setters for
//! the properties of a 3-D view. The eye and the grid are therefore logged into the same blueprint
//! by hand, under the path at which the viewer looks for a view's properties.

use super::blueprint::{Parts, Purpose, blueprint};
use super::scene::Eye;
use super::stream::{Stream, application};
use crate::ViewError;
use rerun::blueprint::{BlueprintActivation, ContainerLike, Spatial3DView};
use rerun::external::re_sdk_types::blueprint::archetypes::{EyeControls3D, LineGrid3D};
use rerun::log::LogMsg;
use rerun::{EntityPath, RecordingStreamBuilder, RecordingStreamError, StoreKind};

/// What never changes about the layout of one recording.
pub(super) struct Layout {
    /// Name of the sim.
    pub sim: String,
    /// Where the eye stands and what it looks at.
    pub eye: Eye,
    /// The scene has a floor of its own.
    pub floor: bool,
    /// Control steps per second.
    pub control_hz: f64,
}

impl Layout {
    /// Sends the layout of these parts; the viewer then uses it instead of any earlier one.
    pub(super) fn send(
        &self,
        stream: &Stream,
        purpose: Purpose,
        parts: &Parts,
    ) -> Result<(), ViewError> {
        let failed = |error: RecordingStreamError| ViewError::Record {
            entity: "the layout".into(),
            detail: error.to_string(),
        };
        let scene: ContainerLike = Spatial3DView::new("scene")
            .with_origin("world")
            .with_contents(["world/**", "path/**"])
            .into();
        let ContainerLike::View(view) = &scene else { return Ok(()) };
        let properties = view.blueprint_path();
        let blueprint = blueprint(purpose, scene, parts, self.control_hz);

        // The API sends a finished blueprint only; catch it, add the properties, then pass it on.
        let (scratch, caught) = RecordingStreamBuilder::new(application(&self.sim, purpose))
            .memory()
            .map_err(failed)?;
        if !scratch.is_enabled() {
            return Ok(()); // RERUN=0 silences the blueprint API altogether.
        }
        blueprint.send(&scratch, BlueprintActivation::default()).map_err(failed)?;
        let messages = caught.take();
        // A stream and the memory it writes to hold each other; parting them ends their threads.
        scratch.disconnect();
        let of_blueprint = |message: &LogMsg| message.store_id().kind() == StoreKind::Blueprint;
        let Some(store) =
            messages.iter().find(|message| of_blueprint(message)).map(LogMsg::store_id)
        else {
            return Ok(());
        };
        let (extra, added) = RecordingStreamBuilder::from_store_id(store)
            .send_properties(false)
            .memory()
            .map_err(failed)?;
        extra.set_time_sequence("blueprint", 0);
        let path = |name: &str| properties.join(&EntityPath::from(name));
        let (position, target) = self.eye;
        let eye = EyeControls3D::new().with_position(position).with_look_target(target);
        extra.log(path("EyeControls3D"), &eye).map_err(failed)?;
        let grid = LineGrid3D::new().with_visible(!self.floor);
        extra.log(path("LineGrid3D"), &grid).map_err(failed)?;

        // The activation comes last: it says that the blueprint is complete.
        let (activation, body): (Vec<_>, Vec<_>) = messages
            .into_iter()
            .filter(of_blueprint)
            .partition(|message| matches!(message, LogMsg::BlueprintActivationCommand(_)));
        let added = added.take();
        extra.disconnect();
        let additions = added.into_iter().filter(|message| matches!(message, LogMsg::ArrowMsg(..)));
        body.into_iter()
            .chain(additions)
            .chain(activation)
            .for_each(|message| stream.pass(message));
        Ok(())
    }
}
