//! `<option>`: how time goes on, and what is switched off.

use crate::SimError;
use crate::scene_file::notices::Notices;
use crate::scene_file::xml::{Attributes, Element, advice};
use housecat_physics::{Description, Integrator, Options, Vec3};

/// Kinds of forces that a file switches off, and that are left out of what is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Disabled {
    pub equality: bool,
    pub friction_loss: bool,
    pub spring: bool,
    pub damper: bool,
}

impl Disabled {
    /// Leaves out what is switched off.
    pub fn apply(self, description: &mut Description) {
        let joints = description.bodies.iter_mut().flat_map(|body| &mut body.joints);
        for joint in joints {
            let (stiffness, damping) = (&mut joint.stiffness, &mut joint.damping);
            self.clear(stiffness, damping, &mut joint.friction_loss);
        }
        for tendon in &mut description.tendons {
            let (stiffness, damping) = (&mut tendon.stiffness, &mut tendon.damping);
            self.clear(stiffness, damping, &mut tendon.friction_loss);
        }
        if self.equality {
            description.equalities.clear();
        }
        if self.spring && self.damper {
            // The medium and the compensation of gravity count as passive too.
            let options = &mut description.options;
            (options.density, options.viscosity) = (0.0, 0.0);
            description.bodies.iter_mut().for_each(|body| body.gravity_compensation = 0.0);
        }
    }

    fn clear(self, stiffness: &mut f64, damping: &mut f64, friction_loss: &mut f64) {
        let parts =
            [(self.spring, stiffness), (self.damper, damping), (self.friction_loss, friction_loss)];
        parts.into_iter().filter(|(off, _)| *off).for_each(|(_, value)| *value = 0.0);
    }
}

/// About the accuracy or the speed of another solver.
const HARMLESS: [&str; 17] = [
    "apirate",
    "ccd_iterations",
    "ccd_tolerance",
    "jacobian",
    "ls_iterations",
    "ls_tolerance",
    "magnetic",
    "mpr_iterations",
    "mpr_tolerance",
    "noslip_iterations",
    "noslip_tolerance",
    "sdf_initpoints",
    "sdf_iterations",
    "sleep_tolerance",
    "solver",
    "sdf_points",
    "sdf_tolerance",
];

/// Reads all `<option>` elements.
pub(super) fn read(root: &Element, notices: &Notices) -> Result<(Options, Disabled), SimError> {
    let (mut options, mut disabled) = (Options::default(), Disabled::default());
    let mut weightless = false;
    for element in root.children.iter().filter(|child| &*child.tag == "option") {
        element.read(notices, &HARMLESS, |a| {
            take(a, &mut options, notices)?;
            for child in a.children() {
                if &*child.tag != "flag" {
                    return Err(child.refuse("option", advice(&child.tag)));
                }
                child.read(notices, &FLAGS, |a| {
                    flags(a, &mut options, &mut disabled, &mut weightless)
                })?;
            }
            Ok(())
        })?;
    }
    if weightless {
        options.gravity = Vec3::zeros();
    }
    Ok((options, disabled))
}

fn take(a: &mut Attributes, options: &mut Options, notices: &Notices) -> Result<(), SimError> {
    if let Some(timestep) = a.number("timestep")? {
        if timestep <= 0.0 {
            return Err(a.wrong("needs a `timestep` above 0"));
        }
        options.timestep = timestep;
    }
    let integrators = [
        ("Euler", Integrator::Euler),
        ("RK4", Integrator::RungeKutta4),
        ("implicit", Integrator::ImplicitFast),
        ("implicitfast", Integrator::ImplicitFast),
    ];
    options.integrator = a.keyword("integrator", &integrators)?.unwrap_or(options.integrator);
    options.gravity = a.numbers("gravity")?.map_or(options.gravity, Vec3::from);
    options.wind = a.numbers("wind")?.map_or(options.wind, Vec3::from);
    options.density = a.positive("density")?.unwrap_or(options.density);
    options.viscosity = a.positive("viscosity")?.unwrap_or(options.viscosity);
    options.tolerance = a.positive("tolerance")?.unwrap_or(options.tolerance);
    if let Some(impratio) = a.number("impratio")? {
        if impratio <= 0.0 {
            return Err(a.wrong("needs an `impratio` above 0"));
        }
        options.impratio = impratio;
    }
    if let Some(iterations) = a.integer("iterations")? {
        options.iterations =
            usize::try_from(iterations).map_err(|_| a.wrong("has negative `iterations`"))?;
    }
    if a.keyword("cone", &[("pyramidal", false), ("elliptic", true)])? == Some(true) {
        notices.say("<option cone=\"elliptic\">: contacts use the pyramidal cone");
    }
    a.keyword("collision", &[("all", ())])?;
    Ok(())
}

/// Flags that change only how something is computed.
const FLAGS: [&str; 11] = [
    "warmstart",
    "energy",
    "fwdinv",
    "invdiscrete",
    "multiccd",
    "midphase",
    "nativeccd",
    "island",
    "autoreset",
    "sensor",
    "sleep",
];

fn flags(
    a: &mut Attributes,
    options: &mut Options,
    disabled: &mut Disabled,
    weightless: &mut bool,
) -> Result<(), SimError> {
    let words = [("enable", false), ("disable", true)];
    let mut off = |name: &str| a.keyword(name, &words);
    if let Some(off) = off("contact")? {
        options.contacts = !off;
    }
    if let Some(off) = off("limit")? {
        options.limits = !off;
    }
    disabled.equality = off("equality")?.unwrap_or(disabled.equality);
    disabled.friction_loss = off("frictionloss")?.unwrap_or(disabled.friction_loss);
    if off("constraint")? == Some(true) {
        (options.contacts, options.limits) = (false, false);
        (disabled.equality, disabled.friction_loss) = (true, true);
    }
    if let Some(off) = off("passive")? {
        (disabled.spring, disabled.damper) = (off, off);
    }
    disabled.spring = off("spring")?.unwrap_or(disabled.spring);
    disabled.damper = off("damper")?.unwrap_or(disabled.damper);
    *weightless = off("gravity")?.unwrap_or(*weightless);
    // Controls never leave their range, so that their clamp makes no difference.
    off("clampctrl")?;
    for name in ["filterparent", "refsafe", "eulerdamp", "actuation"] {
        if a.keyword(name, &words)? == Some(true) {
            return Err(a.refuse(format!("{name}=\"disable\""), "it is always on; leave it out"));
        }
    }
    for name in ["override", "ipc", "diagexact"] {
        if a.keyword(name, &words)? == Some(false) {
            return Err(a.refuse(format!("{name}=\"enable\""), "it is always off; leave it out"));
        }
    }
    Ok(())
}
