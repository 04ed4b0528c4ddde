//! What a picture must show, measured on pictures.

use std::sync::Arc;

use housecat_core::{Camera, Geometry, Image, Light, Pose, Rng, Scene, Seed, Shape};
use housecat_render::{RenderError, Renderer};

const SIDE: usize = 64;

fn at(position: [f32; 3]) -> Pose {
    Pose { position, ..Pose::IDENTITY }
}

/// A rotation by twice the angle of the unit-free vector part `v` with scalar part `w`.
fn turned(position: [f32; 3], v: [f32; 3], w: f32) -> Pose {
    let length = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + w * w).sqrt();
    Pose { position, rotation: [v[0] / length, v[1] / length, v[2] / length, w / length] }
}

fn shape(body: usize, pose: Pose, geometry: Geometry, rgb: [f32; 3]) -> Shape {
    let rgba = [rgb[0], rgb[1], rgb[2], 1.0];
    Shape { name: "thing".into(), body, pose, geometry, rgba, texture: None }
}

fn ball(body: usize, radius: f32, rgb: [f32; 3]) -> Shape {
    shape(body, Pose::IDENTITY, Geometry::Sphere { radius }, rgb)
}

/// Bodies for the shapes and a last one for the cameras, which stand 4 m above the origin and see
/// 4 m x 4 m there; black around, and light from everywhere, so that shapes are flat colours.
fn scene(shapes: Vec<Shape>) -> Scene {
    let bodies = shapes.iter().map(|shape| shape.body + 1).max().unwrap_or(1);
    let camera = Camera {
        name: "top".into(),
        body: bodies,
        pose: at([0.0, 0.0, 4.0]),
        fovy: 2.0 * 0.5f32.atan(),
        orthographic: false,
    };
    let flat = Camera { name: "flat".into(), fovy: 4.0, orthographic: true, ..camera.clone() };
    Scene {
        bodies: (0..=bodies).map(|body| format!("body{body}")).collect(),
        shapes,
        textures: Vec::new(),
        cameras: vec![camera, flat],
        lights: vec![Light {
            position: [0.0; 3],
            direction: [0.0, 0.0, -1.0],
            directional: true,
            diffuse: [0.0; 3],
            ambient: [1.0; 3],
        }],
        background: [0.0; 3],
    }
}

/// The picture with the cameras' body at its place and the others at `poses`.
fn picture(scene: &Scene, camera: usize, poses: &[Pose]) -> Image {
    let fixed = vec![false; scene.bodies.len()];
    let mut image = Image::default();
    let poses = [poses, &[Pose::IDENTITY]].concat();
    Renderer::new(scene, &fixed, camera, SIDE, SIDE).unwrap().render(&poses, &mut image);
    image
}

/// The centre of what is not black, in pixels, and how many pixels bright it is.
fn centroid(image: &Image) -> ([f64; 2], f64) {
    let (mut x, mut y, mut sum) = (0.0, 0.0, 0.0);
    for row in 0..image.height {
        for column in 0..image.width {
            let bright = f64::from(image.rgb(column, row).into_iter().max().unwrap());
            x += bright * (column as f64 + 0.5);
            y += bright * (row as f64 + 0.5);
            sum += bright;
        }
    }
    ([x / sum, y / sum], sum / 255.0)
}

fn is_black(image: &Image) -> bool {
    image.pixels.iter().all(|&byte| byte == 0)
}

