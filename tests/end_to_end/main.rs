//! End-to-end tests: they drive the binary as a user does.

mod bad_input;
mod convert;
mod demo;
mod determinism;
mod full_disk;
mod help;
mod interruption;
mod json;
mod main_job;
mod planning;
mod recipes;
mod report;
mod robots;
mod rounds;
mod sims;
mod snapshots;
mod support;
mod tutorial;
mod watching;
