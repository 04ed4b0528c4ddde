//! `<joint>`: what lets a link move against its parent, and what drives it.

use super::Context;
use super::link::Link;
use super::tree::Tree;
use crate::SimError;
use crate::error::find;
use crate::scene_file::rotation;
use crate::scene_file::xml::{Attributes, Element, Place};
use housecat_physics::{
    Activation, Actuator, Description, Equality, Gain, Joint, JointKind, Pose, Softness, Target,
    Tie, Vec3,
};

/// A joint between two links.
pub(super) struct Hinged {
    pub name: String,
    pub parent: usize,
    pub child: usize,
    pub place: Place,
    /// Of the child in its parent's frame.
    pub pose: Pose,
    /// None weld the child to its parent.
    pub joints: Vec<Joint>,
    /// Whether there is one coordinate that a motor can drive.
    driven: bool,
    /// Greatest force or torque.
    effort: Option<f64>,
    /// Greatest speed, m/s or rad/s.
    speed: Option<f64>,
    mimic: Option<Mimic>,
}

/// A joint that follows another.
struct Mimic {
    leader: String,
    factor: f64,
    offset: f64,
    field: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Revolute,
    Continuous,
    Prismatic,
    Fixed,
    Floating,
    Planar,
    Spherical,
}

const KINDS: [(&str, Kind); 7] = [
    ("revolute", Kind::Revolute),
    ("continuous", Kind::Continuous),
    ("prismatic", Kind::Prismatic),
    ("fixed", Kind::Fixed),
    ("floating", Kind::Floating),
    ("planar", Kind::Planar),
    ("spherical", Kind::Spherical),
];

/// A joint without springs, friction or limits.
pub(super) fn bare(name: &str, kind: JointKind, axis: Vec3) -> Joint {
    Joint {
        name: name.to_owned(),
        kind,
        anchor: Vec3::zeros(),
        axis,
        reference: 0.0,
        stiffness: 0.0,
        rest: 0.0,
        damping: 0.0,
        armature: 0.0,
        friction_loss: 0.0,
        friction_softness: Softness::default(),
        limit: None,
        margin: 0.0,
        limit_softness: Softness::default(),
    }
}

/// Reads a joint.
pub(super) fn read(
    element: &Element,
    links: &[Link],
    context: &Context,
) -> Result<Hinged, SimError> {
    const KNOWN: [&str; 7] = ["origin", "parent", "child", "axis", "limit", "dynamics", "mimic"];
    context.read(element, |a| {
        let name = context.names.add(a, "joint")?;
        if name.is_empty() {
            return Err(a.wrong("needs a `name`"));
        }
        let kind = a.keyword("type", &KINDS)?.ok_or_else(|| a.wrong("needs a `type`"))?;
        let parent = link(element, "parent", links, context)?;
        let child = link(element, "child", links, context)?;
        context.ignore(element, &KNOWN);
        let axis = context.child(element, "axis", |a| {
            let axis = Vec3::from(a.numbers("xyz")?.unwrap_or([1.0, 0.0, 0.0]));
            Ok(axis.try_normalize(1e-12))
        })?;
        let axisless = matches!(kind, Kind::Fixed | Kind::Floating | Kind::Spherical);
        let axis = match axis {
            None => Vec3::x(),
            Some(Some(axis)) => axis,
            Some(None) if axisless => Vec3::x(),
            Some(None) => return Err(a.wrong("has an <axis> of length 0")),
        };
        let Limit { range, effort, speed } = limit(element, kind, &name, context)?;
        let dynamics = context.child(element, "dynamics", |a| {
            Ok((a.positive("damping")?.unwrap_or(0.0), a.positive("friction")?.unwrap_or(0.0)))
        })?;
        let (damping, friction_loss) = dynamics.unwrap_or_default();
        let slide = |suffix: &str, axis| bare(&format!("{name}{suffix}"), JointKind::Slide, axis);
        let mut joints = match kind {
            Kind::Fixed => Vec::new(),
            Kind::Revolute | Kind::Continuous => vec![bare(&name, JointKind::Hinge, axis)],
            Kind::Prismatic => vec![slide("", axis)],
            Kind::Floating => vec![bare(&name, JointKind::Free, Vec3::z())],
            Kind::Spherical => vec![bare(&name, JointKind::Ball, Vec3::z())],
            Kind::Planar => {
                let turn = rotation::from_z(axis).unwrap_or_default();
                let hinge = bare(&format!("{name}_turn"), JointKind::Hinge, axis);
                vec![slide("_x", turn * Vec3::x()), slide("_y", turn * Vec3::y()), hinge]
            }
        };
        for joint in &mut joints {
            (joint.damping, joint.friction_loss, joint.limit) = (damping, friction_loss, range);
        }
        let driven = matches!(kind, Kind::Revolute | Kind::Continuous | Kind::Prismatic);
        if !driven && kind != Kind::Fixed {
            context
                .notices
                .say(format!("the joint `{name}` has no motor: it is not a single axis"));
        }
        let mimic = context.child(element, "mimic", |a| {
            Ok(Mimic {
                leader: a.need("joint")?.to_owned(),
                factor: a.number("multiplier")?.unwrap_or(1.0),
                offset: a.number("offset")?.unwrap_or(0.0),
                field: a.field("joint"),
            })
        })?;
        let pose = context.origin(element)?;
        let place = element.place.clone();
        Ok(Hinged { name, parent, child, place, pose, joints, driven, effort, speed, mimic })
    })
}

