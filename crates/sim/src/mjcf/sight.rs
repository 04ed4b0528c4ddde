//! Cameras, lights and background.

use crate::SimError;
use housecat_core::{Camera, Light, Pose};
use rapier3d_mjcf::mjcf_rs::{
    Model,
    glam::{DMat3, DQuat, DVec3},
};
use roxmltree::{Document, Node};
use std::path::Path;

/// What is seen with, and by.
pub(crate) struct Sight {
    pub cameras: Vec<Camera>,
    pub lights: Vec<Light>,
    pub background: [f32; 3],
}

/// Where nothing is drawn and the scene names no sky.
const BACKGROUND: [f32; 3] = [0.2, 0.22, 0.25];

/// Reads the cameras and lights of the document; the background is the first colour of its skybox.
pub(crate) fn sight(path: &Path, document: &Document, model: &Model) -> Result<Sight, SimError> {
    let reader = Reader { path, document, degrees: model.compiler.angle_is_degree };
    let mut sight = Sight { cameras: Vec::new(), lights: Vec::new(), background: BACKGROUND };
    let sky =
        model.assets.textures.iter().find(|texture| texture.type_.as_deref() == Some("skybox"));
    if let Some(rgb) = sky.and_then(|texture| texture.rgb1) {
        sight.background = rgb.map(|value| value as f32);
    }
    // Bodies are numbered as mjcf-rs numbers them: in the order of the document, the world first.
    let bodies: Vec<_> = document
        .descendants()
        .filter(|node| {
            node.has_tag_name("worldbody")
                || (node.has_tag_name("body")
                    && node.ancestors().any(|above| above.has_tag_name("worldbody")))
        })
        .collect();
    for (body, node) in bodies.iter().enumerate() {
        for child in node.children() {
            match child.tag_name().name() {
                "camera" => {
                    let camera = reader.camera(child, body)?;
                    if sight.cameras.iter().any(|other| other.name == camera.name) {
                        return Err(reader.wrong(child, "has the name of another; rename one"));
                    }
                    sight.cameras.push(camera);
                }
                "light" => sight.lights.push(reader.light(child)?),
                _ => {}
            }
        }
    }
    if sight.lights.is_empty() {
        sight.lights.push(Light {
            position: [0.0, 0.0, 4.0],
            direction: [0.0, 0.0, -1.0],
            directional: true,
            diffuse: [0.6; 3],
            ambient: [0.4; 3],
        });
    }
    Ok(sight)
}

struct Reader<'a, 'input> {
    path: &'a Path,
    document: &'a Document<'input>,
    degrees: bool,
}

