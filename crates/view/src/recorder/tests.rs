use super::*;
use housecat_core::{
    ActionSpace, Camera, ImageSpec, IterationTrace, ObservationSpace, PlanTrace, Shape,
};
use rerun::StoreKind;
use rerun::external::re_log_encoding::{Decodable as _, DecoderApp, StreamHeader};
use rerun::log::{Chunk, LogMsg};
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

fn scene() -> Scene {
    let geometries = [
        Geometry::Plane { half: [1.0, 1.0] },
        Geometry::Box { half: [0.1; 3] },
        Geometry::Sphere { radius: 0.1 },
        Geometry::Ellipsoid { radii: [0.1, 0.2, 0.3] },
        Geometry::Capsule { radius: 0.1, half_length: 0.2 },
        Geometry::Cylinder { radius: 0.1, half_length: 0.2 },
        Geometry::Mesh {
            vertices: [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].into(),
            triangles: [[0, 1, 2]].into(),
        },
    ];
    let shapes = geometries.into_iter().map(|geometry| Shape {
        name: "same/name".into(),
        body: 1,
        pose: Pose::IDENTITY,
        geometry,
        rgba: [0.5, 0.5, 0.5, 1.0],
        texture: None,
    });
    Scene {
        bodies: vec!["world".into(), "agent".into()],
        shapes: shapes.collect(),
        cameras: vec![Camera {
            name: "top".into(),
            body: 0,
            pose: Pose::IDENTITY,
            fovy: 1.0,
            orthographic: false,
        }],
        ..Scene::default()
    }
}

fn spaces() -> Spaces {
    Spaces {
        action: ActionSpace { names: vec!["push".into()] },
        observation: ObservationSpace {
            state: vec!["x".into()],
            images: vec![ImageSpec { camera: "top".into(), width: 4, height: 4 }],
        },
        control_hz: 10.0,
    }
}

fn observation() -> Observation {
    Observation { state: vec![0.5], images: vec![Image::new(4, 4)] }
}

fn step(step: u64) -> StepRecord {
    let x = step as f32 * 0.1;
    StepRecord {
        step,
        time_secs: step as f64 * 0.1,
        observation: observation(),
        poses: vec![Pose::IDENTITY, Pose { position: [x, 0.0, 0.0], ..Pose::IDENTITY }],
        state: State(vec![f64::from(x)]),
        action: vec![0.25],
        transition: Transition {
            reward: 1.0,
            time_secs: (step + 1) as f64 * 0.1,
            goal_distance: Some(1.0 - x),
            success: Some(Success { moderate: step > 2, strict: false }),
            ..Transition::default()
        },
        goal_errors: vec![GoalError { name: "T, xy".into(), unit: "m".into(), value: 0.5 }],
        plan: Some(PlanTrace {
            horizon: 1,
            action_dim: 1,
            best: vec![0.0],
            iterations: vec![IterationTrace::default()],
            latents: vec![vec![0.0], vec![1.0]],
            candidates: vec![0.0, 0.5],
            candidate_costs: vec![1.0, 2.0],
            spread: vec![0.1],
            surprise: (step > 0).then_some(0.2),
            ..PlanTrace::default()
        }),
    }
}

fn recorder(path: &Path) -> Result<RerunRecorder, ViewError> {
    let (scene, spaces) = (scene(), spaces());
    let stage = Stage { sim: "test", scene: &scene, spaces: &spaces };
    let sink = Sink::File(path.to_path_buf());
    let mut recorder = RerunRecorder::new(sink, &stage, Purpose::Evaluate)?
        .with_tracked(Box::new(|poses, _| poses[1].position));
    recorder.set_imagination(Imagination {
        probe: Some(Box::new(|latent| [latent[0], 0.0, 0.0])),
        fan: Some(Box::new(|plan| vec![vec![[0.0; 3], [1.0; 3]]; plan.candidate_costs.len()])),
        painter: Some(Box::new(|latents| vec![Image::new(4, 4); latents.len()])),
    });
    Ok(recorder)
}

/// What a file holds: the timelines of each entity, and the text of each layout, in order.
fn read(path: &Path) -> (BTreeMap<String, BTreeSet<String>>, Vec<String>) {
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    let (mut entities, mut layouts) = (BTreeMap::<_, BTreeSet<_>>::new(), Vec::new());
    let mut layout = String::new();
    for message in DecoderApp::decode_lazy(file) {
        match message.unwrap() {
            LogMsg::ArrowMsg(store, message) if store.kind() == StoreKind::Blueprint => {
                layout += &format!("{:?}", message.batch);
            }
            LogMsg::ArrowMsg(_, message) => {
                let chunk = Chunk::from_arrow_msg(&message).unwrap();
                let timelines = chunk.timelines().keys().map(ToString::to_string);
                entities.entry(chunk.entity_path().to_string()).or_default().extend(timelines);
            }
            LogMsg::BlueprintActivationCommand(_) => layouts.push(std::mem::take(&mut layout)),
            LogMsg::SetStoreInfo(_) => {}
        }
    }
    (entities, layouts)
}

