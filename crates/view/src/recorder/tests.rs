use super::*;
use housecat_core::{
    ActionSpace, Camera, ImageSpec, IterationTrace, ObservationSpace, Shape, State,
};
use rerun::external::re_log_encoding::{Decodable as _, StreamHeader};
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
        plan: Some(PlanTrace {
            iterations: vec![IterationTrace::default()],
            latents: vec![vec![0.0], vec![1.0]],
            ..PlanTrace::default()
        }),
    }
}

fn recorder(path: &Path) -> Result<RerunRecorder, ViewError> {
    let (scene, spaces) = (scene(), spaces());
    let stage = Stage { sim: "test", scene: &scene, spaces: &spaces };
    Ok(RerunRecorder::new(Sink::File(path.to_path_buf()), &stage)?
        .with_probe(Box::new(|latent| [latent[0], 0.0, 0.0]))
        .with_painter(Box::new(|latents| vec![Image::new(4, 4); latents.len()]))
        .with_tracked(Box::new(|poses, _| poses[1].position)))
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
    let refused = RerunRecorder::new(Sink::File(folder.path().join("a.rrd")), &stage);
    assert!(matches!(refused.err(), Some(ViewError::Scene { body: 9, bodies: 2, .. })));
    assert_eq!(files(folder.path()), [""; 0]);
}

#[test]
fn a_bad_viewer_address_is_refused() {
    let (scene, spaces) = (scene(), spaces());
    let stage = Stage { sim: "test", scene: &scene, spaces: &spaces };
    let refused = RerunRecorder::new(Sink::Connect("not an address".into()), &stage);
    assert!(matches!(refused.err(), Some(ViewError::Viewer { .. })));
}
