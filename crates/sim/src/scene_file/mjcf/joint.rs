//! `<joint>` and `<freejoint>`.

use super::Context;
use crate::SimError;
use crate::scene_file::xml::Element;
use housecat_physics::{Joint, JointKind, Pose, Softness, Vec3};

/// A joint, and the clamp on the sum of the forces of its actuators.
pub(super) struct Built {
    pub joint: Joint,
    pub force: Option<[f64; 2]>,
}

/// Reads a joint; `frame` is the pose of what encloses it in the body.
pub(super) fn joint(
    element: &Element,
    class: Option<&str>,
    frame: &Pose,
    context: &Context,
) -> Result<Built, SimError> {
    context.read(element, class, &["joint"], &["group", "user"], |a| {
        let name = context.names.add(a, "joint")?;
        let kinds = [
            ("free", JointKind::Free),
            ("ball", JointKind::Ball),
            ("slide", JointKind::Slide),
            ("hinge", JointKind::Hinge),
        ];
        let kind = a.keyword("type", &kinds)?.unwrap_or(JointKind::Hinge);
        let compiler = &context.compiler;
        let angular = |of: bool, value: f64| if of { compiler.angle(value) } else { value };
        let hinge = kind == JointKind::Hinge;
        let anchor = Vec3::from(a.numbers("pos")?.unwrap_or_default());
        let axis = Vec3::from(a.numbers("axis")?.unwrap_or([0.0, 0.0, 1.0]));
        let (anchor, axis) = match kind {
            JointKind::Free => (Vec3::zeros(), Vec3::z()),
            JointKind::Ball => (frame.transform_point(&anchor.into()).coords, Vec3::z()),
            JointKind::Slide | JointKind::Hinge => {
                let axis = axis.try_normalize(1e-12);
                let axis = axis.ok_or_else(|| a.wrong("has an `axis` of length 0"))?;
                (frame.transform_point(&anchor.into()).coords, frame.transform_vector(&axis))
            }
        };
        let limit = compiler.limited(a, "limited", "range")?;
        let limit = limit.filter(|_| kind != JointKind::Free);
        let limit = limit.map(|range| {
            range.map(|value| angular(matches!(kind, JointKind::Hinge | JointKind::Ball), value))
        });
        let force = compiler.limited(a, "actuatorfrclimited", "actuatorfrcrange")?;
        if a.flag("actuatorgravcomp")? == Some(true) {
            let fix = "the body's gravcomp acts without an actuator; leave it out";
            return Err(a.refuse("actuatorgravcomp=\"true\"", fix));
        }
        if let Some(pair) = a.list("springdamper")?
            && pair.iter().any(|&value| value != 0.0)
        {
            let fix = "it depends on the mass matrix; write stiffness and damping";
            return Err(a.refuse("`springdamper`", fix));
        }
        let joint = Joint {
            name,
            kind,
            anchor,
            axis,
            reference: angular(hinge, a.number("ref")?.unwrap_or(0.0)),
            stiffness: a.positive("stiffness")?.unwrap_or(0.0),
            rest: angular(hinge, a.number("springref")?.unwrap_or(0.0)),
            damping: a.positive("damping")?.unwrap_or(0.0),
            armature: a.positive("armature")?.unwrap_or(0.0),
            friction_loss: a.positive("frictionloss")?.unwrap_or(0.0),
            friction_softness: context.softness(a, "solreffriction", "solimpfriction")?,
            limit,
            margin: a.number("margin")?.unwrap_or(0.0),
            limit_softness: context.softness(a, "solreflimit", "solimplimit")?,
        };
        Ok(Built { joint, force })
    })
}

/// A free joint; no defaults hold for it.
pub(super) fn free(element: &Element, context: &Context) -> Result<Built, SimError> {
    element.read(&context.notices, &["group"], |a| {
        let name = context.names.add(a, "joint")?;
        if a.tristate("align")? == Some(true) {
            let fix = "the body's frame stays as it is written; leave it out";
            return Err(a.refuse("align=\"true\"", fix));
        }
        let softness = Softness::default();
        let joint = Joint {
            name,
            kind: JointKind::Free,
            anchor: Vec3::zeros(),
            axis: Vec3::z(),
            reference: 0.0,
            stiffness: 0.0,
            rest: 0.0,
            damping: 0.0,
            armature: 0.0,
            friction_loss: 0.0,
            friction_softness: softness,
            limit: None,
            margin: 0.0,
            limit_softness: softness,
        };
        Ok(Built { joint, force: None })
    })
}
