//! Constraints as rows: what should not move, how hard, and towards what.
//!
//! A row says that the acceleration `J a` along it should be `aref`, against a regularisation `R = 1 / D` that
//! follows from its impedance; see the chapter "Computation" of MuJoCo's documentation
//! (<https://mujoco.readthedocs.io/en/stable/computation/index.html#constraint-model>).

use crate::collide::Contact;
use crate::kinematics::rotation_vector;
use crate::model::{BondKind, Cord, NONE, quaternion};
use crate::spatial::Motion;
use crate::{JointKind, Model, Softness, State, Vec3, Workspace};
use nalgebra::{Quaternion, UnitQuaternion};

const TINY: f64 = 1e-15;

/// How a row's force answers to the acceleration error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Law {
    /// In both directions.
    Equal,
    /// In both directions, at most this much.
    Friction(f64),
    /// Only pushing.
    Push,
}

/// The rows of a moment, sparse.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub law: Vec<Law>,
    /// Start of each row's entries; one more than there are rows.
    pub start: Vec<usize>,
    pub column: Vec<usize>,
    pub value: Vec<f64>,
    /// `1 / R`.
    pub stiffness: Vec<f64>,
    pub target: Vec<f64>,
}

impl Rows {
    pub fn clear(&mut self) {
        self.law.clear();
        self.start.clear();
        self.start.push(0);
        self.column.clear();
        self.value.clear();
        self.stiffness.clear();
        self.target.clear();
    }

    pub fn len(&self) -> usize {
        self.law.len()
    }

    /// The entries of a row.
    #[inline(always)]
    pub fn entries(&self, row: usize) -> (&[usize], &[f64]) {
        let range = self.start[row]..self.start[row + 1];
        (&self.column[range.clone()], &self.value[range])
    }

    /// The product of a row with a vector.
    #[inline(always)]
    pub fn dot(&self, row: usize, x: &[f64]) -> f64 {
        let (columns, values) = self.entries(row);
        columns.iter().zip(values).map(|(&column, value)| value * x[column]).sum()
    }

    fn entry(&mut self, column: usize, value: f64) {
        self.column.push(column);
        self.value.push(value);
    }

    /// Adds the nonzero entries of a dense row.
    fn dense(&mut self, row: &[f64], sign: f64) {
        for (column, &value) in row.iter().enumerate() {
            if value != 0.0 {
                self.entry(column, sign * value);
            }
        }
    }

    /// Shifts the target of the last row.
    fn shift_target(&mut self, by: f64) {
        if let Some(target) = self.target.last_mut() {
            *target += by;
        }
    }

    /// Ends the row whose entries were just added.
    fn end(&mut self, law: Law, stiffness: f64, target: f64) {
        self.start.push(self.column.len());
        self.law.push(law);
        self.stiffness.push(stiffness);
        self.target.push(target);
    }
}

/// What the softness of a constraint means at a violation.
pub(crate) struct Hardness {
    impedance: f64,
    spring: f64,
    damper: f64,
}

impl Hardness {
    /// At `violation` metres or radians beyond the margin (negative: violated), for a time step.
    pub fn new(softness: &Softness, violation: f64, timestep: f64) -> Self {
        let [low, high, width, middle, power] = softness.impedance;
        let low = low.clamp(1e-4, 0.9999);
        let high = high.clamp(1e-4, 0.9999);
        let middle = middle.clamp(1e-4, 0.9999);
        let power = power.max(1.0);
        let way = if width > TINY { violation.abs() / width } else { 1.0 };
        let impedance = if way >= 1.0 {
            high
        } else if way <= 0.0 {
            low
        } else {
            low + ease(way, middle, power) * (high - low)
        };
        let [time, ratio] = softness.reference;
        let (spring, damper) = if time > 0.0 {
            // A constraint faster than two time steps would be unstable.
            let time = time.max(2.0 * timestep);
            (
                1.0 / (high * high * time * time * ratio * ratio).max(TINY),
                2.0 / (high * time).max(TINY),
            )
        } else {
            (-time / (high * high).max(TINY), -ratio / high.max(TINY))
        };
        Self { impedance, spring, damper }
    }