/// Every kind of shape, on the world and two bodies, under a sun and a lamp.
fn zoo() -> Scene {
    let mut scene = scene(vec![
        shape(0, Pose::IDENTITY, Geometry::Plane { half: [1.8, 1.8] }, [0.8, 0.8, 0.7]),
        shape(0, at([1.2, 0.0, 0.2]), Geometry::Box { half: [0.1, 1.0, 0.2] }, [0.5, 0.5, 0.6]),
        ball(1, 0.3, [0.9, 0.2, 0.1]),
        shape(
            1,
            turned([0.4, 0.0, 0.0], [0.0, 1.0, 0.0], 1.0),
            Geometry::Capsule { radius: 0.1, half_length: 0.4 },
            [0.2, 0.6, 0.9],
        ),
        shape(
            2,
            turned([0.0; 3], [1.0, 0.3, 0.0], 1.5),
            Geometry::Cylinder { radius: 0.2, half_length: 0.3 },
            [0.3, 0.8, 0.3],
        ),
        shape(2, at([0.5, 0.5, 0.0]), box_mesh([0.3, 0.2, 0.25]), [0.7, 0.3, 0.8]),
    ]);
    let sun = Light {
        position: [0.0; 3],
        direction: [0.6, 0.0, -0.8],
        directional: true,
        diffuse: [0.4; 3],
        ambient: [0.05; 3],
    };
    let lamp = Light { position: [-1.0, 1.0, 2.0], directional: false, ..sun.clone() };
    scene.lights = vec![sun, lamp];
    scene.bodies.pop();
    scene.cameras.iter_mut().for_each(|camera| camera.body = 0);
    scene
}

fn box_mesh(half: [f32; 3]) -> Geometry {
    let vertices: Vec<[f32; 3]> = (0..8)
        .map(|i| [0, 1, 2].map(|k| if i >> k & 1 == 1 { half[k] } else { -half[k] }))
        .collect();
    // Other diagonals and first corners than the renderer's own box.
    let quads =
        [[2, 3, 1, 0], [5, 7, 6, 4], [1, 5, 4, 0], [6, 7, 3, 2], [4, 6, 2, 0], [3, 7, 5, 1]];
    let triangles: Vec<[u32; 3]> =
        quads.iter().flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]]).collect();
    Geometry::Mesh { vertices: vertices.into(), triangles: triangles.into() }
}

fn wander(rng: &mut Rng, bodies: usize) -> Vec<Pose> {
    let mut number = |spread: f32| rng.uniform(-spread, spread);
    let mut poses = vec![Pose::IDENTITY];
    poses.extend((1..bodies).map(|_| {
        let position = [number(2.0), number(2.0), 0.6 + number(1.2)];
        turned(position, [number(1.0), number(1.0), number(1.0)], 0.2 + number(0.1))
    }));
    poses
}

#[test]
fn a_ball_lies_where_it_projects_to() {
    let scene = scene(vec![ball(0, 0.2, [1.0; 3])]);
    for (position, want) in [
        ([0.0, 0.0, 0.0], [32.0, 32.0]),
        ([1.0, 0.5, 0.0], [48.0, 24.0]),
        ([-0.5, -1.0, 0.0], [24.0, 48.0]),
    ] {
        let (flat, _) = centroid(&picture(&scene, 1, &[at(position)]));
        assert!((flat[0] - want[0]).abs() < 0.02, "{flat:?} is not {want:?}");
        assert!((flat[1] - want[1]).abs() < 0.02, "{flat:?} is not {want:?}");
        // Off the axis a ball's picture is an ellipse that leans outwards a little.
        let (central, _) = centroid(&picture(&scene, 0, &[at(position)]));
        assert!((central[0] - want[0]).abs() < 0.1, "{central:?} is not {want:?}");
        assert!((central[1] - want[1]).abs() < 0.1, "{central:?} is not {want:?}");
    }
}

#[test]
fn only_a_pinhole_makes_far_things_small() {
    let scene = scene(vec![ball(0, 0.3, [1.0; 3])]);
    let size = |camera, z| centroid(&picture(&scene, camera, &[at([0.0, 0.0, z])])).1;
    assert_eq!(size(1, 0.0), size(1, 2.0));
    let ratio = size(0, 2.0) / size(0, 0.0);
    assert!((ratio - 4.07).abs() < 0.02, "half as far is about four times as large, not {ratio}");
    let (disc, pixel) = (std::f64::consts::PI * 0.3f64.powi(2), (4.0 / SIDE as f64).powi(2));
    let area = size(1, 0.0) * pixel;
    assert!((area / disc - 1.0).abs() < 0.01, "{area} is not {disc}");
}

