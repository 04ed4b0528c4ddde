//! Writes pictures, depths (white is near) and segmentations to look at: `cargo run --release -p housecat-render --example frames -- FOLDER`.

use std::path::Path;
use std::sync::Arc;

use housecat_core::{
    Camera, DepthImage, Geometry, Image, Light, Pose, Scene, SegmentationImage, Shape,
};
use housecat_render::Renderer;

#[path = "../benches/scenes/mod.rs"]
mod scenes;

use scenes::{at, turned};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder to write to")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for side in [64, 224, 512] {
        save(folder, "playground", &scenes::playground(), &scenes::playground_poses(7), 0, side)?;
    }
    for side in [64, 224] {
        save(folder, "two_room", &scenes::two_room(), &scenes::two_room_poses(7), 0, side)?;
        save(folder, "reacher", &scenes::reacher(), &scenes::reacher_poses(17), 0, side)?;
    }
    let gallery = gallery();
    let poses = vec![Pose::IDENTITY];
    for camera in 0..gallery.cameras.len() {
        let name = gallery.cameras[camera].name.clone();
        save(folder, &name, &gallery, &poses, camera, 224)?;
        if camera == 0 {
            save(folder, &name, &gallery, &poses, camera, 64)?;
        }
    }
    Ok(())
}

/// One of each shape under a sun and a lamp, from several sides.
fn gallery() -> Scene {
    let shape = |pose: Pose, geometry: Geometry, rgb: [f32; 3]| Shape {
        name: String::new(),
        body: 0,
        pose,
        geometry,
        rgba: [rgb[0], rgb[1], rgb[2], 1.0],
        texture: None,
    };
    let x = [1.0, 0.0, 0.0];
    let wedge = Geometry::Mesh {
        vertices: Arc::from(
            &[
                [-0.2, -0.2, 0.0],
                [0.2, -0.2, 0.0],
                [0.2, 0.2, 0.0],
                [-0.2, 0.2, 0.0],
                [-0.2, 0.0, 0.3],
                [0.2, 0.0, 0.3],
            ][..],
        ),
        triangles: Arc::from(
            &[
                [0, 2, 1],
                [0, 3, 2],
                [0, 1, 5],
                [0, 5, 4],
                [2, 3, 4],
                [2, 4, 5],
                [0, 4, 3],
                [1, 2, 5],
            ][..],
        ),
    };
    let shapes = vec![
        shape(Pose::IDENTITY, Geometry::Plane { half: [1.5, 1.5] }, [0.85, 0.85, 0.8]),
        shape(
            turned([-0.6, 0.5, 0.2], [0.0, 0.0, 1.0], 0.5),
            Geometry::Box { half: [0.2, 0.15, 0.2] },
            [0.8, 0.3, 0.2],
        ),
        shape(at([0.0, 0.6, 0.25]), Geometry::Sphere { radius: 0.25 }, [0.2, 0.5, 0.85]),
        shape(
            turned([0.6, 0.5, 0.12], x, 1.2),
            Geometry::Capsule { radius: 0.12, half_length: 0.2 },
            [0.3, 0.7, 0.3],
        ),
        shape(
            turned([-0.5, -0.3, 0.2], x, 0.4),
            Geometry::Cylinder { radius: 0.15, half_length: 0.2 },
            [0.9, 0.75, 0.2],
        ),
        shape(turned([0.4, -0.3, 0.0], [0.0, 0.0, 1.0], 0.4), wedge, [0.6, 0.3, 0.7]),
        shape(
            turned([0.0, -0.8, 0.2], x, 0.7),
            Geometry::Ellipsoid { radii: [0.3, 0.1, 0.2] },
            [0.3, 0.7, 0.7],
        ),
    ];
    let camera = |name: &str, pose: Pose, fovy: f32, orthographic: bool| Camera {
        name: name.into(),
        body: 0,
        pose,
        fovy,
        orthographic,
    };
    let up = [0.0, 0.0, 1.0];
    let around = |turn: f32, tilt: f32, distance: f32| {
        let look = turned([0.0; 3], up, turn).compose(&turned([0.0; 3], x, tilt));
        Pose { position: look.rotate([0.0, 0.0, distance]), ..look }
    };
    Scene {
        bodies: vec!["world".into()],
        shapes,
        textures: Vec::new(),
        cameras: vec![
            camera("gallery_front", around(0.0, 1.0, 3.0), 0.8, false),
            camera("gallery_side", around(1.3, 1.2, 3.0), 0.8, false),
            camera("gallery_back", around(3.5, 0.8, 3.0), 0.8, false),
            camera("gallery_flat", around(0.5, 1.0, 3.0), 2.2, true),
            camera("gallery_top", around(0.0, 0.0, 3.0), 0.9, false),
            // Among the shapes: floor, box and ball cross the near plane.
            camera("gallery_inside", turned([-0.6, -0.9, 0.15], x, 1.5), 1.8, false),
            camera("gallery_low", turned([-0.1, 0.2, 0.02], x, 1.55), 1.8, false),
            camera("gallery_under", turned([0.0, 0.0, -2.5], x, 3.0), 1.0, false),
        ],
        lights: vec![
            Light {
                position: [0.0; 3],
                direction: [0.4, 0.5, -0.8],
                directional: true,
                diffuse: [0.35; 3],
                ambient: [0.0; 3],
            },
            Light {
                position: [-0.8, -0.8, 1.0],
                direction: [0.0, 0.0, -1.0],
                directional: false,
                diffuse: [0.4, 0.38, 0.3],
                ambient: [0.0; 3],
            },
        ],
        background: [0.15, 0.18, 0.25],
    }
}

fn save(
    folder: &Path,
    name: &str,
    scene: &Scene,
    poses: &[Pose],
    camera: usize,
    side: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let fixed = vec![false; scene.bodies.len()];
    let mut renderer = Renderer::new(scene, &fixed, camera, side, side)?;
    let mut image = Image::default();
    renderer.render(poses, &mut image);
    write(folder, name, &image)?;
    let mut depth = DepthImage::default();
    renderer.depth(poses, &mut depth);
    let near = depth.metres.iter().copied().fold(f32::INFINITY, f32::min);
    write(folder, &format!("{name}_depth"), &depth.to_grey(near, 3.0 * near))?;
    let mut shapes = SegmentationImage::default();
    renderer.segmentation(poses, &mut shapes);
    write(folder, &format!("{name}_shapes"), &shapes.to_colors())
}

fn write(folder: &Path, name: &str, image: &Image) -> Result<(), Box<dyn std::error::Error>> {
    let Image { width, height, pixels } = image;
    let mut bytes = format!("P6 {width} {height} 255\n").into_bytes();
    bytes.extend(pixels);
    std::fs::write(folder.join(format!("{name}_{width}.ppm")), bytes)?;
    Ok(())
}
