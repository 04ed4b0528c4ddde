//! `<camera>` and `<light>`.

use super::Context;
use crate::SimError;
use crate::scene_file::rotation;
use crate::scene_file::xml::{Attributes, Element};
use housecat_core::{Camera, Light};
use housecat_physics::{Pose, Vec3};

/// What a camera or light turns towards.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Fixed,
    Track,
    Target,
}

const MODES: [(&str, Mode); 5] = [
    ("fixed", Mode::Fixed),
    ("track", Mode::Track),
    ("trackcom", Mode::Track),
    ("targetbody", Mode::Target),
    ("targetbodycom", Mode::Target),
];

/// A camera, and the body that it is to look at.
pub(super) struct Eye {
    pub camera: Camera,
    pub pose: Pose,
    pub target: Option<(String, Element)>,
}

/// Reads a camera of a body; `frame` is the pose of what encloses it in the body.
pub(super) fn camera(
    element: &Element,
    class: Option<&str>,
    body: usize,
    frame: &Pose,
    context: &Context,
) -> Result<Eye, SimError> {
    const HARMLESS: [&str; 5] = ["ipd", "user", "output", "principal", "principalpixel"];
    context.read(element, class, &["camera"], &HARMLESS, |a| {
        let name = context.names.add(a, "camera")?;
        let (mode, target) = mode(a, context)?;
        let projection = a.keyword("projection", &[("perspective", false), ("orthographic", true)]);
        let orthographic = a.flag("orthographic")?.or(projection?).unwrap_or(false);
        let fovy = fovy(a, orthographic)?;
        let pose = frame * context.compiler.pose(a)?;
        let target = target.filter(|_| mode == Mode::Target).map(|name| (name, element.clone()));
        let camera =
            Camera { name, body, pose: rotation::seen(&pose), fovy: fovy as f32, orthographic };
        Ok(Eye { camera, pose, target })
    })
}

/// The vertical field of view in radians, or the height in metres of an orthographic camera.
fn fovy(a: &mut Attributes, orthographic: bool) -> Result<f64, SimError> {
    let given = a.number("fovy")?.unwrap_or(45.0);
    let resolution = a.numbers::<2>("resolution")?;
    let sensor = a.numbers::<2>("sensorsize")?.map(|[_, height]| height);
    let focal = a.numbers::<2>("focal")?.map(|[_, length]| length);
    let pixels = a.numbers::<2>("focalpixel")?.map(|[_, length]| length);
    // Degrees whatever the compiler's unit.
    let upper = if orthographic { f64::INFINITY } else { 180.0 };
    if !(given > 0.0 && given < upper) {
        return Err(a.wrong(format!("has the `fovy` {given}, which is not between 0 and {upper}")));
    }
    let Some(sensor) = sensor.filter(|&height| height > 0.0) else {
        return Ok(if orthographic { given } else { given.to_radians() });
    };
    let length = match (pixels, resolution, focal) {
        (Some(pixels), Some([_, rows]), _) if rows > 0.0 => pixels * sensor / rows,
        (_, _, Some(length)) => length,
        _ => return Err(a.wrong("has a `sensorsize`, but no `focal`")),
    };
    if length <= 0.0 {
        return Err(a.wrong("needs a focal length above 0"));
    }
    Ok(2.0 * libm::atan2(sensor, 2.0 * length))
}

fn mode(a: &mut Attributes, context: &Context) -> Result<(Mode, Option<String>), SimError> {
    let mode = a.keyword("mode", &MODES)?.unwrap_or(Mode::Fixed);
    let target = a.word("target").map(str::to_owned);
    if mode != Mode::Fixed {
        context.notices.say(format!(
            "<{} mode=\"track...\" or \"target...\">: it is fixed to its body as it stands at the start",
            a.tag()
        ));
    }
    if mode == Mode::Target && target.is_none() {
        return Err(a.wrong("needs the body that is its `target`"));
    }
    Ok((mode, target))
}

/// A light; its place and direction are in the body's frame.
pub(super) struct Lamp {
    pub body: usize,
    pub position: Vec3,
    pub direction: Vec3,
    pub light: Light,
    pub target: Option<(String, Element)>,
}

/// Reads a light, unless it is off.
pub(super) fn light(
    element: &Element,
    class: Option<&str>,
    body: usize,
    frame: &Pose,
    context: &Context,
) -> Result<Option<Lamp>, SimError> {
    const HARMLESS: [&str; 10] = [
        "specular",
        "castshadow",
        "attenuation",
        "cutoff",
        "exponent",
        "bulbradius",
        "range",
        "softness",
        "texture",
        "intensity",
    ];
    context.read(element, class, &["light"], &HARMLESS, |a| {
        context.names.add(a, "light")?;
        let (mode, target) = mode(a, context)?;
        let kinds = [("spot", false), ("point", false), ("directional", true), ("image", false)];
        let kind = a.keyword("type", &kinds)?;
        let directional = a.flag("directional")?.or(kind).unwrap_or(false);
        let direction = Vec3::from(a.numbers("dir")?.unwrap_or([0.0, 0.0, -1.0]));
        let direction = direction.try_normalize(1e-12);
        let direction = direction.ok_or_else(|| a.wrong("has a `dir` of length 0"))?;
        let position = Vec3::from(a.numbers("pos")?.unwrap_or_default());
        let single = |rgb: [f64; 3]| rgb.map(|value| value as f32);
        let diffuse = single(a.numbers("diffuse")?.unwrap_or([0.7; 3]));
        let ambient = single(a.numbers("ambient")?.unwrap_or_default());
        let target = target.filter(|_| mode == Mode::Target).map(|name| (name, element.clone()));
        let light =
            Light { position: [0.0; 3], direction: [0.0; 3], directional, diffuse, ambient };
        let lamp = Lamp {
            body,
            position: frame.transform_point(&position.into()).coords,
            direction: frame.transform_vector(&direction),
            light,
            target,
        };
        Ok(a.flag("active")?.unwrap_or(true).then_some(lamp))
    })
}
