//! Lambert's law over the samples of a pixel.

use housecat_core::{Light, Pose};

use crate::canvas::{LANES, Lanes};
use crate::math::{Vec3, dot, scale, unit};

/// Light that falls on everything.
const AMBIENT: f32 = 0.22;

/// Strength of the headlight, which shines along the camera's axis.
const HEADLIGHT: f32 = 0.22;

/// Strength of the headlight in a scene that has no other light.
const LONE_HEADLIGHT: f32 = 0.78;

/// A lamp in the frame of the shape it shines on.
#[derive(Clone, Copy, Debug)]
enum Lamp {
    /// Unit vector towards the lamp.
    Sun(Vec3),
    /// Position of the lamp.
    Point(Vec3),
}

/// The lights of a scene, and room to see them from a shape.
#[derive(Clone, Debug)]
pub(crate) struct Lights {
    ambient: [f32; 3],
    headlight: f32,
    /// In the world: the lamp and its colour.
    world: Vec<(Lamp, [f32; 3])>,
    has_points: bool,
    /// In the frame of the shape last aimed at, the headlight first.
    local: Vec<(Lamp, [f32; 3])>,
}

impl Lights {
    pub fn new(lights: &[Light]) -> Self {
        let mut ambient = [AMBIENT; 3];
        for light in lights {
            for (sum, part) in ambient.iter_mut().zip(light.ambient) {
                *sum += part;
            }
        }
        let world: Vec<_> = lights
            .iter()
            .filter(|light| light.diffuse != [0.0; 3])
            .map(|light| {
                let lamp = if light.directional {
                    Lamp::Sun(scale(unit(light.direction), -1.0))
                } else {
                    Lamp::Point(light.position)
                };
                (lamp, light.diffuse)
            })
            .collect();
        Self {
            ambient,
            headlight: if lights.is_empty() { LONE_HEADLIGHT } else { HEADLIGHT },
            has_points: world.iter().any(|(lamp, _)| matches!(lamp, Lamp::Point(_))),
            local: Vec::with_capacity(world.len() + 1),
            world,
        }
    }

    /// Turns the lights to a shape: `world` is the pose of the world in the shape's frame, and
    /// `backward` the direction from the shape's frame to the camera.
    pub fn aim(&mut self, world: &Pose, backward: Vec3) {
        self.local.clear();
        self.local.push((Lamp::Sun(backward), [self.headlight; 3]));
        self.local.extend(self.world.iter().map(|&(lamp, color)| {
            let lamp = match lamp {
                Lamp::Sun(towards) => Lamp::Sun(world.rotate(towards)),
                Lamp::Point(position) => Lamp::Point(world.transform(position)),
            };
            (lamp, color)
        }));
    }

    /// How bright a surface is that points the same way everywhere; `None` if that varies, because a
    /// lamp is near.
    pub fn flat_brightness(&self, normal: Vec3) -> Option<[f32; 3]> {
        if self.has_points {
            return None;
        }
        let mut bright = self.ambient;
        for (lamp, color) in &self.local {
            if let Lamp::Sun(towards) = lamp {
                let lambert = dot(normal, *towards).max(0.0);
                for k in 0..3 {
                    bright[k] += lambert * color[k];
                }
            }
        }
        Some(bright.map(|value| value.min(1.0)))
    }

    /// How bright samples at `points` with unit `normals` are: red, green and blue from 0, where what
    /// is above 1 counts as 1.
    #[inline(always)]
    pub fn brightness(&self, points: &[Lanes; 3], normals: &[Lanes; 3]) -> [Lanes; 3] {
        let [r, g, b] = self.ambient;
        let mut bright = [[r; LANES], [g; LANES], [b; LANES]];
        for (lamp, color) in &self.local {
            let mut lambert = [0.0; LANES];
            match *lamp {
                Lamp::Sun(towards) => {
                    for i in 0..LANES {
                        let normal = [normals[0][i], normals[1][i], normals[2][i]];
                        lambert[i] = dot(normal, towards);
                    }
                }
                Lamp::Point(at) => {
                    for i in 0..LANES {
                        let normal = [normals[0][i], normals[1][i], normals[2][i]];
                        let towards =
                            [at[0] - points[0][i], at[1] - points[1][i], at[2] - points[2][i]];
                        lambert[i] = dot(normal, towards) / dot(towards, towards).sqrt();
                    }
                }
            }
            for i in 0..LANES {
                let lambert = if lambert[i] > 0.0 { lambert[i] } else { 0.0 };
                bright[0][i] += lambert * color[0];
                bright[1][i] += lambert * color[1];
                bright[2][i] += lambert * color[2];
            }
        }
        bright
    }
}
