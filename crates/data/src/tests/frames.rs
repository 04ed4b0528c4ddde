//! Decoded frames: made once, right, and made anew whenever they would not be.

use super::durability::Tiny;
use crate::sample;
use crate::{DataError, Dataset, Selection, merge, repair, verify};
use housecat_core::Experience;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::{TempDir, tempdir};

const SELECTION: Selection = Selection { images: true, threads: 2 };

fn dataset(episodes: u64) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    sample::write(&path, episodes);
    (folder, path)
}

fn cache(path: &Path) -> PathBuf {
    path.join(".cache/frames.u8")
}

/// Loads, and compares every frame with its PNG.
#[track_caller]
fn load(path: &Path) -> Experience {
    let dataset = Dataset::open(path).unwrap();
    let experience = dataset.load(&SELECTION).unwrap();
    assert_right(&dataset, &experience);
    experience
}

#[track_caller]
fn assert_right(dataset: &Dataset, experience: &Experience) {
    assert_eq!(experience.frames(), dataset.frames());
    let bytes = experience.image.as_ref().unwrap().bytes();
    assert_eq!(experience.images.len(), dataset.frames() * bytes);
    for (index, range) in experience.episodes.iter().enumerate() {
        for (at, frame) in range.clone().zip(dataset.episode(index).unwrap().frames) {
            // A hint must change nothing, up to the last frame.
            experience.prefetch_image(at);
            assert_eq!(experience.image(at), frame.observation.images[0].pixels, "frame {at}");
        }
    }
}

/// What only a file that was made anew would have otherwise.
fn identity(path: &Path) -> (u64, i64, i64) {
    let data = fs::metadata(cache(path)).unwrap();
    (data.ino(), data.mtime(), data.mtime_nsec())
}

#[test]
fn frames_are_decoded_once_and_are_no_part_of_the_dataset() {
    let (_folder, path) = dataset(5);
    let before = sample::files(&path);
    let first = load(&path);
    let made = identity(&path);
    assert_eq!(load(&path), first);
    assert_eq!(identity(&path), made);
    assert!(verify(&path, 1).is_sound());
    let report = repair(&path, 1).unwrap();
    assert!(report.actions.is_empty() && report.lost.is_empty(), "{report:?}");
    let mut after = sample::files(&path);
    after.retain(|name, _| !name.starts_with(".cache"));
    assert_eq!(after, before);
    // States alone neither need nor make them.
    fs::remove_dir_all(path.join(".cache")).unwrap();
    Dataset::open(&path).unwrap().load(&Selection { images: false, threads: 1 }).unwrap();
    assert!(!path.join(".cache").exists());
}

#[test]
fn a_changed_dataset_gets_new_frames() {
    let (folder, path) = dataset(3);
    let old = load(&path);
    // More episodes under the same name.
    let (_other, more) = dataset(6);
    for part in ["data", "meta"] {
        fs::remove_dir_all(path.join(part)).unwrap();
    }
    sample::copy(&more, &path);
    assert!(load(&path).images.len() > old.images.len());
    // A repair that leaves out an episode, in the first file.
    let file = path.join("data/chunk-000/file-000.parquet");
    let bytes = fs::read(&file).unwrap();
    let png = bytes.windows(4).position(|window| window == b"IDAT").unwrap();
    let mut damaged = bytes.clone();
    damaged[png + 8] ^= 0x10;
    fs::write(&file, &damaged).unwrap();
    let error = Dataset::open(&path).unwrap().load(&SELECTION).unwrap_err().to_string();
    assert!(error.contains("observation.images.camera0"), "{error}");
    assert_eq!(repair(&path, 1).unwrap().episodes, 5);
    assert_eq!(load(&path).episodes.len(), 5);
    // A merge of datasets that have theirs.
    let merged = folder.path().join("merged");
    merge(&[&path, &more], &merged).unwrap();
    assert!(!merged.join(".cache").exists());
    assert_eq!(load(&merged).episodes.len(), 11);
}

#[test]
fn a_rewritten_file_is_noticed_even_at_its_old_size_and_time() {
    let (_folder, path) = dataset(4);
    let before = load(&path);
    let file = path.join("data/chunk-000/file-000.parquet");
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    let made = identity(&path);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    assert_eq!(load(&path), before);
    assert_ne!(identity(&path), made);
}

#[test]
fn a_damaged_cache_is_made_anew() {
    let (_folder, path) = dataset(4);
    load(&path);
    let good = fs::read(cache(&path)).unwrap();
    let frames = load(&path).images.len();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let damages = [
        with(&|it| it.clear()),
        with(&|it| it.truncate(10)),
        with(&|it| it.truncate(frames / 2)),
        with(&|it| it.truncate(frames)),
        with(&|it| it.truncate(it.len() - 1)),
        with(&|it| it.push(0)),
        with(&|it| it.drain(..1).for_each(drop)),
        with(&|it| it[0] ^= 1),
        with(&|it| it[frames - 1] ^= 0x80),
        with(&|it| it[frames + 3] ^= 1),
        with(&|it| *it.last_mut().unwrap() ^= 1),
        with(&|it| {
            let length = it.len() - 16;
            it[length..length + 8].fill(0xff);
        }),
    ];
    for (number, damaged) in damages.iter().enumerate() {
        fs::write(cache(&path), damaged).unwrap();
        load(&path);
        assert!(fs::read(cache(&path)).unwrap() == good, "damage {number}");
    }
}

