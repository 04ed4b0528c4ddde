//! Every kind of damage is found, named, and never panics.

use crate::sample::{self, SHAPE};
use crate::{DataError, Dataset, Selection, verify};
use housecat_core::Seed;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

fn dataset() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    sample::write(&path, 4);
    (folder, path)
}

fn change(path: &Path, file: &str, from: &str, to: &str) {
    let file = path.join(file);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

fn complaint(path: &Path) -> String {
    Dataset::open(path).err().expect("should not open").to_string()
}

#[test]
fn nothing_there() {
    let folder = tempdir().unwrap();
    let error = Dataset::open(&folder.path().join("nowhere")).err();
    assert!(matches!(error, Some(DataError::Missing { .. })));
}

#[test]
fn each_file_missing_truncated_or_garbled_is_named() {
    let (_folder, path) = dataset();
    for (name, bytes) in sample::files(&path) {
        let file = path.join(&name);
        let shown = name.to_string_lossy().into_owned();
        fs::remove_file(&file).unwrap();
        assert!(complaint(&path).contains(&shown), "{}", complaint(&path));
        for broken in [&bytes[..bytes.len() / 2], &bytes[..3], b"", b"{]\xff"] {
            fs::write(&file, broken).unwrap();
            let text = complaint(&path);
            assert!(text.contains(&shown), "{shown}: {text}");
        }
        fs::write(&file, &bytes).unwrap();
    }
    Dataset::open(&path).unwrap();
}

#[test]
fn contradictions_are_named() {
    let cases = [
        ("meta/info.json", "\"v3.0\"", "\"v2.1\"", "convert"),
        ("meta/info.json", "\"total_frames\": ", "\"total_frames\": 1", "total_frames"),
        ("meta/info.json", "\"fps\": 13", "\"fps\": 30", "fps"),
        ("meta/info.json", "\"action\"", "\"motion\"", "action"),
        ("meta/housecat.json", "\"a0\"", "\"b0\"", "action"),
        ("meta/stats.json", "\"action\"", "\"motion\"", "action"),
    ];
    for (file, from, to, says) in cases {
        let (_folder, path) = dataset();
        change(&path, file, from, to);
        let text = complaint(&path);
        assert!(text.contains(says), "{says:?} not in {text:?}");
    }
}

#[test]
fn columns_that_do_not_belong_are_named() {
    let (folder, path) = dataset();
    let other = folder.path().join("other");
    let shape = sample::Shape { state: 0, ..SHAPE };
    let mut writer =
        crate::DatasetWriter::create_or_resume(&other, &sample::features(shape)).unwrap();
    sample::append(&mut writer, &[0]);
    writer.finish().unwrap();
    let file = "data/chunk-000/file-000.parquet";
    fs::copy(other.join(file), path.join(file)).unwrap();
    let text = complaint(&path);
    assert!(text.contains("column `observation.state` is missing"), "{text}");

    let (_folder, path) = dataset();
    fs::copy(path.join(file), path.join("data/chunk-000/file-777.parquet")).unwrap();
    assert!(complaint(&path).contains("file-777.parquet: belongs to no episode"));
}

#[test]
fn exchanged_files_are_found() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    let mut writer =
        crate::DatasetWriter::create_or_resume(&path, &sample::features(SHAPE)).unwrap();
    sample::append(&mut writer, &[0, 1, 2, 3]);
    assert_eq!(writer.finish_with(1).unwrap().files, 4);
    // Episodes 0 and 3 have the same length, so only their contents tell them apart.
    let [first, last] = [0, 3].map(|at| path.join(format!("data/chunk-000/file-00{at}.parquet")));
    let spare = path.join("spare");
    fs::rename(&first, &spare).unwrap();
    fs::rename(&last, &first).unwrap();
    fs::rename(&spare, &last).unwrap();
    let report = verify(&path, 2);
    assert_eq!(report.problems.len(), 2, "{report:?}");
    assert!(report.problems[0].contains("episode_index"), "{report:?}");
}

#[test]
fn wrong_statistics_are_found() {
    let (_folder, path) = dataset();
    change(&path, "meta/stats.json", "\"mean\": [\n      ", "\"mean\": [\n      1");
    let report = verify(&path, 1);
    assert!(report.problems[0].contains("statistics of"), "{report:?}");
}

/// Whatever single byte of a data file is flipped, nothing panics, and if anything that is read
/// changes, verification says so.
#[test]
fn flipped_bits_are_found_or_harmless() {
    let (_folder, path) = dataset();
    let file = path.join("data/chunk-000/file-000.parquet");
    let bytes = fs::read(&file).unwrap();
    let all = Selection { images: true, threads: 1 };
    let good = Dataset::open(&path).unwrap();
    let (good, first) = (good.load(&all).unwrap(), good.episode(0).unwrap());
    let mut rng = Seed::new(3).rng();
    let mut found = 0;
    for _ in 0..200 {
        let mut flipped = bytes.clone();
        flipped[rng.index(bytes.len())] ^= 1 << rng.index(8);
        fs::write(&file, &flipped).unwrap();
        let sound = verify(&path, 1).is_sound();
        found += usize::from(!sound);
        if sound {
            let dataset = Dataset::open(&path).unwrap();
            assert_eq!(dataset.load(&all).unwrap(), good);
            assert_eq!(dataset.episode(0).unwrap(), first);
        }
    }
    assert!(found > 100, "only {found} of 200 flips were found");
}
