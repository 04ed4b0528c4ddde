//! Synthetic features and episodes for the tests of this crate.

use crate::{DatasetWriter, Features, Summary};
use housecat_core::{
    ActionSpace, Episode, Frame, Image, ImageSpec, Observation, ObservationSpace, Rng, Seed, Spaces,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The sizes that matter to the format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub state: usize,
    pub images: usize,
    pub side: (usize, usize),
    pub action: usize,
    pub privileged: usize,
}

pub(crate) const SHAPE: Shape =
    Shape { state: 3, images: 2, side: (5, 4), action: 2, privileged: 2 };

pub(crate) fn features(shape: Shape) -> Features {
    let names = |stem: &str, count| (0..count).map(|at| format!("{stem}{at}")).collect();
    let image = |at| ImageSpec {
        camera: format!("camera{at}"),
        width: shape.side.0 + at,
        height: shape.side.1,
    };
    Features {
        sim: "sample".into(),
        spaces: Spaces {
            action: ActionSpace { names: names("a", shape.action) },
            observation: ObservationSpace {
                state: names("s", shape.state),
                images: (0..shape.images).map(image).collect(),
            },
            control_hz: 12.5,
        },
        privileged: names("p", shape.privileged),
        provenance: [("policy".to_owned(), "random".to_owned())].into(),
    }
}

pub(crate) fn episode(features: &Features, index: u64, frames: usize) -> Episode {
    let mut rng = Seed::new(1).child("episode", index).rng();
    let vector = |rng: &mut Rng, size| (0..size).map(|_| rng.normal()).collect::<Vec<f32>>();
    let mut episode = Episode { task: format!("task {}", index % 2), frames: Vec::new() };
    for at in 0..frames {
        let last = at + 1 == frames;
        let observation = &features.spaces.observation;
        let images = observation.images.iter().map(|spec| {
            let mut image = Image::new(spec.width, spec.height);
            image.pixels.iter_mut().for_each(|byte| *byte = rng.index(256) as u8);
            image
        });
        let images = images.collect();
        let action = vector(&mut rng, features.spaces.action.dim());
        episode.frames.push(Frame {
            observation: Observation { state: vector(&mut rng, observation.state.len()), images },
            privileged: vector(&mut rng, features.privileged.len()),
            action: if last { vec![0.0; action.len()] } else { action },
            reward: if last { 0.0 } else { rng.normal() },
            terminated: at + 2 == frames && index.is_multiple_of(3),
            truncated: at + 2 == frames && !index.is_multiple_of(3),
        });
    }
    episode
}

/// Number of frames of the test episode `index`.
pub(crate) fn length(index: u64) -> usize {
    4 + (index % 3) as usize
}

/// Appends these episodes, in this order.
pub(crate) fn append(writer: &mut DatasetWriter, order: &[u64]) {
    for &index in order {
        let features = writer.features().clone();
        let episode = episode(&features, index, length(index));
        writer.append(DatasetWriter::encode(&features, index, &episode).unwrap()).unwrap();
    }
}

/// A sealed dataset of so many episodes, with several data files.
pub(crate) fn write(path: &Path, episodes: u64) -> Summary {
    let mut writer = DatasetWriter::create_or_resume(path, &features(SHAPE)).unwrap();
    append(&mut writer, &(0..episodes).collect::<Vec<_>>());
    writer.finish_with(4000).unwrap()
}

/// Every file below a folder, by relative path.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

/// A copy of a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    for (name, bytes) in files(from) {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
