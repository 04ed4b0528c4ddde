//! One module per command.

pub mod bench;
pub mod collect;
pub mod compare;
pub mod convert;
pub mod demo;
pub mod doctor;
pub mod eval;
pub mod inspect;
pub mod maintain;
pub mod plan;
pub mod report;
pub mod run;
pub mod sims;
pub mod simulate;
pub mod train;
pub mod view;
