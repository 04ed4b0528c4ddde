//! Sight: core records become rerun recordings and self-contained HTML reports.
//!
//! - [`RerunRecorder`] follows evaluation episodes into a `.rrd` file or a live rerun viewer, with a
//!   layout that shows the scene, what the robot sees, what it imagines and what it does.
//! - [`Live`] stands between work and a recorder, so that a slow viewer never slows the work.
//! - [`Report`] turns the numbers of a run into one HTML page that needs no network; [`RunsPage`] puts several runs side
//!   by side, [`ComparisonPage`] several planners.
//! - [`png_bytes`] and [`film_strip_png`] turn images into PNG files.
//!
//! The crate knows only the types of `housecat-core`: no environment, no model, no run directory.
//!
//! # Example
//!
//! A page with one result and one film strip:
//!
//! ```
//! use housecat_core::Image;
//! use housecat_view::{ArmRow, Report, Strip};
//!
//! let arm = |arm: &str, rate| ArmRow {
//!     protocol: "moderate".into(),
//!     arm: arm.into(),
//!     rate,
//!     low: rate - 0.1,
//!     high: rate + 0.05,
//!     successes: (100.0 * rate) as usize,
//!     n: 100,
//!     steps_mean: None,
//! };
//! let report = Report {
//!     title: "two-room".into(),
//!     outcome: vec![arm("model", 0.9), arm("random", 0.1)],
//!     strips: vec![Strip {
//!         caption: "seed 0, problem 3".into(),
//!         success: true,
//!         frames: vec![("start".into(), Image::new(8, 8)), ("goal".into(), Image::new(8, 8))],
//!         plan: Vec::new(),
//!     }],
//!     ..Report::default()
//! };
//! let page = report.render()?;
//! assert!(page.contains("90.0 %") && page.contains("data:image/png;base64,"));
//! # Ok::<(), housecat_view::ViewError>(())
//! ```

mod error;
mod file;
mod live;
mod png;
mod recorder;
mod report;
mod viewer;

pub use error::ViewError;
pub use live::{Follower, Live, Shown, processor_time};
pub use png::{film_strip_png, png_bytes};
pub use recorder::{
    Fan, Imagination, Painter, Probe, Purpose, RerunRecorder, Sink, Stage, Tracked,
};
pub use report::{
    ArmRow, ComparisonPage, Contender, Curve, DifficultyRow, FactorRow, Moment, PlanTiming,
    ProbeRow, Report, ReturnRow, RunColumn, RunsPage, Strip,
};
pub use viewer::{VIEWER_VERSION, installed_viewer};
