//! `<keyframe>`: states of the whole world, by name.

use super::{Context, reference};
use crate::SimError;
use crate::scene_file::Keyframe;
use crate::scene_file::xml::{Attributes, Element, advice};
use housecat_physics::{Activation, Description, JointKind};

/// Reads all `<keyframe>` sections.
pub(super) fn read(
    root: &Element,
    description: &Description,
    context: &Context,
) -> Result<Vec<Keyframe>, SimError> {
    let sizes = |free: usize, ball: usize| -> usize {
        let size = |kind| match kind {
            JointKind::Free => free,
            JointKind::Ball => ball,
            JointKind::Slide | JointKind::Hinge => 1,
        };
        reference::joints(description).map(|joint| size(joint.kind)).sum()
    };
    let actuators = &description.actuators;
    let active = actuators.iter().filter(|actuator| actuator.dynamics != Activation::None);
    let counts = [sizes(7, 4), sizes(6, 3), active.count(), actuators.len()];
    let mut keyframes: Vec<Keyframe> = Vec::new();
    for section in root.children.iter().filter(|child| &*child.tag == "keyframe") {
        for child in section.read(&context.notices, &[], |a| Ok(a.children()))? {
            if &*child.tag != "key" {
                return Err(child.refuse("keyframe", advice(&child.tag)));
            }
            keyframes.push(child.read(&context.notices, &["mpos", "mquat"], |a| {
                let [position, velocity, activation, control] = counts;
                Ok(Keyframe {
                    name: context.names.add(a, "keyframe")?,
                    time: a.number("time")?.unwrap_or(0.0),
                    position: values(a, "qpos", position, "positions of the joints")?,
                    velocity: values(a, "qvel", velocity, "velocities of the joints")?,
                    activation: values(a, "act", activation, "activations")?,
                    control: values(a, "ctrl", control, "controls")?,
                })
            })?);
        }
    }
    context.names.complete("keyframe", keyframes.iter_mut().map(|key| &mut key.name));
    Ok(keyframes)
}

fn values(
    a: &mut Attributes,
    name: &str,
    count: usize,
    what: &str,
) -> Result<Option<Vec<f64>>, SimError> {
    let values = a.list(name)?;
    match &values {
        Some(values) if values.len() != count => Err(a.wrong(format!(
            "has {} numbers in `{name}`, but the scene has {count} {what}",
            values.len()
        ))),
        _ => Ok(values),
    }
}
