//! Writes `recording.rrd` and `report.html` from made-up data, to look at.
//!
//! `cargo run --release -p housecat-view --example sample -- FOLDER [URL]`; with the URL of a viewer,
//! such as `rerun+http://127.0.0.1:9876/proxy`, the recording goes there instead.

use housecat_core::*;
use housecat_view::*;
use std::path::PathBuf;
use std::sync::Arc;

fn main() -> Result<(), ViewError> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    record(match std::env::args().nth(2) {
        Some(url) => Sink::Connect(url),
        None => Sink::File(folder.join("recording.rrd")),
    })?;
    report().save(&folder.join("report.html"))
}

/// Two rooms, a round agent, and one of every other geometry.
fn scene() -> Scene {
    let shape = |name: &str, body, position, geometry, rgba| Shape {
        name: name.into(),
        body,
        pose: Pose { position, ..Pose::IDENTITY },
        geometry,
        rgba,
        texture: None,
    };
    let wall = [0.55, 0.6, 0.68, 1.0];
    let mesh = Geometry::Mesh {
        vertices: Arc::from([
            [0.0, 0.0, 0.3],
            [0.15, 0.0, 0.0],
            [-0.1, 0.12, 0.0],
            [-0.1, -0.12, 0.0],
        ]),
        triangles: Arc::from([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]),
    };
    let long = |half: [f32; 3]| Geometry::Box { half };
    Scene {
        bodies: vec!["world".into(), "agent".into()],
        shapes: vec![
            shape(
                "floor",
                0,
                [0.0; 3],
                Geometry::Plane { half: [1.2, 1.2] },
                [0.87, 0.88, 0.9, 1.0],
            ),
            shape("north", 0, [0.0, 1.0, 0.1], long([1.0, 0.05, 0.1]), wall),
            shape("south", 0, [0.0, -1.0, 0.1], long([1.0, 0.05, 0.1]), wall),
            shape("east", 0, [1.0, 0.0, 0.1], long([0.05, 1.0, 0.1]), wall),
            shape("west", 0, [-1.0, 0.0, 0.1], long([0.05, 1.0, 0.1]), wall),
            shape("door", 0, [0.0, 0.55, 0.1], long([0.05, 0.4, 0.1]), wall),
            shape("door", 0, [0.0, -0.55, 0.1], long([0.05, 0.4, 0.1]), wall),
            shape(
                "column",
                0,
                [0.6, -0.6, 0.15],
                Geometry::Cylinder { radius: 0.1, half_length: 0.15 },
                [0.3, 0.7, 0.5, 1.0],
            ),
            shape("cone", 0, [0.6, 0.6, 0.0], mesh, [0.7, 0.5, 0.8, 1.0]),
            shape("ball", 1, [0.0; 3], Geometry::Sphere { radius: 0.08 }, [0.85, 0.2, 0.2, 1.0]),
            shape(
                "mast",
                1,
                [0.0, 0.0, 0.15],
                Geometry::Capsule { radius: 0.02, half_length: 0.1 },
                [0.9, 0.7, 0.1, 1.0],
            ),
        ],
        cameras: vec![Camera {
            name: "top".into(),
            body: 0,
            pose: Pose { position: [0.0, 0.0, 3.0], ..Pose::IDENTITY },
            fovy: 0.8,
            orthographic: false,
        }],
        ..Scene::default()
    }
}

/// The world from above, by hand.
fn picture(agent: [f32; 2]) -> Image {
    let mut image = Image::new(64, 64);
    for y in 0..64 {
        for x in 0..64 {
            let (u, v) = ((x as f32 - 31.5) / 28.0, (31.5 - y as f32) / 28.0);
            let wall = u.abs() > 1.0 || v.abs() > 1.0 || (u.abs() < 0.06 && v.abs() > 0.16);
            let near = (u - agent[0]).hypot(v - agent[1]) < 0.12;
            let color = if near {
                [214, 60, 60]
            } else if wall {
                [140, 150, 170]
            } else {
                [226, 228, 232]
            };
            image.pixels[(y * 64 + x) * 3..][..3].copy_from_slice(&color);
        }
    }
    image
}

/// A path through the door; the second episode stops half way.
fn position(episode: u64, step: u64) -> [f32; 2] {
    let t = (step as f32 / 40.0).min(if episode == 1 { 0.55 } else { 1.0 });
    let bend = if episode == 1 { -0.5 } else { 0.6 };
    [-0.7 + 1.4 * t, bend * (1.0 - t) * (1.0 - 2.0 * t) + 0.05 * (9.0 * t).sin()]
}

