//! What bodies do is what mechanics says.

use housecat_physics::*;
use nalgebra::Translation3;

fn body(name: &str, parent: usize, at: [f64; 3], joints: Vec<Joint>, geoms: Vec<Geom>) -> Body {
    Body {
        name: name.to_owned(),
        parent,
        pose: Pose::from_parts(
            Translation3::from(Vec3::from(at)),
            nalgebra::UnitQuaternion::identity(),
        ),
        joints,
        geoms,
        inertia: None,
        gravity_compensation: 0.0,
    }
}

fn joint(name: &str, kind: JointKind, axis: [f64; 3]) -> Joint {
    Joint {
        name: name.to_owned(),
        kind,
        anchor: Vec3::zeros(),
        axis: Vec3::from(axis),
        reference: 0.0,
        stiffness: 0.0,
        rest: 0.0,
        damping: 0.0,
        armature: 0.0,
        friction_loss: 0.0,
        friction_softness: Softness::default(),
        limit: None,
        margin: 0.0,
        limit_softness: Softness::default(),
    }
}

fn geom(shape: Shape, at: [f64; 3], mass: f64) -> Geom {
    Geom {
        name: "g".to_owned(),
        shape,
        pose: Pose::from_parts(
            Translation3::from(Vec3::from(at)),
            nalgebra::UnitQuaternion::identity(),
        ),
        mass: Mass::Total(mass),
        friction: [0.5, 0.005, 0.0001],
        contype: 1,
        conaffinity: 1,
        condim: 3,
        priority: 0,
        softness: Softness::default(),
        mix: 1.0,
        margin: 0.0,
    }
}

fn world(bodies: Vec<Body>, options: Options) -> Description {
    Description {
        options,
        bodies,
        sites: vec![],
        tendons: vec![],
        equalities: vec![],
        actuators: vec![],
        excludes: vec![],
        pairs: vec![],
    }
}

fn ground() -> Body {
    body("world", 0, [0.0; 3], vec![], vec![geom(Shape::Plane, [0.0; 3], 0.0)])
}

fn empty() -> Body {
    body("world", 0, [0.0; 3], vec![], vec![])
}

fn cube(half: f64) -> Shape {
    Shape::Box { half: Vec3::new(half, half, half) }
}

fn double_pendulum(options: Options) -> Model {
    let rod = || geom(Shape::Capsule { radius: 0.02, half_length: 0.25 }, [0.0, 0.0, -0.25], 1.0);
    let hinge = |name| joint(name, JointKind::Hinge, [0.0, 1.0, 0.0]);
    let mut description = world(
        vec![
            empty(),
            body("upper", 0, [0.0, 0.0, 0.0], vec![hinge("a")], vec![rod()]),
            body("lower", 1, [0.0, 0.0, -0.5], vec![hinge("b")], vec![rod()]),
        ],
        options,
    );
    description.options.contacts = false;
    Model::new(&description).unwrap()
}

fn run(model: &Model, state: &mut State, seconds: f64) {
    let mut work = Workspace::new(model);
    let steps = (seconds / model.options().timestep).round() as usize;
    (0..steps).for_each(|_| model.step(state, &mut work));
}

#[test]
fn a_double_pendulum_keeps_its_energy() {
    let options =
        Options { timestep: 0.002, integrator: Integrator::RungeKutta4, ..Options::default() };
    let model = double_pendulum(options);
    let mut state = model.initial().clone();
    state.position.copy_from_slice(&[2.0, -1.0]);
    let mut work = Workspace::new(&model);
    let before: f64 = model.energy(&state, &mut work).iter().sum();
    run(&model, &mut state, 10.0);
    let after: f64 = model.energy(&state, &mut work).iter().sum();
    assert!((after - before).abs() < 1e-4 * 9.81, "{before} became {after}");
}

