//! Depth, segmentation, ellipsoids, and renderers beside each other.

use housecat_core::{
    Camera, DepthImage, Geometry, Image, Pose, Rng, Scene, Seed, SegmentationImage, Shape,
};
use housecat_render::{RenderError, Renderer};

const NOTHING: u16 = SegmentationImage::NOTHING;

fn at(position: [f32; 3]) -> Pose {
    Pose { position, ..Pose::IDENTITY }
}

fn turned(position: [f32; 3], v: [f32; 3], w: f32) -> Pose {
    let length = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + w * w).sqrt();
    Pose { position, rotation: [v[0] / length, v[1] / length, v[2] / length, w / length] }
}

fn shape(body: usize, pose: Pose, geometry: Geometry) -> Shape {
    let name = format!("{geometry:?}");
    Shape { name, body, pose, geometry, rgba: [0.9, 0.6, 0.3, 1.0], texture: None }
}

/// A pinhole and a parallel camera 4 m above the origin, each of which sees 4 m x 4 m there.
fn scene(bodies: usize, shapes: Vec<Shape>) -> Scene {
    let camera = Camera {
        name: "top".into(),
        body: 0,
        pose: at([0.0, 0.0, 4.0]),
        fovy: 2.0 * 0.5f32.atan(),
        orthographic: false,
    };
    let flat = Camera { name: "flat".into(), fovy: 4.0, orthographic: true, ..camera.clone() };
    Scene {
        bodies: (0..bodies).map(|body| format!("body{body}")).collect(),
        shapes,
        cameras: vec![camera, flat],
        ..Scene::default()
    }
}