#[test]
fn near_hides_far_in_any_order() {
    let red = shape(0, at([0.0, 0.0, 1.0]), Geometry::Sphere { radius: 0.2 }, [1.0, 0.0, 0.0]);
    let floor = shape(0, Pose::IDENTITY, Geometry::Plane { half: [2.0; 2] }, [0.0, 1.0, 0.0]);
    let block = shape(0, at([0.0, 0.0, -1.0]), Geometry::Box { half: [0.5; 3] }, [0.0, 0.0, 1.0]);
    let forth = scene(vec![red.clone(), floor.clone(), block.clone()]);
    let back = scene(vec![block, floor, red]);
    for camera in 0..2 {
        let image = picture(&forth, camera, &[Pose::IDENTITY]);
        assert_eq!(image, picture(&back, camera, &[Pose::IDENTITY]));
        let [r, g, b] = image.rgb(32, 32);
        assert!(r > 150 && g == 0 && b == 0);
        let [r, g, b] = image.rgb(20, 32);
        assert!(r == 0 && g > 150 && b == 0);
    }
}

#[test]
fn motion_below_a_pixel_shows() {
    for geometry in [
        Geometry::Sphere { radius: 0.125 },
        Geometry::Box { half: [0.125; 3] },
        Geometry::Cylinder { radius: 0.125, half_length: 0.1 },
    ] {
        let scene = scene(vec![shape(0, Pose::IDENTITY, geometry, [1.0; 3])]);
        // A sixteenth of a pixel a step, over two pixels.
        let pixel = 4.0 / SIDE as f32;
        let xs: Vec<f64> = (0..=32)
            .map(|i| centroid(&picture(&scene, 1, &[at([i as f32 * pixel / 16.0, 0.0, 0.0])])).0[0])
            .collect();
        for pair in xs.windows(2) {
            assert!(pair[1] > pair[0], "{xs:?}");
        }
        assert!((xs[32] - xs[0] - 2.0).abs() < 0.01);
    }
}

#[test]
fn a_frame_does_not_depend_on_the_frames_before() {
    let scene = zoo();
    let fixed = [true, false, false];
    for camera in 0..2 {
        let mut rng = Seed::new(3).child("poses", 0).rng();
        let mut old = Renderer::new(&scene, &fixed, camera, SIDE, SIDE).unwrap();
        let mut uncached = Renderer::new(&scene, &[false; 3], camera, SIDE, SIDE).unwrap();
        let (mut reused, mut fresh) = (Image::new(3, 5), Image::default());
        for _ in 0..30 {
            let poses = wander(&mut rng, 3);
            old.render(&poses, &mut reused);
            Renderer::new(&scene, &fixed, camera, SIDE, SIDE).unwrap().render(&poses, &mut fresh);
            assert_eq!(reused, fresh);
            uncached.render(&poses, &mut fresh);
            assert_eq!(reused, fresh, "the cached background changes the picture");
        }
        // A body said to be fixed that moves all the same.
        let moved = [at([0.3, 0.0, 0.0]), Pose::IDENTITY, Pose::IDENTITY];
        old.render(&moved, &mut reused);
        uncached.render(&moved, &mut fresh);
        assert_eq!(reused, fresh);
    }
}

#[test]
fn a_camera_can_ride() {
    let mut scene = zoo();
    scene.cameras[0].body = 2;
    scene.shapes.retain(|shape| shape.body != 2);
    let mut renderer = Renderer::new(&scene, &[true, false, false], 0, SIDE, SIDE).unwrap();
    let (mut image, mut still) = (Image::default(), Image::default());
    let step = [0.5, 0.0, 0.0];
    renderer.render(&[Pose::IDENTITY, at([0.2, 0.0, 0.0]), at(step)], &mut image);
    scene.cameras[0].body = 0;
    scene.cameras[0].pose.position[0] += 0.5;
    Renderer::new(&scene, &[true, false, false], 0, SIDE, SIDE)
        .unwrap()
        .render(&[Pose::IDENTITY, at([0.2, 0.0, 0.0]), Pose::IDENTITY], &mut still);
    assert_eq!(image, still);
}

