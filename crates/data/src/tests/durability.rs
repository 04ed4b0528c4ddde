//! Acknowledged episodes survive: crashes at every stage, full disks, other processes.

use crate::sample::{self, SHAPE};
use crate::{DataError, Dataset, DatasetWriter, Features, repair, seal, verify};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::tempdir;

fn open(path: &Path) -> DatasetWriter {
    DatasetWriter::create_or_resume(path, &sample::features(SHAPE)).unwrap()
}

/// An unsealed dataset of three episodes, as a killed process leaves it.
fn killed(path: &Path) {
    sample::append(&mut open(path), &[2, 0, 1]);
}

/// What an uninterrupted collection of so many episodes writes.
fn reference(folder: &Path, episodes: u64) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let path = folder.join(format!("reference{episodes}"));
    let mut writer = open(&path);
    sample::append(&mut writer, &(0..episodes).collect::<Vec<_>>());
    writer.finish().unwrap();
    sample::files(&path)
}

#[test]
fn a_killed_collection_goes_on() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    killed(&path);
    let error = Dataset::open(&path).err().unwrap();
    assert!(error.to_string().contains("housecat repair"), "{error}");
    fs::write(path.join(".staging/episode-000003.parquet.tmp"), b"half").unwrap();
    let mut writer = open(&path);
    assert_eq!(writer.acknowledged().collect::<Vec<_>>(), [0, 1, 2]);
    assert!(writer.damaged().is_empty());
    sample::append(&mut writer, &[4, 3]);
    writer.finish().unwrap();
    assert_eq!(sample::files(&path), reference(folder.path(), 5));
}

#[test]
fn a_torn_episode_is_reported_and_can_be_collected_again() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    killed(&path);
    let file = path.join(".staging/episode-000001.parquet");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let mut writer = open(&path);
    assert_eq!(writer.acknowledged().collect::<Vec<_>>(), [0, 2]);
    assert!(writer.damaged()[0].contains("episode 1"), "{:?}", writer.damaged());
    assert!(path.join("damaged/episode-000001.parquet").is_file());
    sample::append(&mut writer, &[1]);
    writer.finish().unwrap();
    fs::remove_dir_all(path.join("damaged")).unwrap();
    assert_eq!(sample::files(&path), reference(folder.path(), 3));
}

#[test]
fn a_crash_anywhere_in_finish_is_recovered_from() {
    let folder = tempdir().unwrap();
    let want = reference(folder.path(), 3);
    let staged = folder.path().join("staged");
    killed(&staged);
    let sealed = folder.path().join("reference3");

    // The states on disk between the steps of `finish`, in order: how to make each of them.
    type Step = (&'static str, fn(&Path, &Path));
    let steps: [Step; 6] = [
        ("half a data file", |path, _| {
            let folder = path.join(".sealing/data/chunk-000");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("file-000.parquet.tmp"), b"half").unwrap();
        }),
        ("all but the info", |path, sealed| {
            sample::copy(sealed, &path.join(".sealing"));
            fs::remove_file(path.join(".sealing/meta/info.json")).unwrap();
        }),
        ("complete", |path, sealed| sample::copy(sealed, &path.join(".sealing"))),
        ("data moved", |path, sealed| {
            sample::copy(sealed, &path.join(".sealing"));
            fs::rename(path.join(".sealing/data"), path.join("data")).unwrap();
        }),
        ("all moved", |path, sealed| {
            sample::copy(sealed, path);
            fs::create_dir_all(path.join(".sealing")).unwrap();
        }),
        ("staging half removed", |path, sealed| {
            sample::copy(sealed, path);
            fs::remove_file(path.join(".staging/episode-000000.parquet")).unwrap();
        }),
    ];
    for (number, (name, make)) in steps.iter().enumerate() {
        let again = folder.path().join(format!("again{number}"));
        sample::copy(&staged, &again);
        make(&again, &sealed);
        let repaired = folder.path().join(format!("repaired{number}"));
        sample::copy(&again, &repaired);

        if again.join("meta/info.json").is_file() {
            assert_eq!(Dataset::open(&again).unwrap().episodes().len(), 3, "{name}");
            let error = DatasetWriter::create_or_resume(&again, &sample::features(SHAPE));
            assert!(matches!(error, Err(DataError::Sealed { .. })), "{name}");
        } else {
            let error = Dataset::open(&again).err();
            assert!(matches!(error, Some(DataError::Unsealed { .. })), "{name}: {error:?}");
            open(&again).finish().unwrap();
            assert_eq!(sample::files(&again), want, "{name}");
        }
        let report = repair(&repaired, 1).unwrap();
        assert!(report.lost.is_empty() && report.episodes == 3, "{name}: {report:?}");
        assert_eq!(sample::files(&repaired), want, "{name}");
    }
}

