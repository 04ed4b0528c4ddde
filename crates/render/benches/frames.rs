//! Frames per second of one renderer on one core, pictures and measurements: the best of many rounds.

use std::hint::black_box;
use std::time::Instant;

use housecat_core::{DepthImage, Image, Pose, Scene, SegmentationImage};
use housecat_render::Renderer;

mod scenes;

fn main() {
    measure("two-room", &scenes::two_room(), scenes::two_room_poses);
    measure("reacher", &scenes::reacher(), scenes::reacher_poses);
    measure("playground", &scenes::playground(), scenes::playground_poses);
}

fn measure(name: &str, scene: &Scene, poses: fn(usize) -> Vec<Pose>) {
    let poses: Vec<_> = (0..1000).map(poses).collect();
    let fixed: Vec<bool> = (0..scene.bodies.len()).map(|body| body == 0).collect();
    for side in [64, 224] {
        let mut renderer = match Renderer::new(scene, &fixed, 0, side, side) {
            Ok(renderer) => renderer,
            Err(error) => return eprintln!("{name}: {error}"),
        };
        let report = |what: &str, frame: &mut dyn FnMut(&[Pose])| {
            let (mut best, begun) = (0.0f64, Instant::now());
            // Short rounds, so that some of them have the core for themselves.
            for poses in poses.chunks(50).cycle() {
                let start = Instant::now();
                poses.iter().for_each(|poses| frame(poses));
                best = best.max(poses.len() as f64 / start.elapsed().as_secs_f64());
                if begun.elapsed().as_secs_f64() > 1.0 {
                    break;
                }
            }
            println!("{name:>10} {side:>4} x {side:<4} {what:<12} {best:>10.0} frames/s");
        };
        let mut image = Image::default();
        report("picture", &mut |poses| {
            renderer.render(poses, &mut image);
            black_box(&image);
        });
        let mut depth = DepthImage::default();
        report("depth", &mut |poses| {
            renderer.depth(poses, &mut depth);
            black_box(&depth);
        });
        let mut shapes = SegmentationImage::default();
        report("segmentation", &mut |poses| {
            renderer.segmentation(poses, &mut shapes);
            black_box(&shapes);
        });
    }
}