impl<'a, 'input> Reader<'a, 'input> {
    fn camera(&self, node: Node<'a, 'input>, body: usize) -> Result<Camera, SimError> {
        let name = self.word(node, "name").unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(self.wrong(node, "has no name; give it one so that sim.toml can choose it"));
        }
        let orthographic = self.word(node, "orthographic") == Some("true")
            || self.word(node, "projection") == Some("orthographic");
        let [fovy] = self.numbers(node, "fovy", [45.0])?;
        // MuJoCo's fovy is in degrees whatever the compiler's unit; in metres if orthographic.
        let upper = if orthographic { f64::INFINITY } else { 180.0 };
        if !(fovy > 0.0 && fovy < upper) {
            return Err(self.wrong(node, "has a `fovy` out of range"));
        }
        let fovy = if orthographic { fovy } else { fovy.to_radians() };
        let position = self.numbers(node, "pos", [0.0; 3])?.map(|value| value as f32);
        let rotation = self.orientation(node)?.as_quat().to_array();
        let pose = Pose { position, rotation };
        Ok(Camera { name, body, pose, fovy: fovy as f32, orthographic })
    }

    fn light(&self, node: Node<'a, 'input>) -> Result<Light, SimError> {
        let direction = DVec3::from(self.numbers(node, "dir", [0.0, 0.0, -1.0])?);
        let direction =
            direction.try_normalize().ok_or_else(|| self.wrong(node, "has a `dir` of length 0"))?;
        let single = |values: [f64; 3]| values.map(|value| value as f32);
        Ok(Light {
            position: single(self.numbers(node, "pos", [0.0; 3])?),
            direction: single(direction.to_array()),
            directional: self.word(node, "directional") == Some("true")
                || self.word(node, "type") == Some("directional"),
            diffuse: single(self.numbers(node, "diffuse", [0.7; 3])?),
            ambient: single(self.numbers(node, "ambient", [0.0; 3])?),
        })
    }

    fn orientation(&self, node: Node<'a, 'input>) -> Result<DQuat, SimError> {
        let angle = |value: f64| if self.degrees { value.to_radians() } else { value };
        let axes = |z: DVec3, x: DVec3| {
            let (z, x) = (z.try_normalize()?, x.try_normalize()?);
            let y = z.cross(x).try_normalize()?;
            Some(DQuat::from_mat3(&DMat3::from_cols(y.cross(z), y, z)))
        };
        let read = if self.word(node, "quat").is_some() {
            let [w, x, y, z] = self.numbers(node, "quat", [1.0, 0.0, 0.0, 0.0])?;
            let quat = DQuat::from_xyzw(x, y, z, w);
            (quat.length() > 1e-9).then(|| quat.normalize())
        } else if self.word(node, "xyaxes").is_some() {
            let [x0, x1, x2, y0, y1, y2] = self.numbers(node, "xyaxes", [0.0; 6])?;
            let (x, y) = (DVec3::new(x0, x1, x2), DVec3::new(y0, y1, y2));
            axes(x.cross(y), x)
        } else if self.word(node, "zaxis").is_some() {
            let z = DVec3::from(self.numbers(node, "zaxis", [0.0, 0.0, 1.0])?);
            z.try_normalize().map(|z| DQuat::from_rotation_arc(DVec3::Z, z))
        } else if self.word(node, "euler").is_some() {
            let [x, y, z] = self.numbers(node, "euler", [0.0; 3])?.map(angle);
            Some(DQuat::from_rotation_x(x) * DQuat::from_rotation_y(y) * DQuat::from_rotation_z(z))
        } else if self.word(node, "axisangle").is_some() {
            let [x, y, z, turn] = self.numbers(node, "axisangle", [0.0; 4])?;
            DVec3::new(x, y, z).try_normalize().map(|n| DQuat::from_axis_angle(n, angle(turn)))
        } else {
            Some(DQuat::IDENTITY)
        };
        read.ok_or_else(|| self.wrong(node, "has a degenerate orientation"))
    }

    fn numbers<const N: usize>(
        &self,
        node: Node<'a, 'input>,
        name: &str,
        default: [f64; N],
    ) -> Result<[f64; N], SimError> {
        let Some(text) = self.word(node, name) else { return Ok(default) };
        let values: Vec<f64> = text.split_ascii_whitespace().flat_map(str::parse).collect();
        values.try_into().map_err(|_| {
            self.wrong(node, &format!("needs {N} numbers in `{name}`, not \"{text}\""))
        })
    }

    /// The value of an attribute, from the element itself or the class that applies to it.
    fn word(&self, node: Node<'a, 'input>, name: &str) -> Option<&'a str> {
        if let Some(value) = node.attribute(name) {
            return Some(value);
        }
        let class = node
            .attribute("class")
            .or_else(|| node.ancestors().find_map(|above| above.attribute("childclass")));
        let mut default = self.document.descendants().find(|candidate| {
            candidate.has_tag_name("default")
                && match class {
                    Some(class) => candidate.attribute("class") == Some(class),
                    None => candidate.parent_element().is_some_and(|up| up.has_tag_name("mujoco")),
                }
        });
        while let Some(level) = default.filter(|node| node.has_tag_name("default")) {
            let same = level.children().filter(|child| child.tag_name() == node.tag_name());
            if let Some(value) = same.filter_map(|child| child.attribute(name)).next_back() {
                return Some(value);
            }
            default = level.parent_element();
        }
        None
    }

    fn wrong(&self, node: Node, problem: &str) -> SimError {
        let line = self.document.text_pos_at(node.range().start).row;
        SimError::Scene {
            path: self.path.to_owned(),
            problem: format!("line {line}: <{}> {problem}", node.tag_name().name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Sight {
        let model = Model::from_str(text, ".").unwrap();
        sight(Path::new("scene.xml"), &Document::parse(text).unwrap(), &model).unwrap()
    }

    #[test]
    fn cameras_take_defaults_from_their_class() {
        let sight = read(
            "<mujoco><default><camera fovy='30'/><default class='wide'><camera fovy='90'/></default></default>
             <worldbody><camera name='a'/><camera name='b' class='wide'/>
             <body name='arm' childclass='wide'><camera name='c'/></body></worldbody></mujoco>",
        );
        let degrees: Vec<_> =
            sight.cameras.iter().map(|camera| camera.fovy.to_degrees().round()).collect();
        assert_eq!(degrees, [30.0, 90.0, 90.0]);
        assert_eq!(sight.cameras[2].body, 1);
    }

    #[test]
    fn orientations_agree() {
        let sight = read(
            "<mujoco><compiler angle='degree'/><worldbody>
             <camera name='a' xyaxes='1 0 0 0 0 1'/><camera name='b' euler='90 0 0'/>
             <camera name='c' axisangle='1 0 0 90'/><camera name='d' quat='1 1 0 0'/>
             <camera name='e' zaxis='0 -1 0'/></worldbody></mujoco>",
        );
        for camera in &sight.cameras {
            let forward = camera.pose.rotate([0.0, 0.0, -1.0]);
            assert!((forward[1] - 1.0).abs() < 1e-6, "{camera:?}");
        }
    }
}
