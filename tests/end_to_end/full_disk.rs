//! A disk that fills up, with a real file system of a few hundred kilobytes. Mounting one needs root;
//! without it these tests say so and pass.

use crate::support::{Place, assert_same, staged};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: a tmpfs cannot be mounted here (it needs root)");
            return None;
        }
        Some(Self(path))
    }

    fn grow(&self) {
        remount(&self.0, "size=200m");
    }
}

fn remount(path: &Path, options: &str) {
    let options = format!("remount,{options}");
    let done = Command::new("mount").args(["-o", &options]).arg(path).status().unwrap();
    assert!(done.success());
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Best effort: a failed test must not hide behind a failed clean-up.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_collection_survives_a_full_disk() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(place.path("disk"), "400k") else { return };
    let args = |out| ["collect", "two-room", "--episodes", "60", "--steps", "60", "--out", out];
    place.run(&args("whole")).ok();
    place.run(&args("disk/data")).fails(1, &["no space left", "disk/data", "free space"]);
    let kept = staged(&place.path("disk/data"));
    assert!(kept > 0);
    disk.grow();
    let on = place.run(&args("disk/data")).ok();
    assert!(on.stderr.contains(&format!("{kept} of 60 episodes")), "{}", on.stderr);
    assert!(!on.stderr.contains("damaged"), "{}", on.stderr);
    assert_same(&place.path("whole"), &place.path("disk/data"));
}

#[test]
fn a_training_survives_a_full_disk() {
    let place = Place::new();
    place.collect("two-room");
    // One checkpoint of this model has about 3 MB: the first fits, the second does not.
    place.tiny(&["train", "data", "--out", "whole"]).ok();
    let checkpoint = place.path("whole/checkpoints/10");
    let size: usize = crate::support::tree(&checkpoint).values().map(Vec::len).sum();
    let limit = (size * 3 / 2).to_string();
    let Some(disk) = SmallDisk::mount(place.path("disk"), &limit) else { return };
    let args = ["train", "data", "--out", "disk/model", "--resume"];
    place.tiny(&args).fails(1, &["disk/model/checkpoints", "free space"]);
    assert_same(&checkpoint, &place.path("disk/model/checkpoints/10"));
    assert_same(&checkpoint, &place.path("disk/model/checkpoints/last"));
    assert!(!place.path("disk/model/checkpoints/20").exists());
    disk.grow();
    place.tiny(&args).ok();
    assert_same(&place.path("whole/checkpoints"), &place.path("disk/model/checkpoints"));
}
