//! The constraint solver: Newton's method on the convex cost of the accelerations.
//!
//! Minimises `1/2 (a - a0)' M (a - a0) + sum_i s_i(J_i a - aref_i)`, where `s` is a quadratic for rows that hold in
//! both directions, half of one for rows that only push, and Huber's function for dry friction (Todorov 2014,
//! "Convex and analytically-invertible dynamics with contacts and constraints").

use crate::constraint::{Law, Rows};
use crate::{Model, State, Workspace};

/// Room for the iterations.
#[derive(Clone, Debug)]
pub(crate) struct Solver {
    /// `M a`, its error `M (a - a0)`, and the same of the search direction.
    momentum: Vec<f64>,
    gradient: Vec<f64>,
    search: Vec<f64>,
    search_momentum: Vec<f64>,
    hessian: Vec<f64>,
    /// Of each row: `J a - aref`, `J search`, force, and whether it answers to a change.
    error: Vec<f64>,
    rate: Vec<f64>,
    force: Vec<f64>,
    active: Vec<bool>,
}

impl Solver {
    pub fn new(dofs: usize) -> Self {
        let zeros = |count: usize| vec![0.0; count];
        Self {
            momentum: zeros(dofs),
            gradient: zeros(dofs),
            search: zeros(dofs),
            search_momentum: zeros(dofs),
            hessian: zeros(dofs * dofs),
            error: Vec::new(),
            rate: Vec::new(),
            force: Vec::new(),
            active: Vec::new(),
        }
    }
}

/// Cost, slope and curvature of a row at an error.
#[inline(always)]
fn row_cost(law: Law, stiffness: f64, error: f64) -> (f64, f64, f64) {
    match law {
        Law::Push if error >= 0.0 => (0.0, 0.0, 0.0),
        Law::Friction(most) => {
            let bend = most / stiffness;
            if error.abs() < bend {
                (0.5 * stiffness * error * error, stiffness * error, stiffness)
            } else {
                (most * (error.abs() - 0.5 * bend), most * error.signum(), 0.0)
            }
        }
        _ => (0.5 * stiffness * error * error, stiffness * error, stiffness),
    }
}

impl Model {
    /// The accelerations under all constraints, and the constraints' generalised forces.
    pub(crate) fn solve_constraints(&self, state: &State, work: &mut Workspace) {
        let count = self.dofs.len();
        work.constraint_force.fill(0.0);
        if work.rows.len() == 0 {
            work.acceleration.copy_from_slice(&work.smooth);
            return;
        }
        let rows = std::mem::take(&mut work.rows);
        let mut solver = std::mem::replace(&mut work.solver, Solver::new(0));
        solver.error.resize(rows.len(), 0.0);
        solver.rate.resize(rows.len(), 0.0);
        solver.force.resize(rows.len(), 0.0);
        solver.active.resize(rows.len(), false);
        // Start from the last accelerations or from the unconstrained ones, whichever cost less.
        work.acceleration.copy_from_slice(&state.warm);
        let mut cost = self.evaluate(&rows, work, &mut solver);
        let free = rows_cost(&rows, &work.smooth);
        if free < cost || !cost.is_finite() {
            work.acceleration.copy_from_slice(&work.smooth);
            cost = self.evaluate(&rows, work, &mut solver);
        }
        let scale = 1.0 / (self.mean_inertia * count.max(1) as f64);
        for _ in 0..self.options.iterations {
            self.gradient(&rows, work, &mut solver);
            let norm = solver.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            if norm * scale < self.options.tolerance {
                break;
            }
            self.search_direction(&rows, work, &mut solver);
            let step = self.line_search(&rows, work, &mut solver, scale);
            if step == 0.0 {
                break;
            }
            for (a, s) in work.acceleration.iter_mut().zip(&solver.search) {
                *a += step * s;
            }
            let next = self.evaluate(&rows, work, &mut solver);
            let gain = (cost - next) * scale;
            cost = next;
            if gain < self.options.tolerance {
                break;
            }
        }
        for row in 0..rows.len() {
            let force = solver.force[row];
            if force != 0.0 {
                let (columns, values) = rows.entries(row);
                for (&column, value) in columns.iter().zip(values) {
                    work.constraint_force[column] += value * force;
                }
            }
        }
        work.rows = rows;
        work.solver = solver;
    }

    /// The cost of the accelerations; also the errors and forces of the rows.
    fn evaluate(&self, rows: &Rows, work: &mut Workspace, solver: &mut Solver) -> f64 {
        self.times_mass(&work.mass, &work.acceleration, &mut solver.momentum);
        let mut cost = 0.0;
        for ((momentum, force), (a, free)) in solver
            .momentum
            .iter()
            .zip(&work.smooth_force)
            .zip(work.acceleration.iter().zip(&work.smooth))
        {
            cost += 0.5 * (momentum - force) * (a - free);
        }
        for row in 0..rows.len() {
            let error = rows.dot(row, &work.acceleration) - rows.target[row];
            let (part, slope, curvature) = row_cost(rows.law[row], rows.stiffness[row], error);
            cost += part;
            solver.error[row] = error;
            solver.force[row] = -slope;
            solver.active[row] = curvature > 0.0;
        }
        cost
    }

