//! Training: its metrics as curves over the timeline `train_step`.

use super::blueprint::Part;
use super::{RerunRecorder, path};
use crate::ViewError;
use rerun::archetypes;

/// Size of the dots on a line, in points of the screen.
const DOT: f32 = 2.5;

impl RerunRecorder {
    /// Shows the metrics of an optimiser step: values by name, as in `train/loss` and `validation/next_latent`.
    pub fn metrics(&mut self, step: u64, values: &[(String, f32)]) {
        self.attempt(|this| this.log_metrics(step, values));
    }

    fn log_metrics(&mut self, step: u64, values: &[(String, f32)]) -> Result<(), ViewError> {
        self.stream.at_training(step);
        for (name, value) in values {
            let (group, short) = name.split_once('/').unwrap_or(("train", name));
            self.parts.insert(match (group, short) {
                ("validation", _) => Part::Validation,
                (_, "loss") => Part::Loss,
                (_, "grad_norm" | "learning_rate") => Part::Optimiser,
                _ => Part::Terms,
            });
            let entity = path(&[group, short]);
            let name = short.replace('_', " ");
            if group == "validation" && !self.named.contains(&entity) {
                // They are few, and the first alone makes no line.
                let dots = archetypes::SeriesPoints::new().with_marker_sizes([DOT]);
                self.stream.fixed(entity.clone(), &dots)?;
            }
            self.name_line(&entity, name)?;
            self.stream.log(entity, &archetypes::Scalars::single(f64::from(*value)))?;
        }
        self.arrange()
    }
}
