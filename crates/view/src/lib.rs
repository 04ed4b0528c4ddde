//! Sight: core records become rerun recordings and self-contained HTML reports.
//!
//! - [`RerunRecorder`] follows evaluation episodes into a `.rrd` file or a live rerun viewer, with a
//!   layout that shows the scene, what the robot sees, what it imagines and what it does.
//! - [`Report`] turns the numbers of a run into one HTML page that needs no network.
//! - [`png_bytes`] and [`film_strip_png`] turn images into PNG files.
//!
//! The crate knows only the types of `housecat-core`: no environment, no model, no run directory.

mod error;
mod file;
mod png;
mod recorder;
mod report;

pub use error::ViewError;
pub use png::{film_strip_png, png_bytes};
pub use recorder::{Painter, Probe, RerunRecorder, Sink, Stage, Tracked};
pub use report::{
    ArmRow, ComparisonPage, Contender, Curve, DifficultyRow, Moment, PlanTiming, ProbeRow, Report,
    ReturnRow, Strip,
};