    fn gradient(&self, rows: &Rows, work: &Workspace, solver: &mut Solver) {
        for ((gradient, momentum), force) in
            solver.gradient.iter_mut().zip(&solver.momentum).zip(&work.smooth_force)
        {
            *gradient = momentum - force;
        }
        for row in 0..rows.len() {
            let force = solver.force[row];
            if force != 0.0 {
                let (columns, values) = rows.entries(row);
                for (&column, value) in columns.iter().zip(values) {
                    solver.gradient[column] -= value * force;
                }
            }
        }
    }

    /// `search = -H^-1 gradient` with `H = M + J' D J` over the active rows.
    fn search_direction(&self, rows: &Rows, work: &Workspace, solver: &mut Solver) {
        let count = self.dofs.len();
        let hessian = &mut solver.hessian;
        hessian.copy_from_slice(&work.mass);
        for row in 0..rows.len() {
            if !solver.active[row] {
                continue;
            }
            let (columns, values) = rows.entries(row);
            let stiffness = rows.stiffness[row];
            for (k, (&i, value)) in columns.iter().zip(values).enumerate() {
                let scaled = stiffness * value;
                for (&j, other) in columns[..=k].iter().zip(&values[..=k]) {
                    let at = if i > j { i * count + j } else { j * count + i };
                    hessian[at] += scaled * other;
                }
            }
        }
        solver.search.copy_from_slice(&solver.gradient);
        cholesky_solve(hessian, count, &mut solver.search);
        solver.search.iter_mut().for_each(|s| *s = -*s);
    }

    /// The step along the search direction with the least cost: Newton's method in one dimension, kept within a
    /// bracket. 0 if there is nothing to gain.
    fn line_search(&self, rows: &Rows, work: &Workspace, solver: &mut Solver, scale: f64) -> f64 {
        self.times_mass(&work.mass, &solver.search, &mut solver.search_momentum);
        let (mut linear, mut quadratic) = (0.0, 0.0);
        for ((s, momentum), (p, force)) in solver
            .search
            .iter()
            .zip(&solver.search_momentum)
            .zip(solver.momentum.iter().zip(&work.smooth_force))
        {
            linear += s * (p - force);
            quadratic += s * momentum;
        }
        for row in 0..rows.len() {
            solver.rate[row] = rows.dot(row, &solver.search);
        }
        let slope = |step: f64| {
            let (mut first, mut second) = (linear + step * quadratic, quadratic);
            for row in 0..rows.len() {
                let (error, rate) = (solver.error[row], solver.rate[row]);
                let (_, slope, curvature) =
                    row_cost(rows.law[row], rows.stiffness[row], error + step * rate);
                first += slope * rate;
                second += curvature * rate * rate;
            }
            (first, second)
        };
        let norm = solver.search.iter().map(|s| s * s).sum::<f64>().sqrt();
        let tolerance = self.options.tolerance * 0.01 * norm / scale;
        let (start, curvature) = slope(0.0);
        if !(start < 0.0 && curvature > 0.0) {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut step = -start / curvature;
        for _ in 0..50 {
            let (first, second) = slope(step);
            if first.abs() < tolerance {
                return step;
            }
            if first < 0.0 {
                low = step
            } else {
                high = step
            }
            let newton = step - first / second;
            let inside = newton > low && newton < high;
            let next = if inside { newton } else { 0.5 * (low + high.min(2.0 * step)) };
            if next == step {
                return step;
            }
            step = next;
        }
        step
    }
}

/// The cost of the rows alone.
fn rows_cost(rows: &Rows, acceleration: &[f64]) -> f64 {
    (0..rows.len())
        .map(|row| {
            let error = rows.dot(row, acceleration) - rows.target[row];
            row_cost(rows.law[row], rows.stiffness[row], error).0
        })
        .sum()
}

/// Factors the lower triangle of a positive definite matrix in place and solves with it in place.
fn cholesky_solve(matrix: &mut [f64], count: usize, x: &mut [f64]) {
    for i in 0..count {
        let (above, rest) = matrix.split_at_mut(i * count);
        let row = &mut rest[..count];
        for j in 0..=i {
            let other = if j < i { &above[j * count..][..count] } else { &row[..] };
            let sum: f64 = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
            let value = row[j] - sum;
            row[j] = if j < i { value / above[j * count + j] } else { value.max(1e-15).sqrt() };
        }
    }
    for i in 0..count {
        let row = &matrix[i * count..][..count];
        let sum: f64 = row[..i].iter().zip(&x[..i]).map(|(a, b)| a * b).sum();
        x[i] = (x[i] - sum) / row[i];
    }
    for i in (0..count).rev() {
        x[i] /= matrix[i * count + i];
        let value = x[i];
        for j in 0..i {
            x[j] -= matrix[i * count + j] * value;
        }
    }
}