    /// `1 / R` for an inverse inertia.
    pub fn stiffness(&self, mobility: f64) -> f64 {
        1.0 / (mobility * (1.0 - self.impedance) / self.impedance).max(TINY)
    }

    /// The acceleration that takes a violation back.
    pub fn target(&self, velocity: f64, violation: f64) -> f64 {
        -self.damper * velocity - self.spring * self.impedance * violation
    }
}

/// The sigmoid of `solimp`: from 0 to 1, steepest in the middle.
fn ease(way: f64, middle: f64, power: f64) -> f64 {
    if power == 1.0 {
        way
    } else if way <= middle {
        raise(way / middle, power) * middle
    } else {
        1.0 - raise((1.0 - way) / (1.0 - middle), power) * (1.0 - middle)
    }
}

fn raise(base: f64, power: f64) -> f64 {
    if power == 2.0 { base * base } else { libm::pow(base, power) }
}

impl Model {
    /// Gathers the rows of all constraints that may act.
    pub(crate) fn constrain(&self, state: &State, work: &mut Workspace) {
        let mut rows = std::mem::take(&mut work.rows);
        rows.clear();
        self.bonds(state, work, &mut rows);
        self.dry_friction(state, work, &mut rows);
        self.limits(state, work, &mut rows);
        self.touches(state, work, &mut rows);
        work.rows = rows;
    }

    fn hardness(&self, softness: &Softness, violation: f64) -> Hardness {
        Hardness::new(softness, violation, self.options.timestep)
    }

    fn bonds(&self, state: &State, work: &mut Workspace, rows: &mut Rows) {
        for bond in &self.ties {
            match &bond.kind {
                BondKind::Connect { bodies, anchors } => {
                    let points = [0, 1]
                        .map(|k| work.poses[bodies[k]].transform_point(&anchors[k].into()).coords);
                    let gap = points[0] - points[1];
                    let hardness = self.hardness(&bond.softness, gap.norm());
                    self.pin(state, work, rows, bodies, &points, &gap, &hardness);
                }
                BondKind::Weld { bodies, anchors, turn, torque_scale } => {
                    let points = [0, 1]
                        .map(|k| work.poses[bodies[k]].transform_point(&anchors[k].into()).coords);
                    let gap = points[0] - points[1];
                    let first = work.poses[bodies[0]].rotation * turn;
                    let second = work.poses[bodies[1]].rotation.conjugate();
                    let off = second * first;
                    let twist = Vec3::new(off.i, off.j, off.k) * *torque_scale;
                    let violation = (gap.norm_squared() + twist.norm_squared()).sqrt();
                    let hardness = self.hardness(&bond.softness, violation);
                    self.pin(state, work, rows, bodies, &points, &gap, &hardness);
                    // The derivative of the twist is bilinear in the quaternions and the relative turn.
                    let columns = self.relative_turns(bodies, &work.motions, &mut work.scratch);
                    let drift = twist_drift(bodies, work, &first, &second) * *torque_scale;
                    for axis in 0..3 {
                        for &(dof, turn) in &columns {
                            let pure = Quaternion::from_imag(turn);
                            let rate = second.quaternion() * pure * first.quaternion();
                            let value = 0.5 * torque_scale * rate.imag()[axis];
                            if value != 0.0 {
                                rows.entry(dof, value);
                            }
                        }
                        let mobility =
                            self.links[bodies[0]].mobility[1] + self.links[bodies[1]].mobility[1];
                        self.finish(state, rows, Law::Equal, &hardness, mobility, twist[axis]);
                        rows.shift_target(-drift[axis]);
                    }
                }
                BondKind::Joints { follower, leader, polynomial } => {
                    let at = |joint: usize| state.position[self.joints[joint].position];
                    let initial = |joint: usize| self.initial.position[self.joints[joint].position];
                    let away = leader.map_or(0.0, |joint| at(joint) - initial(joint));
                    let (wanted, slope) = evaluate(polynomial, away);
                    let gap = at(*follower) - initial(*follower) - wanted;
                    let dof = self.joints[*follower].dof;
                    rows.entry(dof, 1.0);
                    let mut mobility = self.dofs[dof].mobility;
                    if let Some(leader) = leader {
                        let dof = self.joints[*leader].dof;
                        rows.entry(dof, -slope);
                        mobility += self.dofs[dof].mobility;
                    }
                    let hardness = self.hardness(&bond.softness, gap);
                    self.finish(state, rows, Law::Equal, &hardness, mobility, gap);
                }
                BondKind::Tendons { follower, leader, polynomial } => {
                    let away = |tendon: usize| work.lengths[tendon] - self.tendons[tendon].initial;
                    let (wanted, slope) = evaluate(polynomial, leader.map_or(0.0, away));
                    let gap = away(*follower) - wanted;
                    let mut mobility = self.tendons[*follower].mobility;
                    let count = self.dofs.len();
                    let row = &work.tendon_rows[follower * count..][..count];
                    work.scratch.copy_from_slice(row);
                    if let Some(leader) = leader {
                        mobility += self.tendons[*leader].mobility;
                        let row = &work.tendon_rows[leader * count..][..count];
                        for (sum, j) in work.scratch.iter_mut().zip(row) {
                            *sum -= slope * j;
                        }
                    }
                    rows.dense(&work.scratch, 1.0);
                    let hardness = self.hardness(&bond.softness, gap);
                    self.finish(state, rows, Law::Equal, &hardness, mobility, gap);
                }
            }
        }
    }

