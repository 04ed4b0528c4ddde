//! Rotations, without the platform's trigonometry: the bits of a scene are the same everywhere.

use housecat_physics::{Pose, Vec3};
use nalgebra::{Quaternion, Translation3, Unit, UnitQuaternion};

/// Turn.
pub(super) type Turn = UnitQuaternion<f64>;

/// A pose.
pub(super) fn pose(position: Vec3, turn: Turn) -> Pose {
    Pose::from_parts(Translation3::from(position), turn)
}

/// From w x y z, if they are not all zero.
pub(super) fn from_wxyz([w, x, y, z]: [f64; 4]) -> Option<Turn> {
    Unit::try_new(Quaternion::new(w, x, y, z), 1e-12)
}

/// About an axis of any length but zero.
pub(super) fn about(axis: Vec3, angle: f64) -> Option<Turn> {
    let axis = axis.try_normalize(1e-12)? * libm::sin(0.5 * angle);
    from_wxyz([libm::cos(0.5 * angle), axis.x, axis.y, axis.z])
}

/// The least turn that takes z onto an axis; half a turn about x onto -z.
pub(super) fn from_z(axis: Vec3) -> Option<Turn> {
    let axis = axis.try_normalize(1e-12)?;
    let half = from_wxyz([1.0 + axis.z, -axis.y, axis.x, 0.0]);
    half.or_else(|| from_wxyz([0.0, 1.0, 0.0, 0.0]))
}

/// The turn whose x axis is `x` and whose y axis lies in the plane of `x` and `y`.
pub(super) fn from_xy(x: Vec3, y: Vec3) -> Option<Turn> {
    let x = x.try_normalize(1e-12)?;
    let y = (y - x * x.dot(&y)).try_normalize(1e-12)?;
    let z = x.cross(&y);
    // The component that is largest divides the others.
    let trace = x.x + y.y + z.z;
    from_wxyz(if trace > 0.0 {
        [1.0 + trace, y.z - z.y, z.x - x.z, x.y - y.x]
    } else if x.x >= y.y && x.x >= z.z {
        [y.z - z.y, 1.0 + x.x - y.y - z.z, x.y + y.x, z.x + x.z]
    } else if y.y >= z.z {
        [z.x - x.z, x.y + y.x, 1.0 + y.y - x.x - z.z, y.z + z.y]
    } else {
        [x.y - y.x, z.x + x.z, y.z + z.y, 1.0 + z.z - x.x - y.y]
    })
}

/// Three turns about coordinate axes: lower case about the turned frame's, upper case about the fixed.
pub(super) fn from_euler(sequence: [char; 3], angles: [f64; 3]) -> Turn {
    let mut turn = Turn::identity();
    for (letter, angle) in sequence.into_iter().zip(angles) {
        let axis = match letter.to_ascii_lowercase() {
            'x' => Vec3::x(),
            'y' => Vec3::y(),
            _ => Vec3::z(),
        };
        let step = about(axis, angle).unwrap_or_default();
        turn = if letter.is_ascii_lowercase() { turn * step } else { step * turn };
    }
    turn
}

/// The pose of a camera at `eye` that looks at a point, upright.
pub(super) fn towards(eye: Vec3, point: Vec3) -> Option<Pose> {
    let back = eye - point;
    let right = Vec3::z().cross(&back).try_normalize(1e-9).unwrap_or(Vec3::x());
    let turn = from_xy(right, back.cross(&right))?;
    Some(pose(eye, turn))
}

/// The same pose for the eye.
pub(super) fn seen(pose: &Pose) -> housecat_core::Pose {
    let rotation = pose.rotation.coords;
    housecat_core::Pose {
        position: [pose.translation.x as f32, pose.translation.y as f32, pose.translation.z as f32],
        rotation: [rotation.x as f32, rotation.y as f32, rotation.z as f32, rotation.w as f32],
    }
}