fn pose([x, y]: [f32; 2]) -> Vec<Pose> {
    vec![Pose::IDENTITY, Pose { position: [x, y, 0.08], ..Pose::IDENTITY }]
}

fn record(sink: Sink) -> Result<(), ViewError> {
    let spaces = Spaces {
        action: ActionSpace { names: vec!["x".into(), "y".into()] },
        observation: ObservationSpace {
            state: Vec::new(),
            images: vec![ImageSpec { camera: "top".into(), width: 64, height: 64 }],
        },
        control_hz: 10.0,
    };
    let scene = scene();
    let stage = Stage { sim: "sample", scene: &scene, spaces: &spaces };
    let mut recorder = RerunRecorder::new(sink, &stage, Purpose::Evaluate)?
        .with_tracked(Box::new(|poses, _| poses.get(1).map_or([0.0; 3], |pose| pose.position)));
    let bent = |latent: &[f32], by: f32| [latent[0] + by * latent[1], latent[1] - by, 0.08];
    recorder.set_imagination(Imagination {
        probe: Some(Box::new(|latent| [latent[0], latent[1], 0.08])),
        fan: Some(Box::new(move |plan| {
            let path = |by| plan.latents.iter().map(|latent| bent(latent, 0.05 * by)).collect();
            plan.candidate_costs.iter().map(|cost| path(*cost)).collect()
        })),
        painter: None,
    });
    for episode in 0..3 {
        recorder.begin(&EpisodeHeader {
            sim: "sample".into(),
            index: episode,
            task: "reach the other room".into(),
            goal_image: Some(picture([0.7, 0.0])),
        });
        let steps = 40;
        for step in 0..steps {
            let (here, next) = (position(episode, step), position(episode, step + 1));
            let distance = (next[0] - 0.7).hypot(next[1]);
            let imagined = |ahead: u64| {
                let [x, y] = position(episode, step + 5 * ahead);
                vec![x + 0.01 * ahead as f32, y + 0.015 * (ahead * ahead) as f32]
            };
            recorder.record(StepRecord {
                step,
                time_secs: step as f64 / 10.0,
                observation: Observation { state: Vec::new(), images: vec![picture(here)] },
                poses: pose(here),
                state: State::default(),
                action: vec![20.0 * (next[0] - here[0]), 20.0 * (next[1] - here[1])],
                transition: Transition {
                    time_secs: (step + 1) as f64 / 10.0,
                    goal_distance: Some(distance),
                    success: Some(Success { moderate: distance < 0.2, strict: distance < 0.03 }),
                    ..Transition::default()
                },
                goal_errors: vec![GoalError {
                    name: "agent".into(),
                    unit: "m".into(),
                    value: f64::from(distance),
                }],
                plan: (step % 5 == 0).then(|| PlanTrace {
                    best_cost: distance * 1.2,
                    iterations: vec![IterationTrace {
                        elite_mean: distance * 1.5 + 0.1,
                        ..IterationTrace::default()
                    }],
                    plan_secs: 0.02 + 0.001 * step as f64,
                    best: vec![0.0; 2],
                    latents: (0..6).map(imagined).collect(),
                    candidate_costs: (0..12).map(|index| index as f32).collect(),
                    spread: vec![0.01 * distance],
                    surprise: Some(0.02 + 0.001 * step as f32),
                    ..PlanTrace::default()
                }),
            });
        }
        let last = position(episode, steps);
        recorder.end(&EpisodeSummary {
            steps,
            first_success: if episode == 1 { [None; 2] } else { [Some(35), Some(40)] },
            final_errors: vec![GoalError {
                name: "agent".into(),
                unit: "m".into(),
                value: f64::from((last[0] - 0.7).hypot(last[1])),
            }],
            last_observation: Observation { state: Vec::new(), images: vec![picture(last)] },
            last_poses: pose(last),
            ..EpisodeSummary::default()
        });
    }
    recorder.finish()
}