    /// Three rows that hold two points together.
    fn pin(
        &self,
        state: &State,
        work: &mut Workspace,
        rows: &mut Rows,
        bodies: &[usize; 2],
        points: &[Vec3; 2],
        gap: &Vec3,
        hardness: &Hardness,
    ) {
        let mobility = self.links[bodies[0]].mobility[0] + self.links[bodies[1]].mobility[0];
        let [first, second] = [0, 1].map(|k| point_drift(bodies[k], &points[k], work));
        let drift = first - second;
        for axis in 0..3 {
            let mut direction = Vec3::zeros();
            direction[axis] = 1.0;
            work.scratch.fill(0.0);
            let scratch = &mut work.scratch;
            self.add_point(&work.motions, bodies[0], &points[0], &direction, scratch);
            self.add_point(&work.motions, bodies[1], &points[1], &-direction, scratch);
            rows.dense(&work.scratch, 1.0);
            self.finish(state, rows, Law::Equal, hardness, mobility, gap[axis]);
            rows.shift_target(-drift[axis]);
        }
    }

    /// By which angular velocity each degree of freedom turns the first body against the second.
    fn relative_turns(
        &self,
        bodies: &[usize; 2],
        motions: &[Motion],
        signs: &mut [f64],
    ) -> Vec<(usize, Vec3)> {
        signs.fill(0.0);
        for (body, sign) in bodies.iter().zip([1.0, -1.0]) {
            let mut dof = self.links[*body].last_dof;
            while dof != NONE {
                signs[dof] += sign;
                dof = self.dofs[dof].parent;
            }
        }
        let moved = signs.iter().enumerate().filter(|(_, sign)| **sign != 0.0);
        moved.map(|(dof, &sign)| (dof, motions[dof].turn * sign)).collect()
    }

