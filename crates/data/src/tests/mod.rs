//! Tests across the modules of this crate.

mod damage;
mod durability;
mod frames;
mod maintenance;
mod roundtrip;
