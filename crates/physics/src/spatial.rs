//! Spatial vectors and inertias (Featherstone 2008, "Rigid Body Dynamics Algorithms", ch. 2), in world axes about
//! the world's origin.

use crate::{Mat3, Vec3};

/// A motion: angular velocity, and the velocity of the body-fixed point at the origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Motion {
    pub turn: Vec3,
    pub shift: Vec3,
}

/// A force: moment about the origin, and force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Force {
    pub moment: Vec3,
    pub push: Vec3,
}

impl Motion {
    pub const ZERO: Motion = Motion { turn: ZERO, shift: ZERO };

    /// The turn about an axis through a point.
    pub fn turn_about(axis: Vec3, point: Vec3) -> Self {
        Self { turn: axis, shift: point.cross(&axis) }
    }

    /// The velocity of the body-fixed point at `point`.
    pub fn at(&self, point: &Vec3) -> Vec3 {
        self.shift + self.turn.cross(point)
    }

    /// Rate of change of a motion `other` that rides on a body with this velocity.
    pub fn cross(&self, other: &Motion) -> Motion {
        Motion {
            turn: self.turn.cross(&other.turn),
            shift: self.turn.cross(&other.shift) + self.shift.cross(&other.turn),
        }
    }

    /// Rate of change of a force (or momentum) that rides on a body with this velocity.
    pub fn cross_force(&self, force: &Force) -> Force {
        Force {
            moment: self.turn.cross(&force.moment) + self.shift.cross(&force.push),
            push: self.turn.cross(&force.push),
        }
    }

    /// Power of a force along this motion.
    pub fn dot(&self, force: &Force) -> f64 {
        self.turn.dot(&force.moment) + self.shift.dot(&force.push)
    }

    pub fn add_scaled(&mut self, other: &Motion, factor: f64) {
        self.turn += other.turn * factor;
        self.shift += other.shift * factor;
    }
}

impl Force {
    pub const ZERO: Force = Force { moment: ZERO, push: ZERO };

    pub fn add(&mut self, other: &Force) {
        self.moment += other.moment;
        self.push += other.push;
    }
}

const ZERO: Vec3 = Vec3::new(0.0, 0.0, 0.0);

/// The inertia of a rigid body about the origin: mass, first and second moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SpatialInertia {
    pub mass: f64,
    /// Mass times centre of mass.
    pub first: Vec3,
    /// About the origin.
    pub second: Mat3,
}

impl SpatialInertia {
    pub const ZERO: SpatialInertia = SpatialInertia {
        mass: 0.0,
        first: ZERO,
        second: Mat3::new(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    };

    /// From the mass, the centre of mass and the inertia about it.
    pub fn new(mass: f64, centre: Vec3, about_centre: &Mat3) -> Self {
        let first = centre * mass;
        let second = about_centre + Mat3::from_diagonal_element(first.dot(&centre))
            - first * centre.transpose();
        Self { mass, first, second }
    }

    pub fn add(&mut self, other: &SpatialInertia) {
        self.mass += other.mass;
        self.first += other.first;
        self.second += other.second;
    }

    /// Momentum of a motion.
    pub fn momentum(&self, motion: &Motion) -> Force {
        Force {
            moment: self.second * motion.turn + self.first.cross(&motion.shift),
            push: motion.shift * self.mass - self.first.cross(&motion.turn),
        }
    }
}
