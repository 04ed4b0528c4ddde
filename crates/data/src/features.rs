//! What a dataset is about: the sim, its spaces, and where the episodes come from.

use crate::DataError;
use housecat_core::Spaces;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Everything that all episodes of a dataset share. Stored as `meta/housecat.json` and in the footer
/// of every data file, so that each explains itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Name of the sim; LeRobot's `robot_type`.
    pub sim: String,
    /// Names and sizes of actions, states and images; the exact control rate, of which LeRobot's
    /// integer `fps` is the rounding.
    pub spaces: Spaces,
    /// Names of the privileged components, recorded for probes and displays; may be empty.
    pub privileged: Vec<String>,
    /// Where the episodes come from, in words (policy, seed); by key.
    pub provenance: BTreeMap<String, String>,
}

impl Features {
    /// LeRobot's integer frame rate: the control rate rounded, at least 1.
    pub fn fps(&self) -> u32 {
        self.spaces.control_hz.round().clamp(1.0, f64::from(u32::MAX)) as u32
    }

    /// Whether these features can be stored at all.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let bad = |detail: String| Err(DataError::BadFeatures(detail));
        let hz = self.spaces.control_hz;
        if !(hz.is_finite() && hz > 0.0) {
            return bad(format!("control_hz is {hz}, not a positive number"));
        }
        if self.spaces.action.names.is_empty() {
            return bad("the action space has no components".into());
        }
        let mut cameras = BTreeSet::new();
        for image in &self.spaces.observation.images {
            let (name, side) = (&image.camera, 1..=16_384);
            if name.is_empty() || name.contains('/') {
                return bad(format!("camera name {name:?} is empty or has a `/`"));
            }
            if !cameras.insert(name) {
                return bad(format!("camera `{name}` appears twice"));
            }
            if !side.contains(&image.width) || !side.contains(&image.height) {
                return bad(format!("camera `{name}` is {} x {}", image.width, image.height));
            }
        }
        Ok(())
    }

    /// Fails with the first field in which the dataset at `path`, recorded with `self`, differs from
    /// `want`.
    pub(crate) fn must_match(
        &self,
        want: &Features,
        path: &Path,
        provenance: bool,
    ) -> Result<(), DataError> {
        let fields = [
            ("sim", format!("{:?}", self.sim), format!("{:?}", want.sim)),
            (
                "control rate",
                format!("{} Hz", self.spaces.control_hz),
                format!("{} Hz", want.spaces.control_hz),
            ),
            (
                "action space",
                format!("{:?}", self.spaces.action.names),
                format!("{:?}", want.spaces.action.names),
            ),
            (
                "observation space",
                format!("{:?}", self.spaces.observation),
                format!("{:?}", want.spaces.observation),
            ),
            (
                "privileged state",
                format!("{:?}", self.privileged),
                format!("{:?}", want.privileged),
            ),
            ("provenance", format!("{:?}", self.provenance), format!("{:?}", want.provenance)),
        ];
        let compared = if provenance { &fields[..] } else { &fields[..fields.len() - 1] };
        match compared.iter().find(|(_, have, want)| have != want) {
            None => Ok(()),
            Some((field, have, want)) => Err(DataError::FeaturesDiffer {
                path: path.to_owned(),
                field,
                have: have.clone(),
                want: want.clone(),
            }),
        }
    }
}
