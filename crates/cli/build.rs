//! Tells the binary which commit it was built from.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=../../.git/refs/heads");
    let describe =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    if let Ok(output) = describe
        && output.status.success()
    {
        println!("cargo:rustc-env=HOUSECAT_GIT={}", String::from_utf8_lossy(&output.stdout).trim());
    }
}
