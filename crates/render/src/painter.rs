//! From a shape and its pose to samples on a canvas.

use housecat_core::Pose;

use crate::canvas::Canvas;
use crate::facets::Corner;
use crate::figure::{Figure, Form};
use crate::ink::{Ink, Label, Lit, Worn};
use crate::lens::{Bound, Lens, Rays, View};
use crate::light::Lights;
use crate::round;

/// Everything that drawing a shape needs.
#[derive(Clone, Debug)]
pub(crate) struct Painter {
    pub lens: Lens,
    /// Samples get colours under these lights; without any, the index of their shape.
    pub lights: Option<Lights>,
    corners: Vec<Corner>,
    pub canvas: Canvas,
}

impl Painter {
    pub fn new(lens: Lens, lights: Option<Lights>) -> Self {
        let [columns, rows] = lens.size();
        Self { lens, lights, corners: Vec::new(), canvas: Canvas::new(columns, rows) }
    }

    /// Draws a shape over what is there. `camera` and `body` are poses in the world.
    pub fn draw(&mut self, figure: &Figure, camera: &Pose, body: &Pose) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { self.draw_wide(figure, camera, body) };
        }
        self.draw_plain(figure, camera, body);
    }

    /// [`Self::draw_plain`] compiled for eight lanes at a time instead of four. The same operations
    /// on the same numbers: the compiler may not fuse or reorder them, so the bits are the same.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn draw_wide(&mut self, figure: &Figure, camera: &Pose, body: &Pose) {
        self.draw_plain(figure, camera, body);
    }

    #[inline(always)]
    pub fn draw_plain(&mut self, figure: &Figure, camera: &Pose, body: &Pose) {
        let world = body.compose(&figure.pose).inverse();
        let view = View::new(&self.lens, &world.compose(camera));
        let (ends, radius) = figure.hull();
        let Some(bound) = view.bound(ends, radius) else { return };
        let middle = [0, 1, 2].map(|k| 0.5 * (ends[0][k] + ends[1][k]));
        let rays = view.rays(view.depth(middle));
        let brush = Brush { form: &figure.form, view: &view, bound: &bound, rays: &rays };
        let (corners, canvas) = (&mut self.corners, &mut self.canvas);
        let Some(lights) = &mut self.lights else {
            return brush.stroke(&Label(figure.index), corners, canvas);
        };
        lights.aim(&world, view.backward());
        let (lights, rgb) = (&*lights, figure.rgb);
        match &figure.skin {
            None => brush.stroke(&Lit { lights, rgb }, corners, canvas),
            Some(skin) => {
                let footprint = view.footprint();
                brush.stroke(&Worn { lights, rgb, skin, footprint }, corners, canvas);
            }
        }
    }
}

/// A form before the camera.
struct Brush<'a> {
    form: &'a Form,
    view: &'a View<'a>,
    bound: &'a Bound,
    rays: &'a Rays,
}

impl Brush<'_> {
    #[inline(always)]
    fn stroke(&self, ink: &impl Ink, corners: &mut Vec<Corner>, canvas: &mut Canvas) {
        let Self { form, view, bound, rays } = *self;
        match form {
            Form::Sphere(solid) => round::draw(solid, bound, rays, ink, canvas),
            Form::Ellipsoid(solid) => round::draw(solid, bound, rays, ink, canvas),
            Form::Capsule(solid) => round::draw(solid, bound, rays, ink, canvas),
            Form::Cylinder(solid) => round::draw(solid, bound, rays, ink, canvas),
            Form::Facets(facets) => facets.draw(view, rays, ink, corners, canvas),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use housecat_core::{Camera, Geometry, Light, Shape, Texture, TextureKind, TextureMap};

    use super::*;
    use crate::canvas::Samples;
    use crate::skin::{Pyramid, Skin};

    #[test]
    fn wide_and_plain_lanes_give_the_same_bits() {
        let forms = [
            Geometry::Plane { half: [2.0, 1.0] },
            Geometry::Box { half: [0.3, 0.2, 0.4] },
            Geometry::Sphere { radius: 0.4 },
            Geometry::Ellipsoid { radii: [0.4, 0.2, 0.3] },
            Geometry::Capsule { radius: 0.2, half_length: 0.4 },
            Geometry::Cylinder { radius: 0.3, half_length: 0.3 },
        ];
        let light = Light {
            position: [1.0, -1.0, 3.0],
            direction: [0.0, 0.6, -0.8],
            directional: false,
            diffuse: [0.5, 0.4, 0.3],
            ambient: [0.0; 3],
        };
        let lights = Lights::new(&[Light { directional: true, ..light.clone() }, light]);
        let camera = Camera {
            name: String::new(),
            body: 0,
            pose: Pose { position: [0.2, 0.1, 3.0], ..Pose::IDENTITY },
            fovy: 0.8,
            orthographic: false,
        };
        let lens = Lens::new(&camera, 48, 48).unwrap();
        let mut painters = [Painter::new(lens.measuring(), None), Painter::new(lens, Some(lights))];
        let skins = [TextureKind::Sheet, TextureKind::Cube].map(|kind| {
            let texture = Texture::gradient("", kind, [0.9, 0.1, 0.3], [0.2, 1.0, 0.7], 50, 50);
            Arc::new(Pyramid::new(&texture).unwrap())
        });
        let map = TextureMap { texture: 0, repeat: [3.0, 2.0], uniform: true };
        for geometry in forms {
            let shape = Shape {
                name: String::new(),
                body: 0,
                pose: Pose { position: [0.1, 0.2, 0.3], rotation: [0.5, 0.3, 0.1, 0.8] },
                geometry,
                rgba: [0.9, 0.6, 0.3, 1.0],
                texture: Some(map),
            };
            for skin in [None, Some(&skins[0]), Some(&skins[1])] {
                let mut figure = Figure::new(7, &shape).unwrap();
                figure.skin = skin.map(|skin| Skin::new(&shape, &map, skin.clone()).unwrap());
                for painter in &mut painters {
                    painter.draw(&figure, &camera.pose, &Pose::IDENTITY);
                    let wide = taken(painter);
                    painter.draw_plain(&figure, &camera.pose, &Pose::IDENTITY);
                    assert!(wide == taken(painter), "{:?}", figure.form);
                    assert!(!wide.is_empty(), "it shows");
                }
            }
        }
    }

    fn taken(painter: &mut Painter) -> Vec<(usize, Samples)> {
        let mut taken = Vec::new();
        painter.canvas.finish(|pixel, samples| taken.push((pixel, *samples)));
        taken
    }
}