    fn dry_friction(&self, state: &State, work: &Workspace, rows: &mut Rows) {
        for joint in self.rough.iter().map(|&joint| &self.joints[joint]) {
            let hardness = self.hardness(&joint.friction_softness, 0.0);
            for dof in joint.dofs() {
                rows.entry(dof, 1.0);
                let law = Law::Friction(self.dofs[dof].friction_loss);
                self.finish(state, rows, law, &hardness, self.dofs[dof].mobility, 0.0);
            }
        }
        for (index, Cord { tendon, mobility, .. }) in self.tendons.iter().enumerate() {
            if tendon.friction_loss > 0.0 {
                let hardness = self.hardness(&tendon.friction_softness, 0.0);
                rows.dense(work.tendon_row(index), 1.0);
                let law = Law::Friction(tendon.friction_loss);
                self.finish(state, rows, law, &hardness, *mobility, 0.0);
            }
        }
    }

    fn limits(&self, state: &State, work: &Workspace, rows: &mut Rows) {
        for joint in self.limited.iter().map(|&joint| &self.joints[joint]) {
            let Some([low, high]) = joint.limit else { continue };
            let q = &state.position[joint.position..];
            let mobility = self.dofs[joint.dof].mobility;
            if joint.kind == JointKind::Ball {
                let vector = rotation_vector(&quaternion(&q[..4]));
                let angle = vector.norm();
                let room = low.max(high) - angle;
                if room < joint.margin && angle > TINY {
                    (0..3).for_each(|k| rows.entry(joint.dof + k, -vector[k] / angle));
                    let violation = room - joint.margin;
                    let hardness = self.hardness(&joint.limit_softness, violation);
                    self.finish(state, rows, Law::Push, &hardness, mobility, violation);
                }
                continue;
            }
            if joint.kind == JointKind::Free {
                continue;
            }
            for (room, sign) in [(q[0] - low, 1.0), (high - q[0], -1.0)] {
                if room < joint.margin {
                    rows.entry(joint.dof, sign);
                    let violation = room - joint.margin;
                    let hardness = self.hardness(&joint.limit_softness, violation);
                    self.finish(state, rows, Law::Push, &hardness, mobility, violation);
                }
            }
        }
        for (index, Cord { tendon, mobility, .. }) in self.tendons.iter().enumerate() {
            let Some([low, high]) = tendon.limit else { continue };
            let length = work.lengths[index];
            for (room, sign) in [(length - low, 1.0), (high - length, -1.0)] {
                if room < tendon.margin {
                    rows.dense(work.tendon_row(index), sign);
                    let violation = room - tendon.margin;
                    let hardness = self.hardness(&tendon.limit_softness, violation);
                    self.finish(state, rows, Law::Push, &hardness, *mobility, violation);
                }
            }
        }
    }

    /// The rows of the contacts: the normal, and the edges of a pyramid around it.
    fn touches(&self, state: &State, work: &mut Workspace, rows: &mut Rows) {
        for index in 0..work.contacts.len() {
            let contact = work.contacts[index];
            let pair = &self.pairs[contact.pair];
            let touch = &pair.touch;
            let violation = contact.distance - touch.margin;
            let hardness = self.hardness(&touch.softness, violation);
            let bodies = pair.bodies;
            let mobility = [0, 1].map(|kind| {
                self.links[bodies[0]].mobility[kind] + self.links[bodies[1]].mobility[kind]
            });
            let tangents = tangents(&contact.normal, &contact.tangent);
            let directions = [contact.normal, tangents[0], tangents[1]];
            self.relative_motion(&bodies, &contact, &directions, &work.motions, &mut work.touch);
            let moved = &work.touch;
            let edge = |rows: &mut Rows, friction: f64, axis: usize, stiffness: f64| {
                for (dof, parts) in moved {
                    rows.entry(*dof, parts[0] + friction * parts[axis]);
                }
                rows.end(Law::Push, stiffness, 0.0);
                let row = rows.len() - 1;
                rows.target[row] = hardness.target(rows.dot(row, &state.velocity), violation);
            };
            if touch.condim == 1 {
                edge(rows, 0.0, 0, hardness.stiffness(mobility[0]));
                continue;
            }
            let slide = touch.friction[0];
            let normal = hardness.stiffness(mobility[0] * (1.0 + slide * slide));
            let scale = slide * slide / self.options.impratio;
            let stiffness = 1.0 / (2.0 * scale / normal).max(TINY);
            for axis in 1..touch.condim {
                let friction = touch.friction[axis - 1];
                edge(rows, friction, axis, stiffness);
                edge(rows, -friction, axis, stiffness);
            }
        }
    }

