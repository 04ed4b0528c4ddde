//! Writes a small synthetic dataset for `tools/parity/lerobot/check.py`, and times encoding:
//! `cargo run --release -p housecat-data --example write_sample -- FOLDER [EPISODES] [FRAMES]`

use housecat_core::{
    ActionSpace, Episode, Frame, Image, ImageSpec, Observation, ObservationSpace, Seed, Spaces,
};
use housecat_data::{Dataset, DatasetWriter, Features, Selection};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

const SIDE: usize = 64;

fn features() -> Features {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    let image = |camera: &str, width, height| ImageSpec { camera: camera.into(), width, height };
    Features {
        sim: "sample".into(),
        spaces: Spaces {
            action: ActionSpace { names: names(&["x", "y"]) },
            observation: ObservationSpace {
                state: names(&["ball_x", "ball_y", "speed"]),
                images: vec![image("top", SIDE, SIDE), image("wrist", 32, 24)],
            },
            control_hz: 10.0,
        },
        privileged: names(&["ball_x"]),
        provenance: [("policy".to_owned(), "random".to_owned())].into(),
    }
}

/// A disc with a soft edge on a shaded floor, the kind of picture that the renderer draws.
fn picture(width: usize, height: usize, x: f32, y: f32) -> Image {
    let mut image = Image::new(width, height);
    for (at, pixel) in image.pixels.chunks_exact_mut(3).enumerate() {
        let (column, row) = ((at % width) as f32, (at / width) as f32);
        let distance = (column - x * width as f32).hypot(row - y * height as f32);
        let inside = (width as f32 / 8.0 - distance).clamp(0.0, 1.0);
        let floor = 180.0 + 40.0 * row / height as f32;
        pixel[0] = (floor + (40.0 - floor) * inside) as u8;
        pixel[1] = (floor + (120.0 - floor) * inside) as u8;
        pixel[2] = (floor + (220.0 - floor) * inside) as u8;
    }
    image
}

fn episode(index: u64, frames: usize) -> Episode {
    let mut rng = Seed::new(0).child("sample", index).rng();
    let (mut x, mut y) = (rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8));
    let mut episode = Episode { task: format!("task {}", index % 2), frames: Vec::new() };
    for at in 0..frames {
        let last = at + 1 == frames;
        let action: Vec<f32> = (0..2).map(|_| rng.uniform(-1.0, 1.0)).collect();
        episode.frames.push(Frame {
            observation: Observation {
                state: vec![x, y, action[0].hypot(action[1])],
                images: vec![picture(SIDE, SIDE, x, y), picture(32, 24, y, x)],
            },
            privileged: vec![x],
            action: if last { vec![0.0; 2] } else { action.clone() },
            reward: if last { 0.0 } else { x - y },
            terminated: false,
            truncated: at + 2 == frames,
        });
        x = (x + 0.05 * action[0]).clamp(0.0, 1.0);
        y = (y + 0.05 * action[1]).clamp(0.0, 1.0);
    }
    episode
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("say where to write")?;
    let episodes: u64 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let frames: usize = arguments.next().map_or(Ok(21), |text| text.parse())?;
    let (path, features) = (Path::new(&path), features());
    let mut writer = DatasetWriter::create_or_resume(path, &features)?;
    let (mut encoding, mut appending) = (0.0, 0.0);
    for index in 0..episodes {
        let episode = episode(index, frames + index as usize);
        let start = Instant::now();
        let encoded = DatasetWriter::encode(&features, index, &episode)?;
        encoding += start.elapsed().as_secs_f64();
        let start = Instant::now();
        writer.append(encoded)?;
        appending += start.elapsed().as_secs_f64();
    }
    let start = Instant::now();
    let summary = writer.finish()?;
    let sealing = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let experience = Dataset::open(path)?.load(&Selection { images: true, threads: 1 })?;
    let loading = start.elapsed().as_secs_f64();
    let rate = |seconds: f64| experience.frames() as f64 / seconds;
    println!(
        "{summary:?}: frames/s encode {:.0}, append {:.0}, seal {:.0}, load {:.0}",
        rate(encoding),
        rate(appending),
        rate(sealing),
        rate(loading)
    );
    Ok(())
}