#[test]
fn a_mesh_of_a_box_is_a_box() {
    let half = [0.3, 0.2, 0.25];
    let mut boxed = scene(vec![shape(0, Pose::IDENTITY, Geometry::Box { half }, [0.9, 0.5, 0.2])]);
    let sun = zoo().lights[0].clone();
    boxed.lights = vec![sun];
    let mut meshed = boxed.clone();
    meshed.shapes[0].geometry = box_mesh(half);
    let mut rng = Seed::new(5).child("poses", 0).rng();
    for _ in 0..50 {
        let pose = wander(&mut rng, 2)[1];
        for camera in 0..2 {
            assert_eq!(picture(&boxed, camera, &[pose]), picture(&meshed, camera, &[pose]));
        }
    }
}

#[test]
fn neighbouring_triangles_leave_no_cracks() {
    // A fan over a square, seen from close by and at a slant: no sample may show the black behind.
    let n = 40;
    let mut vertices = vec![[0.01, 0.02, 0.0]];
    vertices.extend((0..n).map(|i| {
        let side = (i * 4 / n) as f32;
        let along = (i * 4 % n) as f32 / n as f32 * 2.0 - 1.0;
        match side as u32 {
            0 => [along * 9.0, -9.0, 0.0],
            1 => [9.0, along * 9.0, 0.0],
            2 => [-along * 9.0, 9.0, 0.0],
            _ => [-9.0, -along * 9.0, 0.0],
        }
    }));
    let triangles: Vec<[u32; 3]> =
        (0..n).map(|i| [0, i as u32 + 1, (i as u32 + 1) % n as u32 + 1]).collect();
    let mesh = Geometry::Mesh { vertices: vertices.into(), triangles: triangles.into() };
    let scene = scene(vec![shape(0, Pose::IDENTITY, mesh, [1.0; 3])]);
    for slant in [0.0, 0.1, 0.23] {
        for camera in 0..2 {
            let image =
                picture(&scene, camera, &[turned([0.1, 0.0, 1.0], [slant, 0.05, 0.3], 1.0)]);
            let first = image.rgb(0, 0);
            assert!(first[0] > 0);
            assert!(image.pixels.chunks(3).all(|pixel| pixel == first));
        }
    }
}

#[test]
fn what_is_behind_the_camera_is_not_drawn() {
    let mut shapes = zoo().shapes;
    for shape in &mut shapes {
        shape.body = 0;
    }
    let scene = scene(shapes);
    for camera in 0..2 {
        assert!(is_black(&picture(&scene, camera, &[at([0.0, 0.0, 6.0])])));
        assert!(!is_black(&picture(&scene, camera, &[Pose::IDENTITY])));
        // Nowhere at all.
        let nan = at([f32::NAN, 0.0, 0.0]);
        assert!(is_black(&picture(&scene, camera, &[nan])));
    }
    let mut image = Image::default();
    Renderer::new(&scene, &[true; 2], 0, SIDE, SIDE).unwrap().render(&[], &mut image);
    assert!(is_black(&image));
}

#[test]
fn a_floor_under_the_camera_is_cut_at_the_near_plane() {
    // The camera stands 0.1 m over a floor that runs on behind it and looks level.
    let mut scene =
        scene(vec![shape(0, Pose::IDENTITY, Geometry::Plane { half: [50.0, 50.0] }, [1.0; 3])]);
    let half = std::f32::consts::FRAC_1_SQRT_2;
    scene.cameras[0].pose = Pose { position: [0.0, 0.0, 0.1], rotation: [half, 0.0, 0.0, half] };
    let image = picture(&scene, 0, &[Pose::IDENTITY]);
    for row in 0..SIDE {
        for column in 0..SIDE {
            assert_eq!(image.rgb(column, row)[0] > 0, row >= SIDE / 2, "{column} {row}");
        }
    }
}