fn link(
    element: &Element,
    tag: &str,
    links: &[Link],
    context: &Context,
) -> Result<usize, SimError> {
    let found = context.child(element, tag, |a: &mut Attributes| {
        let (name, field) = (a.need("link")?, a.field("link"));
        let names = links.iter().map(|link| link.name.as_str());
        find(&element.place.file, &field, "link", name, names)
    })?;
    found.ok_or_else(|| element.place.wrong(format!("a <joint> needs a <{tag}>")))
}

/// What a joint may do at most.
#[derive(Default)]
struct Limit {
    range: Option<[f64; 2]>,
    effort: Option<f64>,
    speed: Option<f64>,
}

/// The range of the coordinate, the greatest force and the greatest speed.
fn limit(element: &Element, kind: Kind, name: &str, context: &Context) -> Result<Limit, SimError> {
    let found = context.child(element, "limit", |a| {
        let lower = a.number("lower")?.unwrap_or(0.0);
        let upper = a.number("upper")?.unwrap_or(0.0);
        Ok(Limit {
            range: Some([lower, upper]),
            effort: a.number("effort")?.filter(|&effort| effort > 0.0),
            speed: a.number("velocity")?.filter(|&speed| speed > 0.0),
        })
    })?;
    let Limit { range, effort, speed } = found.unwrap_or_default();
    let range = range.unwrap_or([0.0; 2]);
    // A continuous joint has no limits, but some files give it one all the same.
    let limited = matches!(kind, Kind::Revolute | Kind::Prismatic);
    if limited && range[0] >= range[1] {
        context.notices.say(format!(
            "the joint `{name}` moves without limit: its lower limit is not below its upper one"
        ));
    }
    let scalar = limited || kind == Kind::Continuous;
    let range = Some(range).filter(|[lower, upper]| scalar && lower < upper);
    Ok(Limit { range, effort, speed })
}

/// Adds a motor for every joint that has one axis and follows no other, and ties those that do.
pub(super) fn drive(
    description: &mut Description,
    tree: &Tree,
    joints: &[Hinged],
    context: &Context,
) -> Result<(), SimError> {
    let all = description.bodies.iter().flat_map(|body| &body.joints);
    let names: Vec<String> = all.map(|joint| joint.name.clone()).collect();
    let index = |name: &str| names.iter().position(|other| other == name);
    for joint in tree.order.iter().filter_map(|&(_, joint)| joint.map(|joint| &joints[joint])) {
        let Some(follower) = index(&joint.name).filter(|_| joint.driven) else { continue };
        if let Some(mimic) = &joint.mimic {
            let known = joints.iter().filter(|joint| joint.driven);
            let known = known.map(|joint| joint.name.as_str());
            find(&joint.place.file, &mimic.field, "joint", &mimic.leader, known)?;
            let polynomial = [mimic.offset, mimic.factor, 0.0, 0.0, 0.0];
            let tie = Tie::Joints { follower, leader: index(&mimic.leader), polynomial };
            description.equalities.push(Equality { tie, softness: Softness::default() });
            continue;
        }
        let name = &joint.name;
        if joint.effort.is_none() {
            context.notices.say(format!(
                "the motor of the joint `{name}` gives 1 N m or N at most: the file names no effort"
            ));
        }
        let effort = joint.effort.unwrap_or(1.0);
        // As an electric motor: the faster it turns, the less it pushes, and at its greatest speed nothing.
        let brake = joint.speed.map_or(0.0, |speed| effort / speed);
        description.actuators.push(Actuator {
            name: name.clone(),
            target: Target::Joint(follower),
            gear: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            control: Some([-effort, effort]),
            force: None,
            activation: None,
            gain: Gain::Fixed(1.0),
            bias: [0.0, 0.0, -brake],
            dynamics: Activation::None,
        });
    }
    Ok(())
}