/// A floor, and one of each other shape on three bodies.
fn zoo() -> Scene {
    let shapes = vec![
        shape(0, Pose::IDENTITY, Geometry::Plane { half: [1.8, 1.8] }),
        shape(0, at([1.2, 0.0, 0.2]), Geometry::Box { half: [0.1, 1.0, 0.2] }),
        shape(1, Pose::IDENTITY, Geometry::Sphere { radius: 0.3 }),
        shape(1, at([0.5, 0.0, 0.0]), Geometry::Capsule { radius: 0.1, half_length: 0.4 }),
        shape(2, Pose::IDENTITY, Geometry::Cylinder { radius: 0.2, half_length: 0.3 }),
        shape(2, at([0.5, 0.5, 0.0]), Geometry::Ellipsoid { radii: [0.3, 0.1, 0.4] }),
    ];
    scene(3, shapes)
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

fn measured(
    scene: &Scene,
    camera: usize,
    size: [usize; 2],
    poses: &[Pose],
) -> (DepthImage, SegmentationImage) {
    let fixed = vec![false; scene.bodies.len()];
    let mut renderer = Renderer::new(scene, &fixed, camera, size[0], size[1]).unwrap();
    let (mut depth, mut segmentation) = Default::default();
    renderer.depth(poses, &mut depth);
    renderer.segmentation(poses, &mut segmentation);
    (depth, segmentation)
}

#[test]
fn depth_is_the_distance_along_the_axis() {
    let (radius, high) = (0.5f64, 1.25f64);
    let scene = scene(
        1,
        vec![
            shape(0, at([0.0, 0.0, 0.75]), Geometry::Plane { half: [1.5, 1.5] }),
            shape(0, at([0.25, -0.125, 1.25]), Geometry::Sphere { radius: radius as f32 }),
        ],
    );
    // Sides that are and are not whole numbers of blocks.
    for size in [[64, 64], [61, 37], [3, 2], [1, 1]] {
        for camera in 0..2 {
            let (depth, segmentation) = measured(&scene, camera, size, &[Pose::IDENTITY]);
            assert_eq!((depth.width, depth.height), (size[0], size[1]));
            assert_eq!((segmentation.width, segmentation.height), (size[0], size[1]));
            for row in 0..size[1] {
                for column in 0..size[0] {
                    // The ray through the pixel's middle: x = right * f(depth), y likewise.
                    let pixel = 4.0 / size[1] as f64;
                    let right = (column as f64 + 0.5 - 0.5 * size[0] as f64) * pixel;
                    let up = -(row as f64 + 0.5 - 0.5 * size[1] as f64) * pixel;
                    let spread = |t: f64| if camera == 0 { 0.25 * t } else { 1.0 };
                    // |o + t d - c|^2 = r^2, t the depth.
                    let (o, d) = match camera {
                        0 => ([0.0, 0.0, 4.0], [0.25 * right, 0.25 * up, -1.0]),
                        _ => ([right, up, 4.0], [0.0, 0.0, -1.0]),
                    };
                    let from = [o[0] - 0.25, o[1] + 0.125, o[2] - high];
                    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
                    let (a, b) = (dot(d, d), dot(from, d));
                    let root = b * b - a * (dot(from, from) - radius * radius);
                    let (x, y) = (right * spread(3.25), up * spread(3.25));
                    let on_floor = x.abs() < 1.5 && y.abs() < 1.5;
                    let (got, shape) = (depth.metres(column, row), segmentation.shape(column, row));
                    // Silhouettes are decided by rounding; none lies in the middle of a pixel.
                    let ball = root > 0.0;
                    let want = match (ball, on_floor) {
                        (true, _) => ((-b - root.sqrt()) / a, Some(1)),
                        (false, true) => (3.25, Some(0)),
                        (false, false) => (f64::INFINITY, None),
                    };
                    assert_eq!(shape, want.1, "{size:?} camera {camera} at {column} {row}");
                    let near = f64::from(got) == want.0 || (f64::from(got) - want.0).abs() < 1e-5;
                    // Near its rim a ball's depth changes by more than the rays are exact.
                    assert!(near || ball && root < 1e-3, "{got} is not {want:?}");
                }
            }
        }
    }
}

#[test]
fn segmentation_names_shapes_and_bodies() {
    let mut scene = scene(
        3,
        vec![
            shape(0, Pose::IDENTITY, Geometry::Plane { half: [1.0, 2.0] }),
            shape(1, at([0.5, 0.5, 0.5]), Geometry::Box { half: [0.3, 0.3, 0.5] }),
            shape(2, at([-0.5, -0.5, 0.5]), Geometry::Box { half: [0.3, 0.3, 0.5] }),
            shape(2, at([0.0, 0.0, 2.0]), Geometry::Plane { half: [9.0, 9.0] }),
        ],
    );
    // Invisible, though nearest.
    scene.shapes[3].rgba[3] = 0.0;
    let (_, segmentation) = measured(&scene, 1, [8, 8], &[Pose::IDENTITY; 3]);
    let n = NOTHING;
    let want = [
        [n, n, 0, 0, 0, 0, n, n],
        [n, n, 0, 0, 0, 0, n, n],
        [n, n, 0, 0, 1, 1, n, n],
        [n, n, 0, 0, 1, 1, n, n],
        [n, n, 2, 2, 0, 0, n, n],
        [n, n, 2, 2, 0, 0, n, n],
        [n, n, 0, 0, 0, 0, n, n],
        [n, n, 0, 0, 0, 0, n, n],
    ];
    assert_eq!(segmentation.shapes, want.concat());
    let bodies = segmentation.to_bodies(&scene);
    assert_eq!(bodies[2 * 8 + 5], 1);
    assert_eq!(bodies[5 * 8 + 3], 2);
    assert_eq!((bodies[3], bodies[0]), (0, NOTHING));
}

#[test]
fn measurements_depend_on_nothing_before() {
    let scene = zoo();
    let fixed = [true, false, false];
    let size = [50, 39];
    for camera in 0..2 {
        let mut rng = Seed::new(3).child("poses", 0).rng();
        let mut old = Renderer::new(&scene, &fixed, camera, size[0], size[1]).unwrap();
        let mut depth = DepthImage { width: 9, height: 1, metres: vec![7.0; 9] };
        let mut segmentation = SegmentationImage { width: 1, height: 1, shapes: vec![3; 4000] };
        let mut image = Image::default();
        for step in 0..20 {
            let poses = wander(&mut rng, 3);
            if step % 3 == 0 {
                old.render(&poses, &mut image);
            }
            old.depth(&poses, &mut depth);
            old.segmentation(&poses, &mut segmentation);
            let (want_depth, want_segmentation) = measured(&scene, camera, size, &poses);
            assert_eq!(depth, want_depth);
            assert_eq!(segmentation, want_segmentation);
            let mut fresh = Image::default();
            Renderer::new(&scene, &fixed, camera, size[0], size[1])
                .unwrap()
                .render(&poses, &mut fresh);
            old.render(&poses, &mut image);
            assert_eq!(image, fresh, "measuring changes the picture");
            for (metres, shape) in depth.metres.iter().zip(&segmentation.shapes) {
                assert_eq!(metres.is_finite(), *shape != NOTHING);
            }
        }
        // Bodies without poses are nowhere.
        old.segmentation(&[Pose::IDENTITY], &mut segmentation);
        assert!(segmentation.shapes.iter().all(|&shape| shape <= 1 || shape == NOTHING));
        old.depth(&[], &mut depth);
        assert!(depth.metres.iter().all(|metres| *metres == f32::INFINITY));
    }
}

#[test]
fn an_ellipsoid_of_equal_radii_is_a_ball() {
    let ball = scene(2, vec![shape(1, Pose::IDENTITY, Geometry::Sphere { radius: 0.4 })]);
    let mut stretched = ball.clone();
    stretched.shapes[0].geometry = Geometry::Ellipsoid { radii: [0.4; 3] };
    let mut rng = Seed::new(9).child("poses", 0).rng();
    for _ in 0..20 {
        let poses = wander(&mut rng, 2);
        for camera in 0..2 {
            let draw = |scene: &Scene| {
                let mut image = Image::default();
                Renderer::new(scene, &[false; 2], camera, 64, 64)
                    .unwrap()
                    .render(&poses, &mut image);
                image
            };
            let (a, b) = (draw(&ball), draw(&stretched));
            // Rounding may move a sample over the rim: a sixteenth of a pixel.
            for (a, b) in a.pixels.iter().zip(&b.pixels) {
                assert!(a.abs_diff(*b) <= 16);
            }
            let differ =
                a.pixels.iter().zip(&b.pixels).filter(|(a, b)| a.abs_diff(**b) > 1).count();
            assert!(differ < 12, "{differ} bytes differ");
        }
    }
}

#[test]
fn an_ellipsoid_is_a_scaled_ball() {
    // |(p - c) R / r| = 1 on every point that is seen, whatever the shape and the turn.
    let mut rng = Seed::new(4).child("ellipsoids", 0).rng();
    for radii in [[0.5, 0.2, 0.3], [0.1, 0.6, 0.2], [0.3, 0.3, 0.7], [0.8, 0.5, 0.05]] {
        let scene = scene(2, vec![shape(1, Pose::IDENTITY, Geometry::Ellipsoid { radii })]);
        for _ in 0..10 {
            let mut poses = wander(&mut rng, 2);
            poses[1].position = poses[1].position.map(|x| 0.5 * x);
            let (depth, segmentation) = measured(&scene, 1, [64, 64], &poses);
            let (mut seen, inverse) = (0, poses[1].inverse());
            for row in 0..64 {
                for column in 0..64 {
                    let pixel = 4.0 / 64.0;
                    let x = (column as f32 + 0.5 - 32.0) * pixel;
                    let y = -(row as f32 + 0.5 - 32.0) * pixel;
                    let inside = |z: f32| {
                        let local = inverse.transform([x, y, z]);
                        (0..3).map(|k| (local[k] / radii[k]).powi(2)).sum::<f32>()
                    };
                    if segmentation.shape(column, row).is_some() {
                        seen += 1;
                        let square = inside(4.0 - depth.metres(column, row));
                        assert!((square - 1.0).abs() < 2e-3, "{radii:?}: {square}");
                    } else {
                        let lowest = (0..100).map(|i| inside(i as f32 * 0.04 - 1.0));
                        assert!(lowest.fold(9.0, f32::min) > 0.95, "{radii:?} has a hole");
                    }
                }
            }
            assert!(seen > 8);
        }
    }
}

#[test]
fn renderers_work_beside_each_other_at_every_size() {
    let scene = zoo();
    let poses = wander(&mut Seed::new(8).rng(), 3);
    let draw = |camera: usize, side: usize| {
        let mut renderer =
            Renderer::new(&scene, &[true, false, false], camera, side, side).unwrap();
        let (mut image, mut depth, mut shapes) =
            (Image::default(), DepthImage::default(), SegmentationImage::default());
        renderer.render(&poses, &mut image);
        renderer.depth(&poses, &mut depth);
        renderer.segmentation(&poses, &mut shapes);
        assert_eq!(image.pixels.len(), side * side * 3);
        assert_eq!((depth.metres.len(), shapes.shapes.len()), (side * side, side * side));
        (image, depth, shapes)
    };
    let jobs: Vec<(usize, usize)> =
        [64, 96, 128, 224, 256, 512].iter().flat_map(|&side| [(0, side), (1, side)]).collect();
    let alone: Vec<_> = jobs.iter().map(|&(camera, side)| draw(camera, side)).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let draw = &draw;
        let threads: Vec<_> =
            jobs.iter().map(|&(camera, side)| scope.spawn(move || draw(camera, side))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(alone == together);
    // A larger picture shows the same: what covers 64 pixels covers as much of 512.
    let share = |shapes: &SegmentationImage, shape: u16| {
        let count = shapes.shapes.iter().filter(|&&seen| seen == shape).count();
        count as f64 / shapes.shapes.len() as f64
    };
    for shape in 0..6 {
        let (small, large) = (share(&alone[0].2, shape), share(&alone[10].2, shape));
        assert!((small - large).abs() < 0.02, "shape {shape}: {small} and {large}");
    }
}

#[test]
fn ellipsoids_and_crowds_are_checked() {
    let mut scene = zoo();
    scene.shapes[5].geometry = Geometry::Ellipsoid { radii: [0.3, 0.0, 0.1] };
    let error = Renderer::new(&scene, &[false; 3], 0, 8, 8).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("a radius is 0"), "{error}");
    let ball = shape(0, Pose::IDENTITY, Geometry::Sphere { radius: 0.1 });
    scene.shapes = vec![ball; 65_536];
    let error = Renderer::new(&scene, &[false; 3], 0, 8, 8).map(|_| ()).unwrap_err();
    assert_eq!(error, RenderError::TooManyShapes { count: 65_536, limit: 65_535 });
}