/// The views of a layout, out of those that there are.
fn views(layout: &str) -> Vec<&'static str> {
    let all = [
        "scene",
        "top",
        "expected",
        "goal",
        "imagined ahead",
        "lowest cost by round of the search",
        "cost",
        "surprise",
        "uncertainty",
        "error by goal term",
        "goal distance",
        "reward",
        "action",
        "state",
        "milliseconds a plan",
        "loss",
        "on held-out episodes",
        "terms of the loss",
        "learning rate",
        "log",
    ];
    all.into_iter().filter(|name| layout.contains(&format!("\"{name}\""))).collect()
}

fn episode(recorder: &mut RerunRecorder, index: u64) {
    recorder.begin(&EpisodeHeader {
        index,
        goal_image: Some(Image::new(4, 4)),
        ..EpisodeHeader::default()
    });
    (0..5).for_each(|index| recorder.record(step(index)));
    let last = step(5);
    recorder.end(&EpisodeSummary {
        steps: 5,
        last_observation: observation(),
        last_poses: last.poses,
        last_state: last.state,
        ..EpisodeSummary::default()
    });
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_recording_appears_whole_when_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rrd");
    let mut recorder = recorder(&path).unwrap();
    for index in 0..3 {
        episode(&mut recorder, index);
        assert!(!path.exists());
    }
    recorder.finish().unwrap();
    assert_eq!(files(folder.path()), ["a.rrd"]);
    let bytes = std::fs::read(&path).unwrap();
    let (header, _) = bytes.split_at(StreamHeader::ENCODED_SIZE_BYTES);
    StreamHeader::from_rrd_bytes(header).unwrap();
    assert!(bytes.len() > 10_000, "{}", bytes.len());
}

#[test]
fn everything_is_on_its_timelines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rrd");
    let mut recorder = recorder(&path).unwrap();
    episode(&mut recorder, 0);
    recorder.set_purpose(Purpose::Train);
    recorder.metrics(7, &[("train/loss".into(), 1.0), ("validation/next_latent".into(), 2.0)]);
    recorder.set_purpose(Purpose::Evaluate);
    episode(&mut recorder, 1);
    recorder.finish().unwrap();
    let (entities, _) = read(&path);
    let on = |entity: &str| entities.get(entity).map(|names| names.iter().cloned().collect());
    let of_episodes = || Some(["episode", "sim_time", "step"].map(str::to_owned).to_vec());
    for entity in [
        "/world/agent",
        "/camera/top",
        "/goal/image",
        "/goal/distance",
        "/goal/error/T\\,\\ xy",
        "/path/executed",
        "/path/imagined",
        "/path/candidates",
        "/imagination/film",
        "/imagination/now",
        "/plan/cost/best",
        "/plan/cost/elites",
        "/plan/search",
        "/plan/uncertainty",
        "/plan/surprise",
        "/plan/milliseconds",
        "/action",
        "/state",
        "/reward",
        "/log",
    ] {
        assert_eq!(on(entity), of_episodes(), "{entity} of {:?}", entities.keys());
    }
    for entity in ["/train/loss", "/validation/next_latent"] {
        assert_eq!(on(entity), Some(vec!["train_step".to_owned()]), "{entity}");
    }
}

#[test]
fn each_purpose_shows_what_there_is_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rrd");
    let mut recorder = recorder(&path).unwrap();
    for purpose in [Purpose::Evaluate, Purpose::Plan, Purpose::Dataset] {
        recorder.set_purpose(purpose);
        episode(&mut recorder, 0);
    }
    recorder.set_purpose(Purpose::Train);
    recorder.metrics(0, &[("train/loss".into(), 1.0), ("train/sigreg".into(), 1.0)]);
    recorder.finish().unwrap();
    let (_, layouts) = read(&path);
    assert_eq!(layouts.len(), 8, "one each beforehand, and one for what there is");
    let (beforehand, layouts): (Vec<_>, Vec<_>) =
        layouts.chunks_exact(2).map(|pair| (views(&pair[0]), pair[1].clone())).unzip();
    let scene = ["scene", "log"].as_slice();
    assert_eq!(beforehand, [scene, scene, &["log"], &["loss"]]);
    let evaluate = [
        "scene",
        "top",
        "expected",
        "goal",
        "imagined ahead",
        "cost",
        "surprise",
        "uncertainty",
        "error by goal term",
        "goal distance",
        "reward",
        "action",
        "state",
        "milliseconds a plan",
        "log",
    ];
    let missing = |absent: &[&str]| -> Vec<&str> {
        evaluate.iter().copied().filter(|name| !absent.contains(name)).collect()
    };
    assert_eq!(views(&layouts[0]), evaluate);
    assert!(views(&layouts[1]).contains(&"lowest cost by round of the search"));
    assert!(!views(&layouts[1]).contains(&"surprise"), "there is one plan");
    assert_eq!(views(&layouts[2]), missing(&["scene", "imagined ahead"]));
    assert_eq!(views(&layouts[3]), ["loss", "terms of the loss"]);
    assert!(layouts[3].contains("train_step") && !layouts[2].contains("train_step"));
}

