//! From a scene and its poses to a picture.

use housecat_core::{Geometry, Image, Pose, Scene, Shape};

use crate::RenderError;
use crate::canvas::{Canvas, pack};
use crate::facets::{Corner, Facets};
use crate::lens::{Lens, View};
use crate::light::Lights;
use crate::math::Vec3;
use crate::round::{self, Capsule, Cylinder, Ellipsoid, Sphere};

/// The longest side of a picture, pixels.
const LONGEST_SIDE: usize = 4096;

/// Draws one camera of one scene. It owns every buffer it needs, so keep one per environment; a
/// frame allocates nothing once the buffers have grown to what the scene moves over.
#[derive(Clone, Debug)]
pub struct Renderer {
    painter: Painter,
    camera_body: usize,
    camera_pose: Pose,
    background: u32,
    still: Vec<Figure>,
    moving: Vec<Figure>,
    /// The bodies whose poses the background depends on.
    anchors: Vec<usize>,
    /// Their poses when the background was drawn; empty before that.
    drawn_at: Vec<Pose>,
}

impl Renderer {
    /// A renderer of `scene.cameras[camera]` with `width` x `height` pixels.
    ///
    /// `fixed` says for each body whether it never moves: shapes on such bodies are drawn once. It
    /// only saves time. If a fixed body does move, the background is drawn again, and if the camera
    /// rides on a body that is not fixed there is no background to keep.
    ///
    /// A scene without lights is lit from the camera.
    ///
    /// # Errors
    /// If the camera does not exist or has an impossible field of view, a side is 0 or above 4096
    /// pixels, `fixed` has not one entry per body, or a shape has an impossible body, size, corner
    /// or colour.
    pub fn new(
        scene: &Scene,
        fixed: &[bool],
        camera: usize,
        width: usize,
        height: usize,
    ) -> Result<Self, RenderError> {
        let bodies = scene.bodies.len();
        if fixed.len() != bodies {
            return Err(RenderError::BadFixed { got: fixed.len(), bodies });
        }
        let sides = 1..=LONGEST_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(RenderError::BadSize { width, height, limit: LONGEST_SIDE });
        }
        let count = scene.cameras.len();
        let camera =
            scene.cameras.get(camera).ok_or(RenderError::NoCamera { index: camera, count })?;
        let rides = |what, name: &str, body| {
            let name = name.to_owned();
            if body < bodies {
                Ok(())
            } else {
                Err(RenderError::NoBody { what, name, body, bodies })
            }
        };
        rides("camera", &camera.name, camera.body)?;
        let (mut still, mut moving) = (Vec::new(), Vec::new());
        for shape in &scene.shapes {
            rides("shape", &shape.name, shape.body)?;
            let figure = Figure::new(shape)?;
            if shape.rgba[3] == 0.0 {
                continue;
            }
            let stays = fixed[shape.body] && fixed[camera.body];
            if stays { &mut still } else { &mut moving }.push(figure);
        }
        let mut anchors: Vec<usize> = still.iter().map(|figure| figure.body).collect();
        if !still.is_empty() {
            anchors.push(camera.body);
        }
        anchors.sort_unstable();
        anchors.dedup();
        let painter = Painter {
            lens: Lens::new(camera, width, height)?,
            lights: Lights::new(&scene.lights),
            corners: Vec::new(),
            canvas: Canvas::new(width, height),
        };
        let mut renderer = Self {
            painter,
            camera_body: camera.body,
            camera_pose: camera.pose,
            background: pack(scene.background),
            still,
            moving,
            drawn_at: Vec::with_capacity(anchors.len()),
            anchors,
        };
        renderer.painter.canvas.clear(renderer.background);
        Ok(renderer)
    }

    /// Draws the bodies at `poses`, one per body of the scene, in the world's frame. `out` is made
    /// the right size and wholly overwritten. A shape on a body without a pose, or with a pose that
    /// is not finite, is not drawn.
    pub fn render(&mut self, poses: &[Pose], out: &mut Image) {
        let Self { painter, still, moving, anchors, drawn_at, .. } = self;
        let pose_of = |body: usize| poses.get(body).copied().unwrap_or(NOWHERE);
        let camera = pose_of(self.camera_body).compose(&self.camera_pose);
        let current = anchors.iter().map(|&body| pose_of(body));
        if !anchors.is_empty() && !current.clone().eq(drawn_at.iter().copied()) {
            drawn_at.clear();
            drawn_at.extend(current);
            painter.canvas.clear(self.background);
            for figure in still.iter() {
                painter.draw(figure, &camera, &pose_of(figure.body));
            }
            painter.canvas.bake();
        }
        for figure in moving.iter() {
            painter.draw(figure, &camera, &pose_of(figure.body));
        }
        painter.canvas.finish(out);
    }
}

/// The pose of a body that is not there.
const NOWHERE: Pose = Pose { position: [f32::NAN; 3], rotation: [f32::NAN; 4] };

/// A shape, made ready to draw.
#[derive(Clone, Debug)]
struct Figure {
    body: usize,
    pose: Pose,
    rgb: [f32; 3],
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Sphere(Sphere),
    Ellipsoid(Ellipsoid),
    Capsule(Capsule),
    Cylinder(Cylinder),
    Facets(Facets),
}

