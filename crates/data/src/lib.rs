//! Episodes on disk in LeRobotDataset v3.0: durable writing, reading, verification, repair, merging.
//!
//! A dataset is a folder that Python's `LeRobotDataset` opens unchanged:
//!
//! ```text
//! meta/info.json                            features, counts, rates; its presence means sealed
//! meta/housecat.json                        what LeRobot has no place for: exact rate, provenance
//! meta/stats.json  meta/tasks.parquet
//! meta/episodes/chunk-000/file-000.parquet  one row an episode
//! data/chunk-000/file-000.parquet           one row group an episode, images embedded as PNG
//! .cache/frames.u8                          once loaded with images: decoded; may be deleted at any time
//! ```
//!
//! **Durability.** While episodes are collected, each is a small parquet file of its own in the hidden
//! folder `.staging/`, written by temporary file, fsync, rename and fsync of the folder. Once
//! [`DatasetWriter::append`] has returned, the episode survives SIGKILL and power loss.
//! [`DatasetWriter::finish`] builds the sealed dataset in `.sealing/` and moves it into place with
//! renames, the folder `meta/` last; only then does the staging go. Killed anywhere in between, the
//! next run finds all acknowledged episodes and `finish` gives the same bytes.
//!
//! **Determinism.** An episode's bytes depend on the episode and the [`Features`] alone, never on the
//! thread that encoded it or the order of arrival; no clock, host or random name enters a file.
//!
//! **Rows.** An [`Episode`](housecat_core::Episode) of n steps has n + 1 rows; the last holds the final
//! observation with a zero action. Formats: LeRobotDataset v3.0 as read by `lerobot` 0.6.1, Apache
//! Parquet, PNG (ISO/IEC 15948).
//!
//! # Example
//!
//! An episode of two steps, written, sealed, and read back as it was:
//!
//! ```
//! use housecat_core::{ActionSpace, Episode, Frame, Observation, ObservationSpace, Spaces};
//! use housecat_data::{Dataset, DatasetWriter, Features, Selection, verify};
//!
//! let features = Features {
//!     sim: "rail".into(),
//!     spaces: Spaces {
//!         action: ActionSpace { names: vec!["push".into()] },
//!         observation: ObservationSpace { state: vec!["x".into()], images: Vec::new() },
//!         control_hz: 10.0,
//!     },
//!     privileged: Vec::new(),
//!     provenance: Default::default(),
//! };
//! let frame = |x: f32, push: f32| Frame {
//!     observation: Observation { state: vec![x], ..Observation::default() },
//!     action: vec![push],
//!     ..Frame::default()
//! };
//! let frames = vec![frame(0.0, 1.0), frame(0.1, -1.0), frame(0.0, 0.0)];
//! let episode = Episode { task: "there and back".into(), frames };
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("rail");
//! let mut writer = DatasetWriter::create_or_resume(&path, &features)?;
//! writer.append(DatasetWriter::encode(&features, 0, &episode)?)?; // durable from here on
//! writer.finish()?;
//!
//! let dataset = Dataset::open(&path)?;
//! assert_eq!(dataset.episode(0)?, episode);
//! assert_eq!(dataset.load(&Selection { images: false, threads: 1 })?.state, [0.0, 0.1, 0.0]);
//! assert!(verify(&path, 1).is_sound());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod column;
mod dataset;
mod decode;
mod disk;
mod encode;
mod error;
mod features;
mod frames;
mod image;
mod maintain;
mod map;
mod meta;
mod seal;
mod stats;
mod verify;
mod writer;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use dataset::{Dataset, EpisodeInfo, Selection};
pub use encode::EncodedEpisode;
pub use error::DataError;
pub use features::Features;
pub use frames::Watch;
pub use maintain::{RepairReport, merge, repair};
pub use seal::Summary;
pub use stats::Stats;
pub use verify::{VerifyReport, verify};
pub use writer::DatasetWriter;