#[test]
fn each_purpose_has_a_recording_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rrd");
    let mut recorder = recorder(&path).unwrap();
    for purpose in [Purpose::Evaluate, Purpose::Evaluate, Purpose::Train] {
        recorder.set_purpose(purpose);
    }
    recorder.finish().unwrap();
    let file = BufReader::new(std::fs::File::open(&path).unwrap());
    let mut applications: Vec<String> = (DecoderApp::decode_lazy(file))
        .filter_map(|message| match message.unwrap() {
            LogMsg::SetStoreInfo(it) => Some(it.info.store_id.application_id().to_string()),
            _ => None,
        })
        .collect();
    applications.dedup();
    assert_eq!(applications, ["housecat-test-evaluate", "housecat-test-train"]);
}

#[test]
fn places_to_show_things_have_names() {
    let parse = |words: &str| words.parse::<Sink>();
    assert_eq!(parse("spawn").unwrap(), Sink::Spawn);
    assert_eq!(parse("serve").unwrap(), Sink::Serve);
    assert_eq!(parse("connect:10.0.0.7:9876").unwrap(), Sink::Connect("10.0.0.7:9876".into()));
    let url = "rerun+http://127.0.0.1:9876/proxy";
    assert_eq!(parse(url).unwrap(), Sink::Connect(url.into()));
    assert_eq!(parse("look.rrd").unwrap(), Sink::File("look.rrd".into()));
    for words in ["", "look", "connect:"] {
        assert!(parse(words).unwrap_err().to_string().contains("connect:HOST:PORT"), "{words}");
    }
}

#[test]
fn the_clock_counts_on_between_episodes() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(&folder.path().join("a.rrd")).unwrap();
    episode(&mut recorder, 4);
    assert_eq!((recorder.clock.step, recorder.clock.episode), (5, 4));
    assert_eq!(recorder.executed.len(), 6);
    episode(&mut recorder, 7);
    assert_eq!((recorder.clock.first_step, recorder.clock.step), (7, 12));
    assert!((recorder.clock.first_secs - 0.7).abs() < 1e-12);
    assert_eq!(recorder.executed.len(), 6);
}

#[test]
fn an_unfinished_recording_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rrd");
    let mut recorder = recorder(&path).unwrap();
    episode(&mut recorder, 0);
    assert_eq!(files(folder.path()).len(), 1);
    drop(recorder);
    assert_eq!(files(folder.path()), [""; 0]);
}

#[test]
fn an_unwritable_path_is_named() {
    let path = Path::new("/nowhere/at/all/a.rrd");
    let error = recorder(path).err().map(|error| error.to_string()).unwrap();
    assert!(error.contains("/nowhere/at/all/a.rrd"), "{error}");
}

#[test]
fn the_first_error_is_reported_and_no_file_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(&folder.path().join("a.rrd")).unwrap();
    let mut bad = step(0);
    bad.observation.images[0].pixels.pop();
    recorder.begin(&EpisodeHeader::default());
    recorder.record(bad);
    recorder.record(step(1));
    let error = recorder.finish().unwrap_err();
    assert!(matches!(error, ViewError::Image { got: 47, .. }), "{error}");
    assert_eq!(files(folder.path()), [""; 0]);
}

#[test]
fn a_shape_on_no_body_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut scene, spaces) = (scene(), spaces());
    scene.shapes[0].body = 9;
    let stage = Stage { sim: "test", scene: &scene, spaces: &spaces };
    let refused =
        RerunRecorder::new(Sink::File(folder.path().join("a.rrd")), &stage, Purpose::Collect);
    assert!(matches!(refused.err(), Some(ViewError::Scene { body: 9, bodies: 2, .. })));
    assert_eq!(files(folder.path()), [""; 0]);
}

#[test]
fn a_bad_viewer_address_is_refused() {
    let (scene, spaces) = (scene(), spaces());
    let stage = Stage { sim: "test", scene: &scene, spaces: &spaces };
    let refused =
        RerunRecorder::new(Sink::Connect("not an address".into()), &stage, Purpose::Collect);
    assert!(matches!(refused.err(), Some(ViewError::Viewer { .. })));
}