impl Figure {
    fn new(shape: &Shape) -> Result<Self, RenderError> {
        let bad = |problem: String| RenderError::BadShape { name: shape.name.clone(), problem };
        let sizes = |what: &str, values: &[f32]| match values
            .iter()
            .find(|v| !(**v > 0.0 && v.is_finite()))
        {
            Some(value) => {
                Err(bad(format!("{what} is {value}; it must be above 0 metres and finite")))
            }
            None => Ok(()),
        };
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !finite(&shape.pose.position) || !finite(&shape.pose.rotation) {
            return Err(bad(format!("its pose {:?} is not finite", shape.pose)));
        }
        if !shape.rgba.iter().all(|value| (0.0..=1.0).contains(value)) {
            return Err(bad(format!("rgba is {:?}; each must lie in [0, 1]", shape.rgba)));
        }
        let form = match &shape.geometry {
            Geometry::Plane { half } => {
                sizes("a half extent", half)?;
                Form::Facets(Facets::rectangle(*half))
            }
            Geometry::Box { half } => {
                sizes("a half extent", half)?;
                Form::Facets(Facets::cuboid(*half))
            }
            &Geometry::Sphere { radius } => {
                sizes("the radius", &[radius])?;
                Form::Sphere(Sphere { radius })
            }
            &Geometry::Ellipsoid { radii } => {
                sizes("a radius", &radii)?;
                Form::Ellipsoid(Ellipsoid { radii })
            }
            &Geometry::Capsule { radius, half_length } => {
                sizes("the radius or half length", &[radius, half_length])?;
                Form::Capsule(Capsule { radius, half_length })
            }
            &Geometry::Cylinder { radius, half_length } => {
                sizes("the radius or half length", &[radius, half_length])?;
                Form::Cylinder(Cylinder { radius, half_length })
            }
            Geometry::Mesh { vertices, triangles } => {
                if let Some(vertex) = vertices.iter().find(|vertex| !finite(&vertex[..])) {
                    return Err(bad(format!(
                        "a corner of its mesh is {vertex:?}; it must be finite"
                    )));
                }
                let count = vertices.len();
                if let Some(corner) = triangles.iter().flatten().find(|c| **c as usize >= count) {
                    return Err(bad(format!(
                        "a triangle names corner {corner} but the mesh has {count} corners"
                    )));
                }
                Form::Facets(Facets::new(vertices, triangles))
            }
        };
        let [r, g, b, _] = shape.rgba;
        Ok(Self { body: shape.body, pose: shape.pose, rgb: [r, g, b], form })
    }

    /// A capsule around the shape: its ends and radius.
    fn hull(&self) -> ([Vec3; 2], f32) {
        let (half_length, radius) = match &self.form {
            Form::Sphere(sphere) => (0.0, sphere.radius),
            Form::Ellipsoid(ellipsoid) => return ellipsoid.hull(),
            Form::Capsule(capsule) => (capsule.half_length, capsule.radius),
            Form::Cylinder(cylinder) => (cylinder.half_length, cylinder.radius),
            Form::Facets(facets) => return ([facets.center; 2], facets.radius),
        };
        ([[0.0, 0.0, -half_length], [0.0, 0.0, half_length]], radius)
    }
}

/// Everything that drawing a shape needs.
#[derive(Clone, Debug)]
struct Painter {
    lens: Lens,
    lights: Lights,
    corners: Vec<Corner>,
    canvas: Canvas,
}

impl Painter {
    fn draw(&mut self, figure: &Figure, camera: &Pose, body: &Pose) {
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
    fn draw_plain(&mut self, figure: &Figure, camera: &Pose, body: &Pose) {
        let world = body.compose(&figure.pose).inverse();
        let view = View::new(&self.lens, &world.compose(camera));
        let (ends, radius) = figure.hull();
        let Some(bound) = view.bound(ends, radius) else { return };
        let middle = [0, 1, 2].map(|k| 0.5 * (ends[0][k] + ends[1][k]));
        let rays = view.rays(view.depth(middle));
        self.lights.aim(&world, view.backward());
        let (lights, rgb, canvas) = (&self.lights, figure.rgb, &mut self.canvas);
        match &figure.form {
            Form::Sphere(solid) => round::draw(solid, &bound, &rays, lights, rgb, canvas),
            Form::Ellipsoid(solid) => round::draw(solid, &bound, &rays, lights, rgb, canvas),
            Form::Capsule(solid) => round::draw(solid, &bound, &rays, lights, rgb, canvas),
            Form::Cylinder(solid) => round::draw(solid, &bound, &rays, lights, rgb, canvas),
            Form::Facets(facets) => {
                facets.draw(&view, &rays, lights, rgb, &mut self.corners, canvas);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use housecat_core::{Camera, Light};

    use super::*;

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
        let pose = Pose { position: [0.1, 0.2, 0.3], rotation: [0.5, 0.3, 0.1, 0.8] };
        let scene = Scene {
            bodies: vec!["world".into()],
            shapes: forms
                .into_iter()
                .map(|geometry| Shape {
                    name: String::new(),
                    body: 0,
                    pose,
                    geometry,
                    rgba: [0.9, 0.6, 0.3, 1.0],
                    texture: None,
                })
                .collect(),
            textures: Vec::new(),
            cameras: vec![Camera {
                name: String::new(),
                body: 0,
                pose: Pose { position: [0.2, 0.1, 3.0], ..Pose::IDENTITY },
                fovy: 0.8,
                orthographic: false,
            }],
            lights: vec![Light { directional: true, ..light.clone() }, light],
            background: [0.1, 0.2, 0.3],
        };
        let mut renderer = Renderer::new(&scene, &[false], 0, 48, 48).unwrap();
        let (camera, painter) = (scene.cameras[0].pose, &mut renderer.painter);
        let (mut wide, mut plain) = (Image::default(), Image::default());
        for figure in &renderer.moving {
            painter.draw(figure, &camera, &Pose::IDENTITY);
            painter.canvas.finish(&mut wide);
            painter.draw_plain(figure, &camera, &Pose::IDENTITY);
            painter.canvas.finish(&mut plain);
            assert_eq!(wide, plain);
            assert_ne!(wide.rgb(22, 22), wide.rgb(0, 47), "it shows");
        }
    }
}
