//! Steps in time.

use crate::{Integrator, Model, State, Workspace};

impl Model {
    /// Advances a state by one time step under its controls.
    pub fn step(&self, state: &mut State, work: &mut Workspace) {
        self.forward(state, work);
        // The next step's solver starts from the accelerations of this one's.
        state.warm.copy_from_slice(&work.acceleration);
        match self.options.integrator {
            Integrator::Euler => {
                if self.damped {
                    self.implicit(work, false);
                }
                self.advance(state, work);
            }
            Integrator::ImplicitFast => {
                self.implicit(work, true);
                self.advance(state, work);
            }
            Integrator::RungeKutta4 => self.runge_kutta(state, work),
        }
    }

    /// The accelerations of a state, without moving it.
    pub fn forward(&self, state: &State, work: &mut Workspace) {
        self.locate(state, work);
        self.mass_matrix(work);
        self.collide(work);
        self.bias(state, work);
        self.passive(state, work);
        self.actuation(state, work);
        for dof in 0..self.dofs.len() {
            work.smooth_force[dof] = work.passive[dof] + work.actuation[dof] - work.bias[dof];
        }
        work.smooth.copy_from_slice(&work.smooth_force);
        self.solve(&work.factor, &work.pivots, &mut work.smooth);
        self.constrain(state, work);
        self.solve_constraints(state, work);
    }

    /// Replaces the accelerations by those of forces that answer to the velocity at the end of the step:
    /// `(M - h dF/dv) a = F`, F with the constraints' forces.
    fn implicit(&self, work: &mut Workspace, actuators: bool) {
        let count = self.dofs.len();
        let seconds = self.options.timestep;
        work.implicit.copy_from_slice(&work.mass);
        for (dof, entry) in self.dofs.iter().enumerate() {
            work.implicit[dof * count + dof] += seconds * entry.damping;
        }
        if actuators {
            for actuator in 0..self.actuators.len() {
                let slope = work.actuator_slopes[actuator];
                let row = &work.actuator_rows[actuator * count..][..count];
                self.add_outer(&mut work.implicit, row, -seconds * slope);
            }
            for (tendon, cord) in self.tendons.iter().enumerate() {
                let row = &work.tendon_rows[tendon * count..][..count];
                self.add_outer(&mut work.implicit, row, seconds * cord.tendon.damping);
            }
        }
        self.factorise(&mut work.implicit, &mut work.implicit_pivots);
        for dof in 0..count {
            work.acceleration[dof] = work.smooth_force[dof] + work.constraint_force[dof];
        }
        self.solve(&work.implicit, &work.implicit_pivots, &mut work.acceleration);
    }

    /// Adds `factor row' row`, as far as the tree's sparsity has room for it.
    fn add_outer(&self, matrix: &mut [f64], row: &[f64], factor: f64) {
        if factor == 0.0 {
            return;
        }
        let count = self.dofs.len();
        for i in (0..count).filter(|&i| row[i] != 0.0) {
            let mut j = i;
            while j != crate::model::NONE {
                matrix[i * count + j] += factor * row[i] * row[j];
                j = self.dofs[j].parent;
            }
        }
    }

    /// Semi-implicit Euler: velocities by the accelerations, then positions by the new velocities.
    fn advance(&self, state: &mut State, work: &mut Workspace) {
        let seconds = self.options.timestep;
        self.activate(&mut state.activation, &work.activation_rate, seconds);
        for (velocity, acceleration) in state.velocity.iter_mut().zip(&work.acceleration) {
            *velocity += seconds * acceleration;
        }
        self.drift(&mut state.position, &state.velocity, seconds);
        state.time += seconds;
    }

    /// The classical fourth-order method; the first stage has been evaluated.
    fn runge_kutta(&self, state: &mut State, work: &mut Workspace) {
        let seconds = self.options.timestep;
        let start = state.clone();
        let mut velocity = start.velocity.clone();
        let mut acceleration = work.acceleration.clone();
        let mut rates = work.activation_rate.clone();
        let sum = |total: &mut [f64], part: &[f64], weight: f64| {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += weight * p);
        };
        for (part, weight) in [(0.5, 2.0), (0.5, 2.0), (1.0, 1.0)] {
            let drift = state.velocity.clone();
            state.position.copy_from_slice(&start.position);
            self.drift(&mut state.position, &drift, part * seconds);
            state.velocity.copy_from_slice(&start.velocity);
            sum(&mut state.velocity, &work.acceleration, part * seconds);
            state.activation.copy_from_slice(&start.activation);
            sum(&mut state.activation, &work.activation_rate, part * seconds);
            state.time = start.time + part * seconds;
            self.forward(state, work);
            sum(&mut velocity, &state.velocity, weight);
            sum(&mut acceleration, &work.acceleration, weight);
            sum(&mut rates, &work.activation_rate, weight);
        }
        [&mut velocity, &mut acceleration, &mut rates]
            .into_iter()
            .for_each(|total| total.iter_mut().for_each(|value| *value /= 6.0));
        state.position.copy_from_slice(&start.position);
        self.drift(&mut state.position, &velocity, seconds);
        state.velocity.copy_from_slice(&start.velocity);
        sum(&mut state.velocity, &acceleration, seconds);
        state.activation.copy_from_slice(&start.activation);
        self.activate(&mut state.activation, &rates, seconds);
        state.time = start.time + seconds;
    }
}
