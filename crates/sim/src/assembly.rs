//! From the description of a world to a machine that can be stepped.

use crate::SimError;
use crate::world::{Command, Drive, Joint, Machine};
use housecat_physics::{Description, Model, PhysicsError, Workspace};
use std::path::Path;

/// Builds the machine. `substeps` are physics steps in a control step, `commands` one an actuator.
pub(crate) fn machine(
    path: &Path,
    description: &Description,
    substeps: usize,
    commands: &[Command],
) -> Result<Machine, SimError> {
    let wrong =
        |error: PhysicsError| SimError::Scene { path: path.to_owned(), problem: error.to_string() };
    let model = Model::new(description).map_err(wrong)?;
    let drives = description.actuators.iter().zip(commands).map(|(actuator, &command)| Drive {
        name: actuator.name.clone(),
        control: actuator.control.unwrap_or([-1.0, 1.0]),
        command,
    });
    let joints = description.bodies.iter().flat_map(|body| &body.joints);
    let mut work = Workspace::new(&model);
    let mut machine = Machine {
        substeps,
        joints: joints.map(|joint| Joint { name: joint.name.clone(), kind: joint.kind }).collect(),
        drives: drives.collect(),
        body_names: description.bodies.iter().map(|body| body.name.clone()).collect(),
        site_names: description.sites.iter().map(|site| site.name.clone()).collect(),
        tendon_names: description.tendons.iter().map(|tendon| tendon.name.clone()).collect(),
        sites: description.sites.iter().map(|site| (site.body, site.pose)).collect(),
        pristine: crate::world::World::at(model.initial().clone()),
        model,
    };
    machine.pristine = machine.world(machine.model.initial().clone(), &mut work);
    Ok(machine)
}
