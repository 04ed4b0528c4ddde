//! Scenes: shapes on bodies, seen by cameras under lights. What a renderer draws and a viewer shows.

use std::sync::Arc;

use crate::{Texture, TextureMap};

/// A rigid transform: rotate, then translate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Metres.
    pub position: [f32; 3],
    /// Unit quaternion, x y z w.
    pub rotation: [f32; 4],
}

impl Pose {
    /// No motion.
    pub const IDENTITY: Pose = Pose { position: [0.0; 3], rotation: [0.0, 0.0, 0.0, 1.0] };

    /// Rotates a vector.
    pub fn rotate(&self, v: [f32; 3]) -> [f32; 3] {
        let [x, y, z, w] = self.rotation;
        let t =
            [2.0 * (y * v[2] - z * v[1]), 2.0 * (z * v[0] - x * v[2]), 2.0 * (x * v[1] - y * v[0])];
        [
            v[0] + w * t[0] + (y * t[2] - z * t[1]),
            v[1] + w * t[1] + (z * t[0] - x * t[2]),
            v[2] + w * t[2] + (x * t[1] - y * t[0]),
        ]
    }

    /// Maps a point from the frame of this pose to the frame it is expressed in.
    pub fn transform(&self, point: [f32; 3]) -> [f32; 3] {
        let r = self.rotate(point);
        [r[0] + self.position[0], r[1] + self.position[1], r[2] + self.position[2]]
    }

    /// This pose after `inner`: maps a point of `inner`'s frame to the outer frame.
    pub fn compose(&self, inner: &Pose) -> Pose {
        let ([ax, ay, az, aw], [bx, by, bz, bw]) = (self.rotation, inner.rotation);
        Pose {
            position: self.transform(inner.position),
            rotation: [
                aw * bx + ax * bw + ay * bz - az * by,
                aw * by - ax * bz + ay * bw + az * bx,
                aw * bz + ax * by - ay * bx + az * bw,
                aw * bw - ax * bx - ay * by - az * bz,
            ],
        }
    }

    /// The inverse transform.
    pub fn inverse(&self) -> Pose {
        let [x, y, z, w] = self.rotation;
        let turned = Pose { position: [0.0; 3], rotation: [-x, -y, -z, w] };
        let p = turned.rotate(self.position);
        Pose { position: [-p[0], -p[1], -p[2]], rotation: turned.rotation }
    }
}

/// A shape about its own origin. Long axes lie along z, as in MJCF; sizes are metres.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    /// A rectangle in the xy plane, facing +z.
    Plane {
        /// Half extents along x and y.
        half: [f32; 2],
    },
    /// A box.
    Box {
        /// Half extents.
        half: [f32; 3],
    },
    /// A ball.
    Sphere {
        /// Radius.
        radius: f32,
    },
    /// A ball stretched along its axes.
    Ellipsoid {
        /// Half the lengths along x, y and z.
        radii: [f32; 3],
    },
    /// A cylinder with round ends.
    Capsule {
        /// Radius.
        radius: f32,
        /// Half the length of the cylindrical part.
        half_length: f32,
    },
    /// A cylinder.
    Cylinder {
        /// Radius.
        radius: f32,
        /// Half the length.
        half_length: f32,
    },
    /// A triangle mesh, shared between clones.
    Mesh {
        /// Corner positions.
        vertices: Arc<[[f32; 3]]>,
        /// Corners of each triangle, counter-clockwise seen from outside.
        triangles: Arc<[[u32; 3]]>,
    },
}

/// A coloured shape fixed to a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Name in the scene file, or a made-up one.
    pub name: String,
    /// Index into [`Scene::bodies`].
    pub body: usize,
    /// Pose in the body's frame.
    pub pose: Pose,
    /// The shape.
    pub geometry: Geometry,
    /// Red, green, blue, opacity in [0, 1]. Opacity 0 is not drawn.
    pub rgba: [f32; 4],
    /// What the colour is multiplied with, if it is not the same everywhere.
    pub texture: Option<TextureMap>,
}

/// A pinhole (or orthographic) camera that looks along its own -z with +y up, as in MJCF.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Name.
    pub name: String,
    /// Index into [`Scene::bodies`] of the body it rides on.
    pub body: usize,
    /// Pose in the body's frame.
    pub pose: Pose,
    /// Vertical field of view, radians. For an orthographic camera: the vertical extent in metres.
    pub fovy: f32,
    /// Parallel instead of central projection.
    pub orthographic: bool,
}

/// A light.
#[derive(Clone, Debug, PartialEq)]
pub struct Light {
    /// Position in the world, metres.
    pub position: [f32; 3],
    /// Direction in which it shines, unit length.
    pub direction: [f32; 3],
    /// Parallel rays (a sun) instead of a point.
    pub directional: bool,
    /// Red, green, blue intensity.
    pub diffuse: [f32; 3],
    /// Red, green, blue of the light it adds everywhere.
    pub ambient: [f32; 3],
}

/// Everything there is to see. Body 0 is the world and never moves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// Names of the bodies; index 0 is `world`.
    pub bodies: Vec<String>,
    /// The shapes.
    pub shapes: Vec<Shape>,
    /// The textures that shapes may wear.
    pub textures: Vec<Texture>,
    /// The cameras.
    pub cameras: Vec<Camera>,
    /// The lights.
    pub lights: Vec<Light>,
    /// Red, green, blue in [0, 1] where nothing is drawn.
    pub background: [f32; 3],
}

impl Scene {
    /// The index of a camera by name.
    pub fn camera(&self, name: &str) -> Option<usize> {
        self.cameras.iter().position(|camera| camera.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes() {
        let half = std::f32::consts::FRAC_1_SQRT_2;
        let pose = Pose { position: [1.0, 2.0, 3.0], rotation: [0.0, 0.0, half, half] };
        let point = pose.inverse().transform(pose.transform([0.3, -0.2, 0.9]));
        for (got, want) in point.iter().zip([0.3, -0.2, 0.9]) {
            assert!((got - want).abs() < 1e-6);
        }
        let turned = pose.transform([1.0, 0.0, 0.0]);
        assert!((turned[0] - 1.0).abs() < 1e-6 && (turned[1] - 3.0).abs() < 1e-6);
        let both = pose.compose(&pose);
        let twice = pose.transform(pose.transform([1.0, 0.0, 0.0]));
        for (got, want) in both.transform([1.0, 0.0, 0.0]).iter().zip(twice) {
            assert!((got - want).abs() < 1e-6);
        }
    }
}