#[test]
fn an_unfinished_sealing_never_outlives_later_episodes() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    killed(&path);
    reference(folder.path(), 3);
    sample::copy(&folder.path().join("reference3"), &path.join(".sealing"));
    assert!(seal::is_pending(&path));
    sample::append(&mut open(&path), &[3]);
    let report = repair(&path, 1).unwrap();
    assert_eq!((report.episodes, report.lost.len()), (4, 0));
    assert_eq!(sample::files(&path), reference(folder.path(), 4));
}

#[test]
fn holes_duplicates_and_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    let empty = open(&path).finish().unwrap_err();
    assert!(matches!(empty, DataError::Empty { .. }));
    let mut writer = open(&path);
    sample::append(&mut writer, &[0, 3]);
    let twice = sample::episode(writer.features(), 3, 4);
    let twice = DatasetWriter::encode(writer.features(), 3, &twice).unwrap();
    assert!(matches!(writer.append(twice), Err(DataError::Duplicate(3))));
    let error = writer.finish().unwrap_err().to_string();
    assert!(error.contains("episodes 1, 2 are missing"), "{error}");
}

#[test]
fn the_wrong_place_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    killed(&path);
    let refused = |change: &dyn Fn(&mut Features)| {
        let mut features = sample::features(SHAPE);
        change(&mut features);
        DatasetWriter::create_or_resume(&path, &features).unwrap_err().to_string()
    };
    assert!(refused(&|it| it.sim = "other".into()).contains("another sim"));
    assert!(refused(&|it| it.spaces.control_hz = 20.0).contains("12.5 Hz"));
    assert!(refused(&|it| it.privileged.clear()).contains("privileged state"));
    assert!(refused(&|it| it.provenance.clear()).contains("provenance"));
    let _writer = open(&path);
    let second = DatasetWriter::create_or_resume(&path, &sample::features(SHAPE));
    assert!(matches!(second, Err(DataError::Busy { .. })));
    fs::write(folder.path().join("note.txt"), b"mine").unwrap();
    let error = DatasetWriter::create_or_resume(folder.path(), &sample::features(SHAPE));
    assert!(matches!(error, Err(DataError::NotEmpty { .. })));
}

/// A file system of few bytes; unmounted when dropped.
pub(super) struct Tiny(PathBuf);

impl Tiny {
    /// `None` where the tests may not mount.
    pub(super) fn mount(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(path).ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(path);
        let output = mount.output().ok()?;
        output.status.success().then(|| Self(path.to_owned()))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempdir().unwrap();
    let Some(tiny) = Tiny::mount(&folder.path().join("tiny"), "256k") else {
        eprintln!("skipped: mounting a tmpfs is not allowed here");
        return;
    };
    let path = tiny.0.join("dataset");
    let mut writer = open(&path);
    let features = writer.features().clone();
    let mut stored = 0;
    let error = loop {
        let episode = sample::episode(&features, stored, sample::length(stored));
        match writer.append(DatasetWriter::encode(&features, stored, &episode).unwrap()) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    let text = error.to_string();
    assert!(matches!(error, DataError::DiskFull { .. }), "{error:?}");
    assert!(text.contains("free space") && text.contains("episode-"), "{text}");
    assert!(stored > 3);
    // Sealing needs room for a second copy: it fails as clearly and leaves everything.
    let error = writer.finish().unwrap_err();
    assert!(matches!(error, DataError::DiskFull { .. }), "{error:?}");
    assert!(
        !sample::files(&path).keys().any(|name| name.extension().is_some_and(|it| it == "tmp"))
    );
    let larger = Command::new("mount").args(["-o", "remount,size=4m"]).arg(&tiny.0).status();
    assert!(larger.unwrap().success());
    let writer = open(&path);
    assert_eq!(writer.acknowledged().collect::<Vec<_>>(), (0..stored).collect::<Vec<_>>());
    writer.finish().unwrap();
    assert_eq!(sample::files(&path), reference(folder.path(), stored));
    assert!(verify(&path, 1).is_sound());
}
