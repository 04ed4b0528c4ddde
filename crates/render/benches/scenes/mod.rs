//! Scenes for the bench and the example: like the sims, built by hand.

use housecat_core::{
    Camera, Geometry, Light, Mark, Pose, Scene, Shape, Texture, TextureKind, TextureMap,
};

/// A pose without rotation.
pub fn at(position: [f32; 3]) -> Pose {
    Pose { position, ..Pose::IDENTITY }
}

/// A pose that turns by `angle` radians about a unit `axis`.
pub fn turned(position: [f32; 3], axis: [f32; 3], angle: f32) -> Pose {
    let (sin, cos) = (0.5 * angle).sin_cos();
    Pose { position, rotation: [axis[0] * sin, axis[1] * sin, axis[2] * sin, cos] }
}

fn shape(body: usize, pose: Pose, geometry: Geometry, rgb: [f32; 3]) -> Shape {
    let name = format!("{geometry:?}");
    let rgba = [rgb[0], rgb[1], rgb[2], 1.0];
    Shape { name, body, pose, geometry, rgba, texture: None }
}

fn sun(direction: [f32; 3]) -> Light {
    Light { position: [0.0; 3], direction, directional: true, diffuse: [0.6; 3], ambient: [0.0; 3] }
}

fn room(half: f32, height: f32) -> Vec<Shape> {
    let (thick, grey) = (0.045 * half, [0.55, 0.57, 0.6]);
    let mut shapes =
        vec![shape(0, Pose::IDENTITY, Geometry::Plane { half: [half, half] }, [0.9, 0.88, 0.82])];
    for (x, y) in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)] {
        let along = |k: f32| if k == 0.0 { half } else { thick };
        let place = half - thick;
        shapes.push(shape(
            0,
            at([x * place, y * place, height]),
            Geometry::Box { half: [along(x), along(y), height] },
            grey,
        ));
    }
    shapes
}

/// Two rooms from above, and a disc of 4 pixels at 64 x 64.
pub fn two_room() -> Scene {
    let mut shapes = room(1.12, 0.1);
    for y in [-0.66, 0.66] {
        shapes.push(shape(
            0,
            at([0.0, y, 0.1]),
            Geometry::Box { half: [0.05, 0.46, 0.1] },
            [0.55, 0.57, 0.6],
        ));
    }
    let mover = Geometry::Cylinder { radius: 0.07, half_length: 0.05 };
    shapes.push(shape(1, Pose::IDENTITY, mover, [0.85, 0.2, 0.15]));
    Scene {
        bodies: vec!["world".into(), "agent".into()],
        shapes,
        textures: Vec::new(),
        cameras: vec![Camera {
            name: "top".into(),
            body: 0,
            pose: at([0.0, 0.0, 3.0]),
            fovy: 0.73,
            orthographic: false,
        }],
        lights: vec![sun([0.4, 0.3, -0.87])],
        background: [0.1, 0.1, 0.12],
    }
}

/// Poses of [`two_room`] at a step.
pub fn two_room_poses(step: usize) -> Vec<Pose> {
    let t = step as f32 * 0.05;
    vec![Pose::IDENTITY, at([0.8 * (0.31 * t).sin(), 0.8 * t.cos(), 0.05])]
}

/// An arm of two capsules, each a quarter of the picture long, with a ball for a finger.
pub fn reacher() -> Scene {
    let mut shapes = room(0.3, 0.02);
    let link = Geometry::Capsule { radius: 0.012, half_length: 0.065 };
    let lie = turned([0.065, 0.0, 0.0], [0.0, 1.0, 0.0], std::f32::consts::FRAC_PI_2);
    shapes.push(shape(1, lie, link.clone(), [0.2, 0.45, 0.8]));
    shapes.push(shape(2, lie, link, [0.25, 0.6, 0.85]));
    let finger = Geometry::Sphere { radius: 0.016 };
    shapes.push(shape(2, at([0.13, 0.0, 0.0]), finger, [0.9, 0.75, 0.1]));
    Scene {
        bodies: vec!["world".into(), "upper".into(), "lower".into()],
        shapes,
        textures: Vec::new(),
        cameras: vec![Camera {
            name: "top".into(),
            body: 0,
            pose: at([0.0, 0.0, 0.75]),
            fovy: 0.76,
            orthographic: false,
        }],
        lights: vec![sun([0.4, 0.3, -0.87])],
        background: [0.1, 0.1, 0.12],
    }
}

