//! `<actuator>`: every kind is a general actuator with some of its parts filled in, and so are its
//! defaults, whatever kind they are written for.

use super::classes::ACTUATORS;
use super::compiler::Compiler;
use super::{Context, reference};
use crate::SimError;
use crate::scene_file::xml::{Attributes, Element, Place, advice};
use housecat_physics::{Activation, Actuator, Description, Gain, Path, Target};
use std::f64::consts::FRAC_PI_4;

/// Reads all `<actuator>` sections.
pub(super) fn read(
    root: &Element,
    description: &Description,
    context: &Context,
) -> Result<Vec<Actuator>, SimError> {
    let mut actuators = Vec::new();
    for section in root.children.iter().filter(|child| &*child.tag == "actuator") {
        for child in section.read(&context.notices, &[], |a| Ok(a.children()))? {
            actuators.push(actuator(child, description, context)?);
        }
    }
    context.names.complete("actuator", actuators.iter_mut().map(|actuator| &mut actuator.name));
    Ok(actuators)
}

/// What does not change the force.
const HARMLESS: [&str; 3] = ["group", "user", "lengthrange"];

fn actuator(
    element: &Element,
    description: &Description,
    context: &Context,
) -> Result<Actuator, SimError> {
    let mut draft = Draft::default();
    for default in context.classes.of(element, None, &ACTUATORS)? {
        default.read(&context.notices, &HARMLESS, |a| draft.take(a))?;
    }
    element.read(&context.notices, &HARMLESS, |a| {
        a.attribute("class");
        let name = context.names.add(a, "actuator")?;
        draft.take(a)?;
        let target = target(a, description)?;
        let mut draft = draft;
        draft.inherit(&target, description).map_err(|problem| a.wrong(problem))?;
        draft.build(name, target, &context.compiler).map_err(|problem| a.wrong(problem))
    })
}

