//! Repair and merge.

use crate::sample::{self, SHAPE};
use crate::{DataError, Dataset, DatasetWriter, Features, merge, repair, verify};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

#[test]
fn a_sound_dataset_is_left_alone() {
    let folder = tempdir().unwrap();
    sample::write(folder.path(), 3);
    let before = sample::files(folder.path());
    let report = repair(folder.path(), 2).unwrap();
    assert_eq!(report.episodes, 3);
    assert!(report.actions.is_empty() && report.lost.is_empty());
    assert_eq!(sample::files(folder.path()), before);
}

#[test]
fn gaps_are_closed_and_told() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    let mut writer = DatasetWriter::create_or_resume(&path, &sample::features(SHAPE)).unwrap();
    sample::append(&mut writer, &[0, 2, 3]);
    drop(writer);
    let report = repair(&path, 1).unwrap();
    assert!(report.actions[0].contains("0, 2-3"), "{report:?}");
    assert!(report.lost.is_empty());
    let dataset = Dataset::open(&path).unwrap();
    assert_eq!(dataset.episodes().len(), 3);
    let want = sample::episode(dataset.features(), 3, sample::length(3));
    assert_eq!(dataset.episode(2).unwrap(), want);
    assert!(verify(&path, 1).is_sound());
}

#[test]
fn lost_metadata_is_rebuilt_to_the_bit() {
    let folder = tempdir().unwrap();
    let reference = folder.path().join("reference");
    let mut writer = DatasetWriter::create_or_resume(&reference, &sample::features(SHAPE)).unwrap();
    sample::append(&mut writer, &[0, 1, 2]);
    writer.finish().unwrap();
    let want = sample::files(&reference);
    for broken in want.keys().filter(|name| name.starts_with("meta")) {
        let path = folder.path().join("broken");
        sample::copy(&reference, &path);
        fs::write(path.join(broken), b"?").unwrap();
        let report = repair(&path, 1).unwrap();
        assert!(report.lost.is_empty() && report.episodes == 3, "{report:?}");
        assert_eq!(sample::files(&path), want);
        fs::remove_dir_all(path).unwrap();
    }
    fs::remove_dir_all(reference.join("meta")).unwrap();
    repair(&reference, 1).unwrap();
    assert_eq!(sample::files(&reference), want);
}

#[test]
fn damaged_episodes_are_dropped_kept_aside_and_told() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    let summary = sample::write(&path, 5);
    let last = path.join(format!("data/chunk-000/file-{:03}.parquet", summary.files - 1));
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() - 9]).unwrap();
    // An image of the first episode.
    let first = path.join("data/chunk-000/file-000.parquet");
    let mut bytes = fs::read(&first).unwrap();
    let png = bytes.windows(4).position(|window| window == b"IDAT").unwrap();
    bytes[png + 8] ^= 0x10;
    fs::write(&first, &bytes).unwrap();
    let report = repair(&path, 1).unwrap();
    assert_eq!(report.lost.len(), 2, "{report:?}");
    assert!(report.lost[0].contains("observation.images.camera0"), "{report:?}");
    assert!(path.join("damaged/file-000.parquet").is_file());
    assert!(report.episodes >= 2);
    let dataset = Dataset::open(&path).unwrap();
    let want = sample::episode(dataset.features(), 1, sample::length(1));
    assert_eq!(dataset.episode(0).unwrap(), want);
    assert!(verify(&path, 1).is_sound());
}

#[test]
fn nothing_to_repair() {
    let folder = tempdir().unwrap();
    assert!(matches!(repair(folder.path(), 1), Err(DataError::Missing { .. })));
    drop(DatasetWriter::create_or_resume(folder.path(), &sample::features(SHAPE)).unwrap());
    assert!(matches!(repair(folder.path(), 1), Err(DataError::Empty { .. })));
}

fn write_with(path: &Path, episodes: &[u64], change: impl Fn(&mut Features)) {
    let mut features = sample::features(SHAPE);
    change(&mut features);
    let mut writer = DatasetWriter::create_or_resume(path, &features).unwrap();
    for (index, &content) in episodes.iter().enumerate() {
        let episode = sample::episode(&features, content, sample::length(content));
        let encoded = DatasetWriter::encode(&features, index as u64, &episode).unwrap();
        writer.append(encoded).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn merging_equals_collecting_at_once() {
    let folder = tempdir().unwrap();
    let [a, b, both, merged] = ["a", "b", "both", "merged"].map(|name| folder.path().join(name));
    write_with(&a, &[0, 1], |_| {});
    write_with(&b, &[3, 2, 4], |_| {});
    write_with(&both, &[0, 1, 3, 2, 4], |_| {});
    let summary = merge(&[&a, &b], &merged).unwrap();
    assert_eq!(summary.episodes, 5);
    assert_eq!(sample::files(&merged), sample::files(&both));
    assert!(matches!(merge(&[&a], &merged), Err(DataError::Sealed { .. })));
    assert!(matches!(merge(&[], &folder.path().join("none")), Err(DataError::Empty { .. })));
}

#[test]
fn merging_joins_provenance_and_refuses_other_features() {
    let folder = tempdir().unwrap();
    let [a, b, c, merged] = ["a", "b", "c", "merged"].map(|name| folder.path().join(name));
    write_with(&a, &[0], |_| {});
    write_with(&b, &[1], |it| drop(it.provenance.insert("policy".into(), "oracle".into())));
    write_with(&c, &[1], |it| it.privileged[0] = "other".into());
    merge(&[&a, &b, &b], &merged).unwrap();
    let dataset = Dataset::open(&merged).unwrap();
    assert_eq!(dataset.features().provenance["policy"], "random, oracle");
    assert!(verify(&merged, 1).is_sound());
    let error = merge(&[&a, &c], &folder.path().join("x")).unwrap_err().to_string();
    assert!(error.contains("privileged"), "{error}");
}