/// Poses of [`reacher`] at a step.
pub fn reacher_poses(step: usize) -> Vec<Pose> {
    let t = step as f32 * 0.05;
    let (shoulder, elbow) = (0.7 * t, 1.1 * t.sin());
    let (sin, cos) = shoulder.sin_cos();
    let up = [0.0, 0.0, 1.0];
    vec![
        Pose::IDENTITY,
        turned([0.0, 0.0, 0.02], up, shoulder),
        turned([0.13 * cos, 0.13 * sin, 0.02], up, shoulder + elbow),
    ]
}

/// dm_control's checker floor and things that wear textures, seen by a camera that follows them.
pub fn playground() -> Scene {
    let (navy, slate) = ([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]);
    let white = [1.0; 3];
    let textures = vec![
        Texture::checker("grid", TextureKind::Sheet, navy, slate, 300, 300)
            .marked(Mark::Edge, slate),
        Texture::checker("ball", TextureKind::Cube, [0.1, 0.1, 0.6], [0.6, 0.1, 0.1], 151, 151)
            .marked(Mark::Cross, [0.9, 0.9, 0.4]),
        Texture::flat("skin", TextureKind::Cube, [0.8, 0.6, 0.4], [0.8, 0.6, 0.4], 127, 127)
            .marked(Mark::Cross, white),
        Texture::gradient("glow", TextureKind::Sheet, [1.0, 0.9, 0.5], [0.5, 0.2, 0.1], 64, 64),
    ];
    let worn = |body, pose, geometry, texture, uniform| Shape {
        texture: Some(TextureMap { texture, repeat: [1.0; 2], uniform }),
        ..shape(body, pose, geometry, white)
    };
    let x = [1.0, 0.0, 0.0];
    let shapes = vec![
        worn(0, Pose::IDENTITY, Geometry::Plane { half: [100.0, 100.0] }, 0, true),
        worn(1, at([0.0, 0.0, 0.5]), Geometry::Sphere { radius: 0.5 }, 1, false),
        worn(
            1,
            turned([-1.2, 0.3, 0.3], x, 1.57),
            Geometry::Capsule { radius: 0.2, half_length: 0.5 },
            2,
            true,
        ),
        worn(
            1,
            turned([1.3, 0.4, 0.4], [0.0, 0.0, 1.0], 0.6),
            Geometry::Box { half: [0.4; 3] },
            3,
            false,
        ),
        worn(1, at([0.4, -0.9, 0.25]), Geometry::Ellipsoid { radii: [0.5, 0.3, 0.25] }, 2, true),
        worn(
            1,
            at([-0.7, -0.8, 0.3]),
            Geometry::Cylinder { radius: 0.3, half_length: 0.3 },
            1,
            false,
        ),
    ];
    Scene {
        bodies: vec!["world".into(), "things".into()],
        shapes,
        textures,
        cameras: vec![Camera {
            name: "follow".into(),
            body: 1,
            pose: turned([0.0, -4.5, 1.6], x, 1.35),
            fovy: 0.8,
            orthographic: false,
        }],
        lights: vec![sun([0.4, 0.3, -0.87])],
        background: [0.5, 0.65, 0.8],
    }
}

/// Poses of [`playground`] at a step.
pub fn playground_poses(step: usize) -> Vec<Pose> {
    vec![Pose::IDENTITY, at([0.05 * step as f32, 0.02 * step as f32, 0.0])]
}