fn target(a: &mut Attributes, description: &Description) -> Result<Target, SimError> {
    let joint = reference::joint(a, "joint", description)?.map(Target::Joint);
    let parent = reference::joint(a, "jointinparent", description)?.map(Target::JointInParent);
    let tendon = reference::tendon(a, "tendon", description)?.map(Target::Tendon);
    let site = reference::site(a, "site", description)?;
    let other = reference::site(a, "refsite", description)?;
    let site = site.map(|site| Target::Site { site, reference: other });
    let mut targets = [joint, parent, tendon, site].into_iter().flatten();
    match (targets.next(), targets.next()) {
        (Some(target), None) => Ok(target),
        (Some(_), Some(_)) => Err(a.wrong("acts on two things; keep one of them")),
        (None, _) => {
            for name in ["slidersite", "cranksite", "body"] {
                if a.has(name) {
                    return Err(a.refuse(format!("`{name}`"), advice("slidersite")));
                }
            }
            Err(a.wrong("acts on nothing; give it a `joint`, `tendon` or `site`"))
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Dynamics {
    None,
    Integrator,
    Filter,
    FilterExact,
}

/// A range, and whether it is said to hold.
type Clamp = (Option<bool>, Option<[f64; 2]>);

/// An actuator while its defaults and its own attributes are laid over each other.
#[derive(Clone, Copy)]
struct Draft {
    gear: [f64; 6],
    control: Clamp,
    force: Clamp,
    activation: Clamp,
    affine_gain: bool,
    gain: [f64; 10],
    affine_bias: bool,
    bias: [f64; 10],
    dynamics: Dynamics,
    dynamics_values: [f64; 10],
    inherited: f64,
    /// The kind, if it is not `general`, that the values above were written for.
    shortcut: Option<&'static str>,
}

impl Default for Draft {
    fn default() -> Self {
        let one = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        Self {
            gear: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            control: (None, None),
            force: (None, None),
            activation: (None, None),
            affine_gain: false,
            gain: one,
            affine_bias: false,
            bias: [0.0; 10],
            dynamics: Dynamics::None,
            dynamics_values: one,
            inherited: 0.0,
            shortcut: None,
        }
    }
}

impl Draft {
    /// Lays an element of any kind over what there is.
    fn take(&mut self, a: &mut Attributes) -> Result<(), SimError> {
        self.gear = a.partial("gear", self.gear)?;
        clamp_of(a, &mut self.control, "ctrllimited", "ctrlrange")?;
        clamp_of(a, &mut self.force, "forcelimited", "forcerange")?;
        clamp_of(a, &mut self.activation, "actlimited", "actrange")?;
        for name in ["cranklength", "damping", "armature", "delay", "nsample"] {
            if a.list(name)?.is_some_and(|values| values.iter().any(|&value| value != 0.0)) {
                let fix = match name {
                    "damping" | "armature" => "give it to the joint",
                    _ => advice(name),
                };
                return Err(a.refuse(format!("`{name}`"), fix));
            }
        }
        self.change(a.tag());
        match a.tag() {
            "general" => self.general(a),
            "motor" => {
                self.set([1.0, 0.0, 0.0], None, Dynamics::None);
                Ok(())
            }
            "position" => {
                self.position(a)?;
                self.dynamics_values[0] = match a.positive("timeconst")? {
                    Some(0.0) | None if self.dynamics != Dynamics::FilterExact => return Ok(()),
                    Some(0.0) => {
                        self.dynamics = Dynamics::None;
                        return Ok(());
                    }
                    Some(seconds) => seconds,
                    None => self.dynamics_values[0],
                };
                self.dynamics = Dynamics::FilterExact;
                Ok(())
            }
            "intvelocity" => {
                self.position(a)?;
                self.dynamics = Dynamics::Integrator;
                self.activation.0 = Some(true);
                Ok(())
            }
            "velocity" => {
                let kv = a.positive("kv")?.unwrap_or(self.gain[0]);
                self.set([kv, 0.0, 0.0], Some([0.0, 0.0, -kv]), Dynamics::None);
                Ok(())
            }
            "damper" => {
                let kv = a.positive("kv")?.unwrap_or(-self.gain[2]);
                self.set([0.0, 0.0, -kv], None, Dynamics::None);
                self.affine_gain = true;
                self.control.0 = Some(true);
                if self.control.1.is_some_and(|[low, _]| low < 0.0) {
                    return Err(a.wrong("is a damper, whose `ctrlrange` begins at 0 at least"));
                }
                Ok(())
            }
            "cylinder" => {
                let diameter = a.number("diameter")?.filter(|&diameter| diameter >= 0.0);
                let area = a.positive("area")?.unwrap_or(self.gain[0]);
                let area = diameter.map_or(area, |diameter| FRAC_PI_4 * diameter * diameter);
                let [b0, b1, b2, ..] = self.bias;
                let bias = a.partial("bias", [b0, b1, b2])?;
                let seconds = a.positive("timeconst")?.unwrap_or(self.dynamics_values[0]);
                self.dynamics_values[0] = seconds;
                self.set([area, 0.0, 0.0], Some(bias), Dynamics::Filter);
                Ok(())
            }
            tag => Err(a.place().refuse(format!("<{tag}>"), advice("muscle"))),
        }
    }

    /// What a default says for another kind of shortcut does not hold for this one.
    fn change(&mut self, tag: &str) {
        let Some(kind) = ACTUATORS.into_iter().find(|kind| *kind == tag && tag != "general") else {
            return;
        };
        if self.shortcut.is_some_and(|other| other != kind) {
            let Self { gear, control, force, activation, .. } = *self;
            *self = Self { gear, control, force, activation, ..Self::default() };
        }
        self.shortcut = Some(kind);
    }

    fn set(&mut self, gain: [f64; 3], bias: Option<[f64; 3]>, dynamics: Dynamics) {
        (self.gain, self.bias) = ([0.0; 10], [0.0; 10]);
        self.gain[..3].copy_from_slice(&gain);
        self.bias[..3].copy_from_slice(&bias.unwrap_or_default());
        (self.affine_gain, self.affine_bias, self.dynamics) = (false, bias.is_some(), dynamics);
    }

    fn position(&mut self, a: &mut Attributes) -> Result<(), SimError> {
        let kp = a.positive("kp")?.unwrap_or(self.gain[0]);
        (self.gain[0], self.bias[1]) = (kp, -kp);
        match (a.positive("kv")?, a.positive("dampratio")?) {
            (Some(_), Some(_)) => return Err(a.wrong("has both `kv` and `dampratio`; keep one")),
            (Some(kv), None) => self.bias[2] = -kv,
            // Where it is positive, the bias is a damping ratio: the description has it so too.
            (None, Some(ratio)) => self.bias[2] = ratio,
            (None, None) => {}
        }
        (self.affine_gain, self.affine_bias) = (false, true);
        self.inherited = a.positive("inheritrange")?.unwrap_or(self.inherited);
        Ok(())
    }

    fn general(&mut self, a: &mut Attributes) -> Result<(), SimError> {
        let kinds = [("fixed", false), ("affine", true)];
        self.affine_gain = a.keyword("gaintype", &kinds)?.unwrap_or(self.affine_gain);
        let kinds = [("none", false), ("affine", true)];
        self.affine_bias = a.keyword("biastype", &kinds)?.unwrap_or(self.affine_bias);
        let kinds = [
            ("none", Dynamics::None),
            ("integrator", Dynamics::Integrator),
            ("filter", Dynamics::Filter),
            ("filterexact", Dynamics::FilterExact),
        ];
        self.dynamics = a.keyword("dyntype", &kinds)?.unwrap_or(self.dynamics);
        self.gain = a.partial("gainprm", self.gain)?;
        self.bias = a.partial("biasprm", self.bias)?;
        self.dynamics_values = a.partial("dynprm", self.dynamics_values)?;
        self.inherited = a.positive("inheritrange")?.unwrap_or(self.inherited);
        if a.integer("actdim")?.is_some_and(|count| count > 1) {
            return Err(a.refuse("`actdim` above 1", "give the actuator one activation"));
        }
        if a.flag("actearly")? == Some(true) {
            let fix = "the force follows the present activation; leave it out";
            return Err(a.refuse("actearly=\"true\"", fix));
        }
        Ok(())
    }

    /// Takes the range of what the actuator acts on for its control or activation.
    fn inherit(&mut self, target: &Target, description: &Description) -> Result<(), String> {
        if self.inherited == 0.0 {
            return Ok(());
        }
        let range = match target {
            Target::Joint(joint) | Target::JointInParent(joint) => {
                reference::joints(description).nth(*joint).and_then(|joint| joint.limit)
            }
            Target::Tendon(tendon) => description.tendons[*tendon].limit,
            Target::Site { .. } => None,
        };
        let [low, high] =
            range.ok_or("has an `inheritrange`, but acts on nothing that has a range")?;
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low) * self.inherited);
        let integrates = self.dynamics == Dynamics::Integrator;
        let clamp = if integrates { &mut self.activation } else { &mut self.control };
        if clamp.1.is_some_and(|range| range != [0.0, 0.0]) {
            return Err("has both `inheritrange` and a range; keep one".to_owned());
        }
        *clamp = (clamp.0, Some([middle - half, middle + half]));
        Ok(())
    }

    fn build(self, name: String, target: Target, compiler: &Compiler) -> Result<Actuator, String> {
        let [g0, g1, g2, ..] = self.gain;
        let [b0, b1, b2, ..] = self.bias;
        let limit = |(said, given): Clamp, range| compiler.limit(said, given, range);
        let seconds = self.dynamics_values[0];
        let dynamics = match self.dynamics {
            Dynamics::None => Activation::None,
            Dynamics::Integrator => Activation::Integrator,
            _ if seconds <= 0.0 => return Err("needs a time constant above 0".to_owned()),
            Dynamics::Filter => Activation::Filter(seconds),
            Dynamics::FilterExact => Activation::FilterExact(seconds),
        };
        let activation = match dynamics {
            Activation::None => None,
            _ => limit(self.activation, "actrange")?,
        };
        Ok(Actuator {
            name,
            target,
            gear: self.gear,
            control: limit(self.control, "ctrlrange")?,
            force: limit(self.force, "forcerange")?,
            activation,
            gain: if self.affine_gain { Gain::Affine([g0, g1, g2]) } else { Gain::Fixed(g0) },
            bias: if self.affine_bias { [b0, b1, b2] } else { [0.0; 3] },
            dynamics,
        })
    }
}

fn clamp_of(
    a: &mut Attributes,
    clamp: &mut Clamp,
    limited: &str,
    range: &str,
) -> Result<(), SimError> {
    if a.has(limited) {
        clamp.0 = a.tristate(limited)?;
    }
    clamp.1 = a.numbers(range)?.or(clamp.1);
    Ok(())
}

/// Narrows the force of the one actuator of a joint or tendon to the clamp on the sum of all.
pub(super) fn clamp<'a>(
    description: &mut Description,
    joints: impl Iterator<Item = (&'a Place, Option<[f64; 2]>)>,
    tendons: impl Iterator<Item = (&'a Place, Option<[f64; 2]>)>,
) -> Result<(), SimError> {
    let Description { tendons: paths, actuators, .. } = description;
    let joints = joints.enumerate().map(|(joint, clamp)| (Target::Joint(joint), clamp));
    let tendons = tendons.enumerate().map(|(tendon, clamp)| (Target::Tendon(tendon), clamp));
    for (target, (place, clamp)) in joints.chain(tendons) {
        let Some(clamp) = clamp else { continue };
        let touches = |actuator: &Actuator| match (&target, &actuator.target) {
            (Target::Joint(joint), Target::Tendon(tendon)) => match &paths[*tendon].path {
                Path::Fixed(terms) => terms.iter().any(|(other, _)| other == joint),
                Path::Spatial(_) => true,
            },
            (Target::Joint(_), Target::Site { .. }) => true,
            (Target::Joint(joint), Target::JointInParent(other)) => joint == other,
            (one, other) => one == other,
        };
        let direct = |actuator: &Actuator| match actuator.target {
            Target::JointInParent(joint) => target == Target::Joint(joint),
            ref other => target == *other,
        };
        let touching: Vec<usize> =
            (0..actuators.len()).filter(|&at| touches(&actuators[at])).collect();
        let actuator = match touching[..] {
            [] => continue,
            [only] if direct(&actuators[only]) => &mut actuators[only],
            _ => {
                let fix = "write a `forcerange` for each of the actuators";
                return Err(place.refuse("an `actuatorfrcrange` over several actuators", fix));
            }
        };
        let gear = actuator.gear[0];
        if gear == 0.0 {
            continue;
        }
        let ends = clamp.map(|end| end / gear);
        let [low, high] = actuator.force.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        actuator.force = Some([low.max(ends[0].min(ends[1])), high.min(ends[0].max(ends[1]))]);
    }
    Ok(())
}