    /// How each degree of freedom moves the second body against the first at a contact: along the normal and the
    /// tangents, and about them.
    fn relative_motion(
        &self,
        bodies: &[usize; 2],
        contact: &Contact,
        directions: &[Vec3; 3],
        motions: &[Motion],
        out: &mut Vec<(usize, [f64; 6])>,
    ) {
        out.clear();
        let mut dofs = bodies.map(|body| self.links[body].last_dof);
        // What moves both bodies moves neither against the other.
        while dofs[0] != dofs[1] {
            let side = match dofs {
                [NONE, _] => 1,
                [_, NONE] => 0,
                [a, b] => usize::from(b > a),
            };
            let dof = dofs[side];
            let sign = if side == 0 { -1.0 } else { 1.0 };
            let (shift, turn) = (motions[dof].at(&contact.point) * sign, motions[dof].turn * sign);
            let [n, s, t] = directions;
            let parts =
                [shift.dot(n), shift.dot(s), shift.dot(t), turn.dot(n), turn.dot(s), turn.dot(t)];
            out.push((dof, parts));
            dofs[side] = self.dofs[dof].parent;
        }
    }

    /// Ends a row whose target follows from its velocity and violation.
    fn finish(
        &self,
        state: &State,
        rows: &mut Rows,
        law: Law,
        hardness: &Hardness,
        mobility: f64,
        violation: f64,
    ) {
        rows.end(law, hardness.stiffness(mobility), 0.0);
        let row = rows.len() - 1;
        rows.target[row] = hardness.target(rows.dot(row, &state.velocity), violation);
    }
}

/// The acceleration of a point of a body when no joint accelerates. Gravity is in it, for every body alike.
fn point_drift(body: usize, point: &Vec3, work: &Workspace) -> Vec3 {
    let velocity = &work.velocities[body];
    work.accelerations[body].at(point) + velocity.turn.cross(&velocity.at(point))
}

/// The second derivative of a weld's twist, for unit torque scale, when no joint accelerates.
fn twist_drift(
    bodies: &[usize; 2],
    work: &Workspace,
    first: &UnitQuaternion<f64>,
    second: &UnitQuaternion<f64>,
) -> Vec3 {
    let turn = bodies.map(|body| work.velocities[body].turn);
    let change = bodies.map(|body| work.accelerations[body].turn);
    let [a, b, relative, drift] =
        [turn[0], turn[1], turn[0] - turn[1], change[0] - change[1]].map(Quaternion::from_imag);
    let inner = drift + (relative * a - b * relative) * 0.5;
    (second.quaternion() * inner * first.quaternion()).imag() * 0.5
}

/// A polynomial and its derivative.
fn evaluate(polynomial: &[f64; 5], x: f64) -> (f64, f64) {
    let [a, b, c, d, e] = polynomial;
    (a + x * (b + x * (c + x * (d + x * e))), b + x * (2.0 * c + x * (3.0 * d + x * 4.0 * e)))
}

/// Two unit vectors across a normal; the first along `hint` if that is not zero.
fn tangents(normal: &Vec3, hint: &Vec3) -> [Vec3; 2] {
    let start = if hint.norm_squared() > 0.25 {
        *hint
    } else if normal.y.abs() < 0.5 {
        Vec3::y()
    } else {
        Vec3::z()
    };
    let first = (start - normal * normal.dot(&start)).normalize();
    [first, normal.cross(&first)]
}