#[test]
fn a_camera_inside_a_solid_sees_through_it() {
    for geometry in [
        Geometry::Sphere { radius: 0.5 },
        Geometry::Box { half: [0.5; 3] },
        Geometry::Capsule { radius: 0.5, half_length: 0.5 },
        Geometry::Cylinder { radius: 0.5, half_length: 0.5 },
    ] {
        let scene = scene(vec![shape(0, Pose::IDENTITY, geometry, [1.0; 3])]);
        for camera in 0..2 {
            assert!(is_black(&picture(&scene, camera, &[at([0.0, 0.0, 4.0])])));
        }
    }
}

#[test]
fn an_upright_capsule_looks_like_a_ball_from_above() {
    let capsule = Geometry::Capsule { radius: 0.3, half_length: 0.4 };
    let mut upright = scene(vec![shape(0, Pose::IDENTITY, capsule, [1.0; 3])]);
    let mut sphere = scene(vec![ball(0, 0.3, [1.0; 3])]);
    upright.lights.clear();
    sphere.lights.clear();
    let from_above = picture(&upright, 1, &[Pose::IDENTITY]);
    assert_eq!(from_above, picture(&sphere, 1, &[at([0.0, 0.0, 0.4])]));
    let cylinder = Geometry::Cylinder { radius: 0.3, half_length: 0.4 };
    let drum = scene(vec![shape(0, Pose::IDENTITY, cylinder, [1.0; 3])]);
    let area = centroid(&picture(&drum, 1, &[Pose::IDENTITY])).1;
    let round = std::f64::consts::PI * (0.3f64 * 16.0).powi(2);
    assert!((area / round - 1.0).abs() < 0.01, "{area} is not {round}");
}

#[test]
fn opacity_zero_is_not_drawn() {
    let mut scene = scene(vec![ball(0, 0.3, [1.0; 3])]);
    scene.shapes[0].rgba[3] = 0.0;
    assert!(is_black(&picture(&scene, 0, &[Pose::IDENTITY])));
}

#[test]
fn bad_scenes_are_refused_by_name() {
    let good = zoo();
    let fixed = [true, false, false];
    let refuse = |scene: &Scene, camera, width, height| {
        Renderer::new(scene, &fixed, camera, width, height).map(|_| ()).unwrap_err()
    };
    assert_eq!(refuse(&good, 2, 8, 8), RenderError::NoCamera { index: 2, count: 2 });
    for (width, height) in [(0, 8), (8, 0), (8, 100_000)] {
        let want = RenderError::BadSize { width, height, limit: 4096 };
        assert_eq!(refuse(&good, 0, width, height), want);
    }
    let error = Renderer::new(&good, &[true], 0, 8, 8).map(|_| ()).unwrap_err();
    assert_eq!(error, RenderError::BadFixed { got: 1, bodies: 3 });

    let mut scene = good.clone();
    scene.shapes[1].body = 9;
    assert!(refuse(&scene, 0, 8, 8).to_string().contains("shape `thing` rides on body 9"));
    let mut scene = good.clone();
    scene.cameras[1].body = 3;
    assert!(refuse(&scene, 1, 8, 8).to_string().contains("camera `flat` rides on body 3"));
    let mut scene = good.clone();
    scene.cameras[0].fovy = 4.0;
    assert!(refuse(&scene, 0, 8, 8).to_string().contains("fovy = 4"));
    let mut scene = good.clone();
    scene.shapes[0].geometry = Geometry::Sphere { radius: f32::NAN };
    assert!(refuse(&scene, 0, 8, 8).to_string().contains("radius is NaN"));
    scene.shapes[0].geometry = Geometry::Mesh {
        vertices: Arc::from(&[[0.0; 3]; 3][..]),
        triangles: Arc::from(&[[0, 1, 3]][..]),
    };
    assert!(refuse(&scene, 0, 8, 8).to_string().contains("names corner 3"));
    let mut scene = good;
    scene.shapes[0].rgba[1] = 255.0;
    assert!(refuse(&scene, 0, 8, 8).to_string().contains("rgba"));
}