#[test]
fn frames_that_cannot_be_kept_are_decoded_all_the_same() {
    let (_folder, path) = dataset(4);
    let want = load(&path);
    fs::remove_dir_all(path.join(".cache")).unwrap();
    fs::write(path.join(".cache"), b"in the way").unwrap();
    assert_eq!(load(&path), want);
    assert_eq!(fs::read(path.join(".cache")).unwrap(), b"in the way");
    let ours = format!("housecat-frames-{}-", std::process::id());
    let left = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    assert_eq!(left.filter(|it| it.file_name().to_string_lossy().starts_with(&ours)).count(), 0);
}

#[test]
fn a_read_only_dataset_is_loaded_with_its_cache_and_without() {
    let (folder, path) = dataset(4);
    let want = load(&path);
    for kept in [true, false] {
        let place = folder.path().join(format!("{kept}"));
        let Some(disk) = Tiny::mount(&place, "4m") else {
            eprintln!("skipped: mounting a tmpfs is not allowed here");
            return;
        };
        let copy = place.join("dataset");
        sample::copy(&path, &copy);
        fs::remove_dir_all(copy.join(".cache")).unwrap();
        if kept {
            load(&copy);
        }
        let mut remount = Command::new("mount");
        assert!(remount.args(["-o", "remount,ro"]).arg(&place).status().unwrap().success());
        assert_eq!(load(&copy), want);
        assert_eq!(cache(&copy).exists(), kept);
        drop(disk);
    }
}

#[test]
fn a_full_disk_stops_nobody() {
    let (folder, path) = dataset(4);
    let want = load(&path);
    let place = folder.path().join("tiny");
    let Some(_disk) = Tiny::mount(&place, "1m") else {
        eprintln!("skipped: mounting a tmpfs is not allowed here");
        return;
    };
    let copy = place.join("dataset");
    sample::copy(&path, &copy);
    fs::remove_dir_all(copy.join(".cache")).unwrap();
    let filler = fs::File::create(place.join("filler")).unwrap();
    let mut at = 0;
    while filler.write_all_at(&[7; 1024], at).is_ok() {
        at += 1024;
    }
    assert_eq!(load(&copy), want);
    assert!(!cache(&copy).exists());
    assert!(!copy.join(".cache/frames.u8.tmp").exists());
    // With room, they are kept.
    filler.set_len(0).unwrap();
    assert_eq!(load(&copy), want);
    assert!(cache(&copy).exists());
}

#[test]
fn a_stopped_load_leaves_nothing_and_names_the_reason() {
    let (_folder, path) = dataset(5);
    let told = AtomicUsize::new(0);
    let watch = |done: usize| {
        told.fetch_max(done, Ordering::Relaxed);
        if done < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let one = Selection { images: true, threads: 1 };
    let stopped = Dataset::open(&path).unwrap().load_watched(&one, &watch);
    assert!(matches!(stopped, Err(DataError::Interrupted)), "{stopped:?}");
    assert_eq!(told.into_inner(), 2);
    let left: Vec<_> = fs::read_dir(path.join(".cache")).unwrap().flatten().collect();
    assert!(left.iter().all(|it| it.file_name() == "lock"), "{left:?}");
    load(&path);
}

/// Not a test by itself: what another process does in those below.
#[test]
fn another_process() {
    let Ok(path) = std::env::var("HOUSECAT_TEST_FRAMES") else { return };
    let dataset = Dataset::open(Path::new(&path)).unwrap();
    let stall = std::env::var("HOUSECAT_TEST_STALL").is_ok();
    let watch = |done: usize| {
        if stall && done > 0 {
            // Until it is killed, or the test that does so has failed.
            std::thread::sleep(Duration::from_secs(60));
        }
        ControlFlow::Continue(())
    };
    let experience = dataset.load_watched(&SELECTION, &watch).unwrap();
    assert_right(&dataset, &experience);
}

fn other(path: &Path, stall: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::frames::another_process"]).env("HOUSECAT_TEST_FRAMES", path);
    if stall {
        command.env("HOUSECAT_TEST_STALL", "1");
    }
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

#[test]
fn processes_at_once_do_not_disturb_each_other() {
    let (_folder, path) = dataset(12);
    let others: Vec<Child> = (0..3).map(|_| other(&path, false)).collect();
    load(&path);
    for mut other in others {
        assert!(other.wait().unwrap().success());
    }
    let made = identity(&path);
    load(&path);
    assert_eq!(identity(&path), made);
}

#[test]
fn whoever_waits_can_be_stopped_and_a_killed_maker_is_replaced() {
    let (_folder, path) = dataset(5);
    let mut maker = other(&path, true);
    let half = path.join(".cache/frames.u8.tmp");
    for _ in 0..1000 {
        if half.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(half.exists());
    let dataset = Dataset::open(&path).unwrap();
    let waiting = dataset.load_watched(&SELECTION, &|_| ControlFlow::Break(()));
    assert!(matches!(waiting, Err(DataError::Interrupted)), "{waiting:?}");
    assert!(half.exists() && !cache(&path).exists());
    // SIGKILL.
    maker.kill().unwrap();
    maker.wait().unwrap();
    load(&path);
    assert!(cache(&path).exists() && !half.exists());
}
