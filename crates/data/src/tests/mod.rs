//! Tests across the modules of this crate.

mod damage;
mod durability;
mod maintenance;
mod roundtrip;
