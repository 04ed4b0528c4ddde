//! What goes in comes out, to the bit, whatever the order and the number of threads.

use crate::sample::{self, SHAPE, Shape};
use crate::{DataError, Dataset, DatasetWriter, Selection, verify};
use housecat_core::{Episode, ImageSpec};
use proptest::prelude::*;
use tempfile::tempdir;

#[test]
fn episodes_come_back() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    let summary = sample::write(&path, 5);
    assert!(summary.files > 1, "the test should roll to a second file: {summary:?}");
    let dataset = Dataset::open(&path).unwrap();
    assert_eq!(dataset.episodes().len(), 5);
    assert_eq!(dataset.tasks(), ["task 0", "task 1"]);
    assert_eq!(dataset.frames(), summary.frames);
    for index in 0..5 {
        let want = sample::episode(dataset.features(), index, sample::length(index));
        assert_eq!(dataset.episode(index as usize).unwrap(), want);
    }
    assert!(matches!(dataset.episode(5), Err(DataError::NoSuchEpisode { .. })));
    let report = verify(&path, 2);
    assert_eq!(report.problems, [""; 0]);
    assert_eq!((report.episodes, report.frames), (5, summary.frames));
}

#[test]
fn loading_is_flat_and_threads_do_not_matter() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("dataset");
    sample::write(&path, 4);
    let dataset = Dataset::open(&path).unwrap();
    let one = dataset.load(&Selection { images: true, threads: 1 }).unwrap();
    assert_eq!(one, dataset.load(&Selection { images: true, threads: 3 }).unwrap());
    for (index, range) in one.episodes.iter().enumerate() {
        let episode = dataset.episode(index).unwrap();
        assert_eq!(range.len(), episode.frames.len());
        for (at, frame) in range.clone().zip(&episode.frames) {
            assert_eq!(one.image(at), frame.observation.images[0].pixels);
            assert_eq!(one.state(at), frame.observation.state);
            assert_eq!(one.privileged(at), frame.privileged);
            assert_eq!(one.action(at), frame.action);
            assert_eq!(one.rewards[at].to_bits(), frame.reward.to_bits());
        }
    }
    let blind = dataset.load(&Selection { images: false, threads: 2 }).unwrap();
    assert!(blind.images.is_empty() && blind.image.is_none());
    assert_eq!(blind.state, one.state);
}

#[test]
fn order_of_arrival_does_not_show() {
    let folder = tempdir().unwrap();
    let write = |name: &str, order: &[u64]| {
        let path = folder.path().join(name);
        let mut writer = DatasetWriter::create_or_resume(&path, &sample::features(SHAPE)).unwrap();
        sample::append(&mut writer, order);
        writer.finish().unwrap();
        sample::files(&path)
    };
    let straight = write("a", &[0, 1, 2, 3, 4]);
    assert_eq!(straight, write("b", &[4, 2, 0, 3, 1]));
    let names: Vec<_> = straight.keys().map(|path| path.to_string_lossy().into_owned()).collect();
    assert_eq!(
        names,
        [
            "data/chunk-000/file-000.parquet",
            "meta/episodes/chunk-000/file-000.parquet",
            "meta/housecat.json",
            "meta/info.json",
            "meta/stats.json",
            "meta/tasks.parquet",
        ]
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let features = sample::features(SHAPE);
    let good = sample::episode(&features, 0, 3);
    let complaint = |change: &dyn Fn(&mut Episode)| {
        let mut episode = good.clone();
        change(&mut episode);
        DatasetWriter::encode(&features, 7, &episode).unwrap_err().to_string()
    };
    let says = |text: String, parts: &[&str]| {
        parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} not in {text:?}"));
    };
    says(complaint(&|it| it.frames[1].reward = f32::NAN), &["episode 7, frame 1", "next.reward"]);
    says(complaint(&|it| it.frames[2].observation.state[0] = f32::INFINITY), &["state", "inf"]);
    says(complaint(&|it| it.frames[0].action.clear()), &["`action` has 0 components, not 2"]);
    says(complaint(&|it| drop(it.frames[0].observation.images.pop())), &["camera1"]);
    says(complaint(&|it| it.frames[0].observation.images[1].width = 9), &["9 x 4", "6 x 4"]);
    says(complaint(&|it| it.frames.clear()), &["no frames"]);
}

#[test]
fn features_that_cannot_be_stored_are_refused() {
    let folder = tempdir().unwrap();
    let complaint = |change: &dyn Fn(&mut crate::Features)| {
        let mut features = sample::features(SHAPE);
        change(&mut features);
        let error = DatasetWriter::create_or_resume(&folder.path().join("x"), &features);
        error.unwrap_err().to_string()
    };
    let twin = ImageSpec { camera: "camera0".into(), width: 4, height: 4 };
    assert!(complaint(&|it| it.spaces.control_hz = 0.0).contains("control_hz"));
    assert!(complaint(&|it| it.spaces.action.names.clear()).contains("action"));
    assert!(complaint(&|it| it.spaces.observation.images.push(twin.clone())).contains("twice"));
    assert!(complaint(&|it| it.spaces.observation.images[0].camera = "a/b".into()).contains("a/b"));
    assert!(complaint(&|it| it.spaces.observation.images[0].width = 0).contains("0 x 4"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_shape_survives(
        state in 0..4usize,
        images in 0..3usize,
        side in (1..9usize, 1..9usize),
        action in 1..4usize,
        privileged in 0..3usize,
        lengths in prop::collection::vec(1..12usize, 1..5),
    ) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("dataset");
        let features = sample::features(Shape { state, images, side, action, privileged });
        let mut writer = DatasetWriter::create_or_resume(&path, &features).unwrap();
        let episodes: Vec<Episode> = lengths
            .iter()
            .enumerate()
            .map(|(index, &length)| sample::episode(&features, index as u64, length))
            .collect();
        for (index, episode) in episodes.iter().enumerate().rev() {
            let encoded = DatasetWriter::encode(&features, index as u64, episode).unwrap();
            prop_assert_eq!(encoded.frames(), episode.frames.len());
            writer.append(encoded).unwrap();
        }
        writer.finish_with(2000).unwrap();
        let dataset = Dataset::open(&path).unwrap();
        prop_assert_eq!(dataset.features(), &features);
        for (index, episode) in episodes.iter().enumerate() {
            prop_assert_eq!(&dataset.episode(index).unwrap(), episode);
        }
        let experience = dataset.load(&Selection { images: images > 0, threads: 2 }).unwrap();
        prop_assert_eq!(experience.frames(), lengths.iter().sum::<usize>());
        prop_assert_eq!(verify(&path, 1).problems, Vec::<String>::new());
    }
}