#[test]
fn a_thrown_body_tumbles_and_keeps_its_momentum() {
    let options = Options { integrator: Integrator::RungeKutta4, ..Options::default() };
    let brick = Shape::Box { half: Vec3::new(0.1, 0.2, 0.3) };
    let free = joint("free", JointKind::Free, [0.0, 0.0, 1.0]);
    let brick = body("brick", 0, [0.0, 0.0, 5.0], vec![free], vec![geom(brick, [0.0; 3], 2.0)]);
    let model = Model::new(&world(vec![empty(), brick], options)).unwrap();
    let mut state = model.initial().clone();
    state.velocity.copy_from_slice(&[1.0, 0.0, 2.0, 0.3, 5.0, 0.2]);
    // About the long axis's neighbours: the intermediate axis, where the turn is unstable.
    let inertia = [2.0 / 3.0 * 0.13, 2.0 / 3.0 * 0.10, 2.0 / 3.0 * 0.05];
    let momentum = |state: &State| {
        let mut work = Workspace::new(&model);
        model.locate(state, &mut work);
        let local = Vec3::new(
            inertia[0] * state.velocity[3],
            inertia[1] * state.velocity[4],
            inertia[2] * state.velocity[5],
        );
        work.pose(1).rotation * local
    };
    let before = momentum(&state);
    run(&model, &mut state, 1.0);
    assert!((momentum(&state) - before).norm() < 1e-5, "{} {before}", momentum(&state));
    let want = [1.0, 0.0, 5.0 + 2.0 - 0.5 * 9.81];
    for (got, want) in state.position.iter().zip(want) {
        assert!((got - want).abs() < 1e-9, "{:?}", state.position);
    }
}

#[test]
fn a_sliding_block_stops_where_friction_says() {
    let free = joint("free", JointKind::Free, [0.0, 0.0, 1.0]);
    let slab = Shape::Box { half: Vec3::new(0.2, 0.2, 0.02) };
    let block = body("block", 0, [0.0, 0.0, 0.02], vec![free], vec![geom(slab, [0.0; 3], 1.0)]);
    let model = Model::new(&world(
        vec![ground(), block],
        Options { timestep: 0.001, ..Options::default() },
    ))
    .unwrap();
    let mut state = model.initial().clone();
    run(&model, &mut state, 0.2);
    let start = state.position[0];
    state.velocity[0] = 2.0;
    run(&model, &mut state, 1.0);
    let way = state.position[0] - start;
    let want = 2.0 * 2.0 / (2.0 * 0.5 * 9.81);
    assert!((way - want).abs() < 0.03 * want, "{way} instead of {want}");
}

#[test]
fn stacked_cubes_rest() {
    let free = |name| joint(name, JointKind::Free, [0.0, 0.0, 1.0]);
    let mut bodies = vec![ground()];
    for (level, name) in ["a", "b", "c"].into_iter().enumerate() {
        let height = 0.05 + 0.1 * level as f64;
        bodies.push(body(
            name,
            0,
            [0.0, 0.0, height],
            vec![free(name)],
            vec![geom(cube(0.05), [0.0; 3], 0.5)],
        ));
    }
    let model = Model::new(&world(bodies, Options::default())).unwrap();
    let mut state = model.initial().clone();
    run(&model, &mut state, 1.0);
    let settled = state.position.clone();
    run(&model, &mut state, 10.0);
    for (now, then) in state.position.iter().zip(&settled) {
        assert!((now - then).abs() < 1e-4, "{now} was {then}");
    }
}

#[test]
fn a_restored_state_continues_with_the_same_bits() {
    let free = joint("free", JointKind::Free, [0.0, 0.0, 1.0]);
    let block = body("block", 0, [0.0, 0.0, 0.5], vec![free], vec![geom(cube(0.1), [0.0; 3], 1.0)]);
    let model = Model::new(&world(vec![ground(), block], Options::default())).unwrap();
    let mut state = model.initial().clone();
    state.velocity.copy_from_slice(&[0.5, 0.2, 0.0, 3.0, 1.0, -2.0]);
    run(&model, &mut state, 0.5);
    let mut copy = state.clone();
    run(&model, &mut state, 2.0);
    run(&model, &mut copy, 2.0);
    assert_eq!(state, copy);
    assert!(state.position[2] > 0.09 && state.position[2] < 0.2, "{:?}", state.position);
}

#[test]
fn what_cannot_move_sensibly_is_refused() {
    let free = joint("free", JointKind::Free, [0.0, 0.0, 1.0]);
    let ghost = body("ghost", 0, [0.0; 3], vec![free], vec![]);
    let error = Model::new(&world(vec![empty(), ghost], Options::default())).unwrap_err();
    assert!(error.to_string().contains("ghost"), "{error}");
    let options = Options { timestep: 0.0, ..Options::default() };
    let error = Model::new(&world(vec![empty()], options)).unwrap_err();
    assert!(error.to_string().contains("time step"), "{error}");
}
