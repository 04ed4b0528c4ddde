//! The same seed gives the same bits: at any number of threads, interrupted or not.

use crate::support::{Place, assert_same, timeless, tree};

#[test]
fn collections_are_the_same_at_any_number_of_threads_and_differ_by_seed() {
    for sim in ["two-room", "reacher", "cart-pole"] {
        let place = Place::new();
        for (out, threads, seed) in [("one", "1", "7"), ("two", "2", "7"), ("other", "2", "8")] {
            let args = ["collect", sim, "--out", out, "--threads", threads, "--seed", seed];
            place.tiny(&args).ok();
        }
        assert_same(&place.path("one"), &place.path("two"));
        let data = "data/chunk-000/file-000.parquet";
        assert!(tree(&place.path("one"))[data] != tree(&place.path("other"))[data]);
    }
}

#[test]
fn training_is_the_same_at_any_number_of_threads_and_differs_by_seed() {
    for sim in ["two-room", "cart-pole"] {
        let place = Place::new();
        place.collect(sim);
        for (out, threads, seed) in [("one", "1", "7"), ("two", "2", "7"), ("other", "2", "8")] {
            let args = ["train", "data", "--out", out, "--threads", threads, "--seed", seed];
            place.tiny(&args).ok();
        }
        assert_same(&place.path("one/checkpoints"), &place.path("two/checkpoints"));
        assert_same_file(&place, "one/metrics.jsonl", "two/metrics.jsonl");
        if sim == "two-room" {
            assert_same_file(&place, "one/decoder.safetensors", "two/decoder.safetensors");
        }
        let [one, other] = ["one", "other"]
            .map(|run| tree(&place.path(run))["checkpoints/20/model.safetensors"].clone());
        assert!(one != other);
    }
}

#[test]
fn a_continued_training_equals_an_uninterrupted_one() {
    let place = Place::new();
    place.collect("two-room");
    place.tiny(&["train", "data", "--out", "whole"]).ok();
    place.tiny(&["train", "data", "--out", "cut"]).ok();
    // As if the machine had died after step 10: what came later is not there.
    let checkpoints = place.path("cut/checkpoints");
    std::fs::remove_dir_all(checkpoints.join("20")).unwrap();
    std::fs::remove_file(checkpoints.join("last")).unwrap();
    std::os::unix::fs::symlink("10", checkpoints.join("last")).unwrap();
    let continued = place.tiny(&["train", "data", "--out", "cut", "--resume"]).ok();
    assert!(continued.stderr.contains("continuing from step 10 of 20"), "{}", continued.stderr);
    assert_same(&place.path("whole/checkpoints"), &checkpoints);
    assert_same_file(&place, "whole/metrics.jsonl", "cut/metrics.jsonl");
}

#[test]
fn evaluations_are_the_same_at_any_number_of_threads() {
    for sim in ["two-room", "reacher"] {
        let place = Place::new();
        place.train(sim);
        let [one, two] = ["1", "2"].map(|threads| {
            let args = ["eval", "model", "--out", threads, "--json", "--threads", threads];
            timeless(place.run(&args).ok().json())
        });
        assert_eq!(one, two);
    }
}

#[track_caller]
fn assert_same_file(place: &Place, a: &str, b: &str) {
    let [left, right] = [a, b].map(|file| std::fs::read(place.path(file)).unwrap());
    assert!(left == right, "{a} and {b} differ");
}
