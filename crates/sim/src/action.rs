//! The meaning of the action's components.

use crate::SimError;
use crate::error::find;
use crate::spec;
use crate::world::Command;
use housecat_physics::Description;
use std::path::Path;

impl spec::Action {
    /// What each actuator's control follows from.
    pub(crate) fn commands(
        &self,
        path: &Path,
        description: &Description,
    ) -> Result<Vec<Command>, SimError> {
        let names = || description.actuators.iter().map(|actuator| actuator.name.as_str());
        let mut commands = vec![Command::Absolute; description.actuators.len()];
        for (table, entries) in [("relative", &self.relative), ("hold", &self.hold)] {
            for (name, &value) in entries {
                let field = format!("action.{table}.{name}");
                let index = find(path, &field, "actuator", name, names())?;
                let wrong = |problem: &str| SimError::Field {
                    path: path.to_owned(),
                    field: field.clone(),
                    problem: problem.to_owned(),
                };
                if !value.is_finite() {
                    return Err(wrong("must be finite"));
                }
                if commands[index] != Command::Absolute {
                    return Err(wrong("is both relative and held; choose one"));
                }
                commands[index] = match table {
                    "relative" => Command::Relative { scale: value },
                    _ => Command::Hold { value },
                };
            }
        }
        Ok(commands)
    }
}
