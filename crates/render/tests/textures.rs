//! What textures look like, measured on pictures.

use housecat_core::{
    Camera, Geometry, Image, Light, Mark, Pose, Scene, Shape, Texture, TextureKind, TextureMap,
};
use housecat_render::{RenderError, Renderer};

fn at(position: [f32; 3]) -> Pose {
    Pose { position, ..Pose::IDENTITY }
}

/// One shape with one texture, under light from everywhere, and a parallel camera that sees
/// 4 m x 4 m from above.
fn scene(geometry: Geometry, texture: Texture, repeat: [f32; 2], uniform: bool) -> Scene {
    Scene {
        bodies: vec!["world".into()],
        shapes: vec![Shape {
            name: "thing".into(),
            body: 0,
            pose: Pose::IDENTITY,
            geometry,
            rgba: [1.0; 4],
            texture: Some(TextureMap { texture: 0, repeat, uniform }),
        }],
        textures: vec![texture],
        cameras: vec![Camera {
            name: "top".into(),
            body: 0,
            pose: at([0.0, 0.0, 4.0]),
            fovy: 4.0,
            orthographic: true,
        }],
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

fn picture(scene: &Scene, side: usize) -> Image {
    let mut image = Image::default();
    Renderer::new(scene, &[false], 0, side, side).unwrap().render(&[Pose::IDENTITY], &mut image);
    image
}

const RED: [f32; 3] = [1.0, 0.0, 0.0];
const BLUE: [f32; 3] = [0.0, 0.0, 1.0];

fn checker(kind: TextureKind) -> Texture {
    Texture::checker("checker", kind, RED, BLUE, 300, 300)
}

/// Six faces of six colours: +x, -x, +y, -y, +z, -z, with a lighter upper left quarter.
fn dice() -> Texture {
    let side = 8;
    let colors =
        [[200, 0, 0], [0, 200, 0], [0, 0, 200], [200, 200, 0], [0, 200, 200], [200, 0, 200]];
    let mut rgb = Vec::new();
    for color in colors {
        for row in 0..side {
            for column in 0..side {
                let lighter = row < side / 2 && column < side / 2;
                rgb.extend(color.map(|value| value + if lighter { 50 } else { 0 }));
            }
        }
    }
    let (name, kind) = ("dice".into(), TextureKind::Cube);
    Texture { name, kind, width: side, height: 6 * side, rgb: rgb.into() }
}

#[test]
fn a_uniform_checker_has_fields_of_a_metre() {
    // As MuJoCo draws it: repeat 1 is a picture of two fields every two metres, its middle at the
    // origin, the first colour in the upper left.
    let floor = Geometry::Plane { half: [30.0, 20.0] };
    let image = picture(&scene(floor, checker(TextureKind::Sheet), [1.0, 1.0], true), 64);
    for row in 0..64 {
        for column in 0..64 {
            let (x, y) = ((column as f32 + 0.5) / 16.0 - 2.0, 2.0 - (row as f32 + 0.5) / 16.0);
            let first = (x.floor() + y.floor()).rem_euclid(2.0) == 1.0;
            let want = if first { [255, 0, 0] } else { [0, 0, 255] };
            assert_eq!(image.rgb(column, row), want, "at {x} {y}");
        }
    }
}

#[test]
fn repeats_count_over_the_whole_shape() {
    let floor = Geometry::Plane { half: [2.0, 2.0] };
    let once = picture(&scene(floor.clone(), checker(TextureKind::Sheet), [1.0, 1.0], false), 64);
    assert_eq!((once.rgb(1, 1), once.rgb(62, 1)), ([255, 0, 0], [0, 0, 255]));
    assert_eq!((once.rgb(1, 62), once.rgb(62, 62)), ([0, 0, 255], [255, 0, 0]));
    // Twice along x, four times along y: fields of 16 x 8 pixels.
    let more = picture(&scene(floor, checker(TextureKind::Sheet), [2.0, 4.0], false), 64);
    for row in 0..64 {
        for column in 0..64 {
            // At a field's edge a reduced texture may mix the colours.
            if [0, 15].contains(&(column % 16)) || [0, 7].contains(&(row % 8)) {
                continue;
            }
            let first = (column / 16 + row / 8) % 2 == 0;
            let want = if first { [255, 0, 0] } else { [0, 0, 255] };
            assert_eq!(more.rgb(column, row), want, "at {column} {row}");
        }
    }
}

#[test]
fn the_texture_is_multiplied_with_the_colour() {
    let grey = Texture::flat("grey", TextureKind::Sheet, [0.8; 3], [0.0; 3], 5, 5);
    let mut scene = scene(Geometry::Plane { half: [2.0; 2] }, grey, [1.0, 1.0], true);
    scene.shapes[0].rgba = [1.0, 0.5, 0.25, 1.0];
    assert!(picture(&scene, 16).pixels.chunks(3).all(|pixel| pixel == [204, 102, 51]));
    // Half of white light.
    scene.lights[0].ambient = [0.28; 3];
    scene.lights[0].direction = [1.0, 0.0, 0.0];
    let image = picture(&scene, 16);
    let [r, g, b] = image.rgb(8, 8);
    assert!(r < 160 && r.abs_diff(2 * g) <= 2 && g.abs_diff(2 * b) <= 2, "{r} {g} {b}");
    // A white texture is none.
    scene.textures[0] = Texture::flat("white", TextureKind::Sheet, [1.0; 3], [0.0; 3], 7, 3);
    let white = picture(&scene, 16);
    scene.shapes[0].texture = None;
    assert_eq!(white, picture(&scene, 16));
}

#[test]
fn a_box_wears_a_sheet_on_each_face() {
    let half = [1.0, 0.5, 0.25];
    let mut scene = scene(Geometry::Box { half }, checker(TextureKind::Sheet), [1.0, 1.0], false);
    // Each face upright, looked at from outside: the first colour in the upper left and lower right.
    let h = std::f32::consts::FRAC_1_SQRT_2;
    let faces = [
        ([0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 4.0], [1.0, 0.5]),
        ([h, 0.0, 0.0, h], [0.0, -4.0, 0.0], [1.0, 0.25]),
        ([0.0, h, h, 0.0], [0.0, 4.0, 0.0], [1.0, 0.25]),
        ([0.5, 0.5, 0.5, 0.5], [4.0, 0.0, 0.0], [0.5, 0.25]),
        ([0.5, -0.5, -0.5, 0.5], [-4.0, 0.0, 0.0], [0.5, 0.25]),
        ([0.0, 1.0, 0.0, 0.0], [0.0, 0.0, -4.0], [1.0, 0.5]),
    ];
    for (rotation, position, extent) in faces {
        scene.cameras[0].pose = Pose { position, rotation };
        let image = picture(&scene, 64);
        let at = |right: f32, up: f32| {
            let place = |v: f32| (32.0 + 16.0 * v) as usize;
            image.rgb(place(0.5 * right * extent[0]), place(-0.5 * up * extent[1]))
        };
        let corners = [at(-1.0, 1.0), at(1.0, 1.0), at(-1.0, -1.0), at(1.0, -1.0)];
        let (red, blue) = ([255, 0, 0], [0, 0, 255]);
        assert_eq!(corners, [red, blue, blue, red], "from {position:?}");
        let outside = place_outside(extent);
        assert_eq!(image.rgb(outside, 32), [0; 3]);
    }
    fn place_outside(extent: [f32; 2]) -> usize {
        (32.0 + 16.0 * (extent[0] + 0.2)) as usize
    }
}

#[test]
fn a_cube_is_wrapped_by_direction() {
    let h = std::f32::consts::FRAC_1_SQRT_2;
    // Looking down on each face in turn, and the axis that its picture's upper left lies towards in
    // OpenGL's table, as right and up of the camera.
    let faces = [
        ([0.5, 0.5, 0.5, 0.5], [4.0, 0.0, 0.0], [200, 0, 0]),
        ([0.5, -0.5, -0.5, 0.5], [-4.0, 0.0, 0.0], [0, 200, 0]),
        ([0.0, h, h, 0.0], [0.0, 4.0, 0.0], [0, 0, 200]),
        ([h, 0.0, 0.0, h], [0.0, -4.0, 0.0], [200, 200, 0]),
        ([0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 4.0], [0, 200, 200]),
        ([0.0, 1.0, 0.0, 0.0], [0.0, 0.0, -4.0], [200, 0, 200]),
    ];
    for (geometry, uniform) in [
        (Geometry::Sphere { radius: 1.0 }, true),
        (Geometry::Box { half: [1.0; 3] }, true),
        (Geometry::Box { half: [1.5, 0.5, 1.0] }, false),
        (Geometry::Ellipsoid { radii: [1.5, 1.0, 1.2] }, false),
        (Geometry::Capsule { radius: 0.8, half_length: 0.1 }, false),
        (Geometry::Cylinder { radius: 1.0, half_length: 1.0 }, true),
    ] {
        let mut scene = scene(geometry, dice(), [1.0, 1.0], uniform);
        for (rotation, position, color) in faces {
            scene.cameras[0].pose = Pose { position, rotation };
            let image = picture(&scene, 64);
            // Four places around the middle: one of them in the lighter quarter.
            let around = [(28, 28), (35, 28), (28, 35), (35, 35)].map(|(x, y)| image.rgb(x, y));
            let lighter = color.map(|value| value + 50);
            let count = |want: [u8; 3]| around.iter().filter(|rgb| **rgb == want).count();
            assert_eq!((count(color), count(lighter)), (3, 1), "{around:?} from {position:?}");
        }
    }
    // The table's sides stand on their -y edge: seen from +z with +y up, right is +x.
    let image = picture(&scene(Geometry::Box { half: [1.0; 3] }, dice(), [1.0; 2], true), 64);
    assert_eq!(image.rgb(20, 20), [50, 250, 250]);
}

#[test]
fn far_away_a_checker_is_grey_and_does_not_flicker() {
    // A metre over a floor without an end, looking level: rows near the horizon see many fields.
    let floor = Geometry::Plane { half: [500.0, 500.0] };
    let texture = Texture::checker("grid", TextureKind::Sheet, [1.0; 3], [0.0; 3], 300, 300);
    let mut scene = scene(floor, texture, [1.0, 1.0], true);
    let h = std::f32::consts::FRAC_1_SQRT_2;
    scene.cameras[0] = Camera {
        pose: Pose { position: [0.37, 0.0, 1.0], rotation: [h, 0.0, 0.0, h] },
        fovy: 0.8,
        orthographic: false,
        ..scene.cameras[0].clone()
    };
    for side in [64, 224] {
        let image = picture(&scene, side);
        let far = side / 2 + 2;
        for column in 0..side {
            let [grey, ..] = image.rgb(column, far);
            assert!((96..160).contains(&grey), "{grey} at {column} of {side}");
        }
        let near: Vec<u8> = (0..side).map(|column| image.rgb(column, side - 1)[0]).collect();
        assert!(near.contains(&0) && near.contains(&255), "near fields are black and white");
        // A millimetre aside, no pixel far away changes much.
        let mut moved = scene.clone();
        moved.cameras[0].pose.position[0] += 0.001;
        let moved = picture(&moved, side);
        for column in 0..side {
            let (a, b) = (image.rgb(column, far)[0], moved.rgb(column, far)[0]);
            assert!(a.abs_diff(b) < 24, "{a} becomes {b}");
        }
    }
}

#[test]
fn textured_frames_do_not_depend_on_order_or_the_frames_before() {
    let marked = checker(TextureKind::Sheet).marked(Mark::Edge, [1.0; 3]);
    let mut scene = scene(Geometry::Plane { half: [2.0; 2] }, marked, [3.0, 2.0], true);
    scene.textures.push(dice());
    let wear = |geometry| Shape {
        body: 1,
        geometry,
        texture: Some(TextureMap { texture: 1, repeat: [1.0; 2], uniform: true }),
        ..scene.shapes[0].clone()
    };
    let ball = wear(Geometry::Ellipsoid { radii: [0.5, 0.3, 0.4] });
    scene.bodies.push("ball".into());
    scene.shapes.push(ball);
    let mut reversed = scene.clone();
    reversed.shapes.reverse();
    let renderer =
        |scene: &Scene, fixed: [bool; 2]| Renderer::new(scene, &fixed, 0, 64, 64).unwrap();
    let mut old = renderer(&scene, [true, false]);
    let (mut reused, mut fresh) = (Image::default(), Image::default());
    for step in 0..10 {
        let t = step as f32 * 0.3;
        let rotation = [0.6, 0.0, 0.8 * t.sin(), 0.8 * t.cos()];
        let poses = [Pose::IDENTITY, Pose { position: [t - 1.0, 0.3, 0.2], rotation }];
        old.render(&poses, &mut reused);
        for mut other in [
            renderer(&scene, [true, false]),
            renderer(&scene, [false, false]),
            renderer(&reversed, [false, false]),
            old.clone(),
        ] {
            other.render(&poses, &mut fresh);
            assert_eq!(reused, fresh, "step {step}");
        }
    }
}

#[test]
fn bad_textures_are_refused_by_name() {
    let good = scene(Geometry::Plane { half: [1.0; 2] }, dice(), [1.0, 1.0], true);
    let refuse = |scene: &Scene| Renderer::new(scene, &[false], 0, 8, 8).map(|_| ()).unwrap_err();
    let mut scene = good.clone();
    scene.shapes[0].texture.as_mut().unwrap().texture = 3;
    assert!(refuse(&scene).to_string().contains("`thing`: it wears texture 3 but the scene has 1"));
    // Worn by nobody who is seen, it does not matter.
    scene.shapes[0].rgba[3] = 0.0;
    assert!(Renderer::new(&scene, &[false], 0, 8, 8).is_ok());
    let mut scene = good.clone();
    scene.shapes[0].texture.as_mut().unwrap().repeat[1] = f32::NAN;
    assert!(matches!(refuse(&scene), RenderError::BadShape { .. }));
    for (width, height) in [(0, 0), (8, 8), (8, 40), (7, 42)] {
        let mut scene = good.clone();
        (scene.textures[0].width, scene.textures[0].height) = (width, height);
        let error = refuse(&scene);
        assert!(matches!(error, RenderError::BadTexture { .. }), "{error}");
        assert!(error.to_string().contains("texture `dice`"), "{error}");
    }
}
