//! A full disk: a clear message, nothing half-written, nothing lost.

use crate::kit::*;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A tiny file system, unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    /// `None`, with a note, where mounting is not allowed.
    fn of(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted.is_ok_and(|output| output.status.success()) {
            true => Some(Self(folder)),
            false => {
                println!("skipped: this user may not mount a file system");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status =
            Command::new("mount").args(["-o", &options]).arg(self.path()).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

/// No file under a temporary name or half-written under a final one.
fn nothing_unfinished(folder: &Path) {
    for name in tree(folder).keys() {
        let name = name.to_string_lossy();
        assert!(!name.contains("partial") && !name.ends_with(".tmp"), "{name} is left over");
    }
}

#[test]
fn collecting_onto_a_full_disk_keeps_what_was_acknowledged() {
    let Some(disk) = Disk::of("400k") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = disk.path().join("d");
    let args = ["collect", "two-room", "--episodes", "40", "--steps", "40", "--out", text(&out)];
    run(folder.path(), &args).exits(1).says(&["no space left", "free space", "same command"]);
    nothing_unfinished(&out);
    let kept = tree(&out);
    let episodes = kept.keys().filter(|name| name.to_string_lossy().contains("episode-")).count();
    assert!((1..40).contains(&episodes), "{episodes} were kept");
    disk.grow("100m");
    run(folder.path(), &args).exits(0).says(&[&format!("continuing: {episodes} of 40")]);
    let whole = folder.path().join("whole");
    let args = ["collect", "two-room", "--episodes", "40", "--steps", "40", "--out", text(&whole)];
    run(folder.path(), &args).exits(0);
    assert_same(&out, &whole);
}

#[test]
fn training_onto_a_full_disk_keeps_the_last_checkpoint() {
    let (whole, _) = trained("two-room");
    let dataset = whole.join("dataset");
    let checkpoint: usize = tree(&whole.join("checkpoints/20")).values().map(Vec::len).sum();
    // Room for one checkpoint and a half.
    let Some(disk) = Disk::of(&(checkpoint * 3 / 2).to_string()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = disk.path().join("r");
    let args = tiny(&["train", text(&dataset), "--out", text(&out)]);
    run(folder.path(), &args).exits(1).says(&["20", "pace"]);
    nothing_unfinished(&out);
    assert_same(&whole.join("checkpoints/10"), &out.join("checkpoints/last"));
    disk.grow("100m");
    let resumed = [&args[..], &["--resume"]].concat();
    run(folder.path(), &resumed).exits(0).says(&["continuing from step 10"]);
    assert_same(&whole.join("checkpoints"), &out.join("checkpoints"));
}