fn report() -> Report {
    let mut rng = Seed::new(0).rng();
    let arms = [("model", 96, 21.4), ("random", 9, 46.2), ("still", 4, 48.9), ("oracle", 99, 18.0)];
    let outcome = [("moderate", 0), ("strict", 12)]
        .iter()
        .flat_map(|&(protocol, fewer)| {
            arms.map(|(arm, successes, steps)| {
                let successes = usize::saturating_sub(successes, fewer);
                let rate = successes as f64 / 100.0;
                let half = 0.02 + 0.1 * (rate * (1.0 - rate)).sqrt();
                ArmRow {
                    protocol: protocol.into(),
                    arm: arm.into(),
                    rate,
                    low: (rate - half).max(0.0),
                    high: (rate + half).min(1.0),
                    successes,
                    n: 100,
                    steps_mean: Some(steps),
                }
            })
        })
        .collect();
    let mut curve = |chart: &str, name: &str, scale: f64, floor: f64, log_scale| Curve {
        chart: chart.into(),
        name: name.into(),
        points: (0..600)
            .map(|i| {
                let step = f64::from(i) * 10.0;
                let noise = 1.0 + 0.1 * f64::from(rng.normal());
                (step, (scale * (-step / 900.0).exp() + floor) * noise)
            })
            .collect(),
        log_scale,
    };
    let curves = vec![
        curve("prediction loss", "training", 0.9, 0.012, true),
        curve("prediction loss", "validation", 0.95, 0.019, true),
        curve("sigreg", "training", 3.0, 1.1, false),
        curve("learning rate", "learning rate", 1e-3, 0.0, false),
    ];
    let strip = |episode: u64, caption: &str, success| Strip {
        caption: caption.into(),
        success,
        frames: [("start", 0), ("goal", 99), ("step 10", 10), ("step 20", 20), ("achieved", 40)]
            .map(|(label, step)| {
                let place = if step == 99 { [0.7, 0.0] } else { position(episode, step) };
                (label.to_owned(), picture(place))
            })
            .to_vec(),
        plan: Vec::new(),
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Report {
        title: "A robot that plans from pixels: sample".into(),
        sim: "sample: made-up numbers that show what a report looks like".into(),
        outcome,
        returns: [("model", 812.0, 0.93), ("random", 31.0, 0.04), ("oracle", 873.0, 1.0)]
            .map(|(arm, mean, share)| ReturnRow {
                arm: arm.into(),
                mean,
                low: mean * 0.94,
                high: mean * 1.06,
                n: 20,
                of_oracle: Some(share),
            })
            .to_vec(),
        pair_difficulty: vec![DifficultyRow {
            name: "agent".into(),
            median: 0.412,
            unit: "m".into(),
        }],
        planner: vec![
            pair("solver", "cem"),
            pair("samples", "128"),
            pair("iterations", "15, then 6"),
            pair("horizon", "5 blocks of 5 steps"),
        ],
        timing: Some(PlanTiming { median_ms: 11.8, p95_ms: 14.2, max_ms: 31.0 }),
        elite_rank_correlation: Some(0.62),
        elite_rank_median: Some([0.66, 0.58, 0.71]),
        probes: [("agent x", 0.994, 0.012), ("agent y", 0.991, 0.014)]
            .map(|(name, r, error)| ProbeRow {
                name: name.into(),
                spread: 0.112,
                linear: [r, error],
                mlp: [r + 0.004, 0.5 * error],
                unit: "m".into(),
            })
            .to_vec(),
        latents: vec![pair("straightness", "0.62"), pair("effective rank", "11.4 of 32")],
        curves,
        strips: vec![
            strip(0, "seed 0, pair 0: both criteria met after 40 steps", true),
            strip(1, "seed 0, pair 1: stopped at the door, 0.63 m from the goal", false),
        ],
        variation: ["0.3..0.5", "0.5..0.8"]
            .map(|levels| FactorRow {
                protocol: "moderate".into(),
                factor: "light.intensity".into(),
                levels: levels.into(),
                rate: 0.9,
                low: 0.78,
                high: 0.96,
                successes: 45,
                n: 50,
            })
            .into(),
        seconds: vec![("collect".into(), 40.0), ("train".into(), 130.0)],
        config_toml: "[model]\nlatent = 32\nencoder = { kind = \"keypoints\", channels = 32 }\n\n\
                      [planner]\nkind = \"cem\"\nsamples = 128\n"
            .into(),
        provenance: vec![
            pair("housecat", env!("CARGO_PKG_VERSION")),
            pair("seed", "0"),
            pair("machine", "2 cores, x86-64 with AVX-512, 8 GiB"),
        ],
        command: "housecat run two-room --seed 0 --set planner.samples=128".into(),
    }
}
