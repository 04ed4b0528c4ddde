//! The tree: bodies, frames, joints, geoms, sites, masses, classes.

use super::*;
use housecat_physics::{JointKind, Mass, Shape, Softness, Vec3};

const HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// w x y z.
fn turn(body: &Body) -> [f64; 4] {
    let turn = body.pose.rotation;
    [turn.w, turn.i, turn.j, turn.k]
}

#[test]
fn bodies_come_in_the_order_of_the_file_and_have_names() {
    let file = world(
        "<body name='a'><body/><body name='b' pos='1 2 3' gravcomp='0.5'/></body><body name='body 2'/>",
    );
    let names: Vec<_> = file.description.bodies.iter().map(|body| body.name.as_str()).collect();
    assert_eq!(names, ["world", "a", "body 2'", "b", "body 2"]);
    assert_eq!(file.scene.bodies, names);
    let parents: Vec<_> = file.description.bodies.iter().map(|body| body.parent).collect();
    assert_eq!(parents, [0, 0, 1, 1, 0]);
    let b = body(&file, "b");
    assert_eq!(b.pose.translation.vector, Vec3::new(1.0, 2.0, 3.0));
    assert_eq!((b.gravity_compensation, b.inertia), (0.5, None));
}

#[test]
fn orientations_agree() {
    let quarter = std::f64::consts::FRAC_PI_2;
    let file = world(&format!(
        "<body name='quat' quat='2 2 0 0'/><body name='axisangle' axisangle='3 0 0 {quarter}'/>
         <body name='euler' euler='{quarter} 0 0'/><body name='xyaxes' xyaxes='2 0 0 1 0 3'/>
         <body name='zaxis' zaxis='0 -5 0'/>"
    ));
    for body in &file.description.bodies[1..] {
        near(turn(body), [HALF, HALF, 0.0, 0.0]);
    }
}

#[test]
fn euler_angles_turn_about_moving_or_fixed_axes() {
    let read_euler = |sequence: &str| {
        let file = read(&format!(
            "<compiler eulerseq='{sequence}'/><worldbody><body name='b' euler='90 90 0'/></worldbody>"
        ));
        turn(body(&file, "b"))
    };
    near(read_euler("xyz"), [0.5, 0.5, 0.5, 0.5]);
    near(read_euler("XYZ"), [0.5, 0.5, 0.5, -0.5]);
    near(read_euler("yxz"), [0.5, 0.5, 0.5, -0.5]);
    near(read_euler("zXY"), [0.5, 0.5, -0.5, 0.5]);
}

#[test]
fn joints_are_read_to_the_last_attribute() {
    let file = world(
        "<body><joint name='h' type='hinge' pos='1 2 3' axis='0 0 2' range='-1 2' ref='0.5'
          springref='0.25' stiffness='3' damping='4' armature='5' frictionloss='6' margin='7'
          solreflimit='0.1 2' solimplimit='0.8 0.9 0.01' solreffriction='0.3' solimpfriction='0.7'/>
          <joint name='s' type='slide' axis='1 0 0' limited='false' range='0 1'/></body>
         <body><joint name='b' type='ball' range='0 1'/></body>
         <body><joint name='f' type='free'/></body><body><freejoint name='g'/></body>",
    );
    let h = joint(&file, "h");
    assert_eq!((h.kind, h.anchor, h.axis), (JointKind::Hinge, Vec3::new(1.0, 2.0, 3.0), Vec3::z()));
    assert_eq!((h.limit, h.reference, h.rest), (Some([-1.0, 2.0]), 0.5, 0.25));
    assert_eq!([h.stiffness, h.damping, h.armature], [3.0, 4.0, 5.0]);
    assert_eq!([h.friction_loss, h.margin], [6.0, 7.0]);
    let limit = Softness { reference: [0.1, 2.0], impedance: [0.8, 0.9, 0.01, 0.5, 2.0] };
    let friction = Softness { reference: [0.3, 1.0], impedance: [0.7, 0.95, 0.001, 0.5, 2.0] };
    assert_eq!((h.limit_softness, h.friction_softness), (limit, friction));
    let s = joint(&file, "s");
    assert_eq!((s.kind, s.axis, s.limit), (JointKind::Slide, Vec3::x(), None));
    let b = joint(&file, "b");
    assert_eq!((b.kind, b.limit), (JointKind::Ball, Some([0.0, 1.0])));
    for name in ["f", "g"] {
        assert_eq!(joint(&file, name).kind, JointKind::Free);
    }
}

#[test]
fn angles_are_degrees_unless_the_compiler_says_otherwise() {
    let file = read(
        "<worldbody><body><joint name='h' range='-90 180' ref='90' springref='45'/>
         <joint name='s' type='slide' range='-90 180' ref='90' springref='45'/></body></worldbody>",
    );
    let pi = std::f64::consts::PI;
    let h = joint(&file, "h");
    assert_eq!((h.limit, h.reference, h.rest), (Some([-pi / 2.0, pi]), pi / 2.0, pi / 4.0));
    let s = joint(&file, "s");
    assert_eq!((s.limit, s.reference, s.rest), (Some([-90.0, 180.0]), 90.0, 45.0));
}

#[test]
fn a_spring_and_damper_follow_from_how_they_swing() {
    let file = world(
        "<body><joint name='j' type='slide' axis='0 0 1' springdamper='0.5 2'/>
         <geom type='box' size='1 1 1' mass='3'/></body>",
    );
    // Inertia over time constant and ratio squared; twice the inertia over the time constant.
    near([joint(&file, "j").stiffness, joint(&file, "j").damping], [3.0, 12.0]);
}

#[test]
fn geoms_are_read_to_the_last_attribute() {
    let file = world(
        "<geom name='floor' type='plane' size='1 2 0.1'/>
         <body><geom name='s' size='1' pos='1 2 3' mass='4' friction='0.1 0.2' contype='2' conaffinity='3'
          condim='6' priority='7' solmix='8' solref='-1 -2' solimp='0.1 0.2 0.3 0.4 5' margin='0.6'/>
         <geom name='c' type='capsule' size='1 2' density='5'/><geom name='y' type='cylinder' size='3 4'/>
         <geom name='e' type='ellipsoid' size='1 2 3'/><geom name='b' type='box' size='4 5 6'/></body>",
    );
    assert_eq!(geom(&file, "floor").shape, Shape::Plane);
    let s = geom(&file, "s");
    assert_eq!((&s.shape, s.mass), (&Shape::Sphere { radius: 1.0 }, Mass::Total(4.0)));
    assert_eq!(s.pose.translation.vector, Vec3::new(1.0, 2.0, 3.0));
    assert_eq!((s.friction, s.contype, s.conaffinity), ([0.1, 0.2, 0.0001], 2, 3));
    assert_eq!((s.condim, s.priority, s.mix, s.margin), (6, 7, 8.0, 0.6));
    let soft = Softness { reference: [-1.0, -2.0], impedance: [0.1, 0.2, 0.3, 0.4, 5.0] };
    assert_eq!(s.softness, soft);
    let c = geom(&file, "c");
    assert_eq!(c.shape, Shape::Capsule { radius: 1.0, half_length: 2.0 });
    assert_eq!((c.mass, c.friction), (Mass::Density(5.0), [1.0, 0.005, 0.0001]));
    assert_eq!((c.contype, c.conaffinity, c.condim, c.softness), (1, 1, 3, Softness::default()));
    assert_eq!(geom(&file, "y").shape, Shape::Cylinder { radius: 3.0, half_length: 4.0 });
    assert_eq!(geom(&file, "y").mass, Mass::Density(1000.0));
    assert_eq!(geom(&file, "e").shape, Shape::Ellipsoid { radii: Vec3::new(1.0, 2.0, 3.0) });
    assert_eq!(geom(&file, "b").shape, Shape::Box { half: Vec3::new(4.0, 5.0, 6.0) });
}

#[test]
fn ends_place_a_geom() {
    let file = world(
        "<geom name='c' type='capsule' fromto='0 1 0 0 3 0' size='0.1'/>
         <geom name='b' type='box' fromto='0 0 0 0 0 4' size='0.2'/>
         <site name='s' type='capsule' fromto='1 0 0 3 0 0' size='0.1'/>",
    );
    let c = geom(&file, "c");
    assert_eq!(c.shape, Shape::Capsule { radius: 0.1, half_length: 1.0 });
    assert_eq!(c.pose.translation.vector, Vec3::new(0.0, 2.0, 0.0));
    near((c.pose.rotation * Vec3::z()).iter().copied(), [0.0, -1.0, 0.0]);
    let b = geom(&file, "b");
    assert_eq!(b.shape, Shape::Box { half: Vec3::new(0.2, 0.2, 2.0) });
    assert_eq!(file.description.sites[0].pose.translation.vector, Vec3::new(2.0, 0.0, 0.0));
}

#[test]
fn frames_move_what_they_hold() {
    let file = world(
        "<frame pos='1 0 0' quat='1 0 0 1'><frame pos='0 0 1'>
           <body name='b' pos='1 0 0'><frame pos='0 1 0' quat='1 1 0 0'>
             <joint name='j' axis='0 0 1' pos='0 0 1'/><geom name='g' size='1' pos='0 0 1'/>
             <site name='s' pos='0 0 1'/></frame></body></frame></frame>",
    );
    let b = body(&file, "b");
    near(b.pose.translation.vector.iter().copied(), [1.0, 1.0, 1.0]);
    near(turn(b), [HALF, 0.0, 0.0, HALF]);
    let j = joint(&file, "j");
    near(j.axis.iter().copied(), [0.0, -1.0, 0.0]);
    near(j.anchor.iter().copied(), [0.0, 0.0, 0.0]);
    near(geom(&file, "g").pose.translation.vector.iter().copied(), [0.0, 0.0, 0.0]);
    near(file.description.sites[0].pose.translation.vector.iter().copied(), [0.0, 0.0, 0.0]);
}

#[test]
fn replication_moves_each_copy_against_the_one_before() {
    let file = world(
        "<replicate count='11' offset='0 0 2' sep='-'><body name='b' pos='1 0 0'><geom name='g' size='1'/>
         </body></replicate>",
    );
    assert_eq!(file.description.bodies.len(), 12);
    let last = body(&file, "b-10");
    assert_eq!(last.pose.translation.vector, Vec3::new(1.0, 0.0, 20.0));
    assert_eq!(file.description.bodies[1].name, "b-00");
    assert_eq!(last.geoms[0].name, "g-10");
    assert!(
        refused("<worldbody><replicate count='1000000000'/></worldbody>").contains("<replicate>")
    );
}

#[test]
fn explicit_inertias_are_those_of_the_file() {
    let file = world(
        "<body name='d'><inertial pos='1 2 3' mass='4' diaginertia='5 6 7'/></body>
         <body name='f'><inertial pos='0 0 0' mass='4' fullinertia='5 6 7 0.1 0.2 0.3'/></body>",
    );
    let d = body(&file, "d").inertia.unwrap();
    assert_eq!((d.mass, d.pose.translation.vector), (4.0, Vec3::new(1.0, 2.0, 3.0)));
    assert_eq!(d.tensor.diagonal(), Vec3::new(5.0, 6.0, 7.0));
    let f = body(&file, "f").inertia.unwrap().tensor;
    assert_eq!([f[(0, 1)], f[(0, 2)], f[(1, 2)]], [0.1, 0.2, 0.3]);
}

#[test]
fn the_compiler_decides_about_masses() {
    let with = |compiler: &str| {
        read(&format!(
            "<compiler {compiler}/><worldbody><body name='a'>
             <inertial pos='0 0 0' mass='1' diaginertia='1 1 3'/>
             <geom type='box' size='0.5 0.5 0.5' density='2'/></body>
             <body name='b'><geom type='box' size='0.5 0.5 0.5' density='2'/>
             <geom size='1' group='2' mass='5'/></body></worldbody>"
        ))
    };
    let mass = |file: &SceneFile, name| body(file, name).weigh().unwrap().mass;
    let masses = |compiler| {
        let file = with(compiler);
        [mass(&file, "a"), mass(&file, "b")]
    };
    assert_eq!(masses("balanceinertia='true'"), [1.0, 7.0]);
    assert_eq!(masses("inertiafromgeom='true'"), [2.0, 7.0]);
    assert_eq!(masses("inertiafromgeom='false' balanceinertia='true'"), [1.0, 0.0]);
    assert_eq!(masses("inertiagrouprange='0 1' balanceinertia='true'"), [1.0, 2.0]);
    near(masses("settotalmass='4' balanceinertia='true'"), [0.5, 3.5]);
    assert_eq!(masses("boundmass='3' balanceinertia='true'"), [3.0, 7.0]);
    let balanced = with("balanceinertia='true' boundinertia='2'");
    near(body(&balanced, "a").inertia.unwrap().tensor.diagonal().iter().copied(), [2.0; 3]);
    near(
        body(&balanced, "b").inertia.unwrap().tensor.diagonal().iter().copied(),
        [2.333333333333333; 3],
    );
}

#[test]
fn meshes_weigh_what_they_weigh_in_mujoco() {
    // Two boxes in an L; the figures are those of MuJoCo 3.17.
    let (mut corners, mut faces) = (String::new(), String::new());
    for (index, [x0, x1, y0, y1]) in
        [[0.0, 1.0, 0.0, 0.1], [0.0, 0.1, 0.1, 1.0]].into_iter().enumerate()
    {
        for x in [x0, x1] {
            for y in [y0, y1] {
                corners += &format!("{x} {y} 0 {x} {y} 0.1 ");
            }
        }
        let quads =
            [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]];
        for quad in quads {
            let [a, b, c, d] = quad.map(|corner| corner + 8 * index);
            faces += &format!("{a} {b} {c} {a} {c} {d} ");
        }
    }
    let weigh = |inertia: &str| {
        let file = read(&format!(
            "<asset><mesh name='m' vertex='{corners}' face='{faces}' {inertia}/></asset>
             <worldbody><body name='b'><geom type='mesh' mesh='m' density='1'/></body></worldbody>"
        ));
        let weight = body(&file, "b").weigh().unwrap();
        [weight.mass, weight.pose.translation.x, weight.tensor.trace()]
    };
    let near = |one: [f64; 3], other: [f64; 3]| {
        assert!(one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-6), "{one:?} {other:?}");
    };
    near(weigh(""), [0.043984899, 0.29689203, 0.01226093]);
    near(weigh("inertia='legacy'"), [0.043984899, 0.29689203, 0.01226093]);
    near(weigh("inertia='exact'"), [0.019, 0.28684211, 0.00723205]);
    near(weigh("inertia='convex'"), [0.0595, 0.36386555, 0.01525175]);
}

#[test]
fn classes_hold_where_elements_are_silent() {
    let file = read(
        "<default><geom size='1' friction='0.1 0.2 0.3'/><joint damping='1'/>
           <default class='a'><geom friction='0.4'/>
             <default class='b'><geom size='2'/><joint damping='2'/></default></default></default>
         <worldbody><geom name='1'/><geom name='2' class='a'/><geom name='3' class='b' size='3'/>
           <body childclass='b'><joint name='j'/><geom name='4'/><geom name='5' class='main'/>
             <frame childclass='a'><geom name='6'/></frame>
             <body><geom name='7' friction='0.9 0.8'/></body></body></worldbody>",
    );
    let radius = |name| match geom(&file, name).shape {
        Shape::Sphere { radius } => radius,
        _ => f64::NAN,
    };
    assert_eq!(
        ["1", "2", "3", "4", "5", "6", "7"].map(radius),
        [1.0, 1.0, 3.0, 2.0, 1.0, 1.0, 2.0]
    );
    let friction = |name| geom(&file, name).friction;
    assert_eq!(friction("1"), [0.1, 0.2, 0.3]);
    assert_eq!(friction("2"), [0.4, 0.2, 0.3]);
    assert_eq!(friction("7"), [0.9, 0.8, 0.3]);
    assert_eq!(joint(&file, "j").damping, 2.0);
}

#[test]
fn a_mocap_body_stays_with_a_notice() {
    let file = world("<body name='hand' mocap='true' pos='1 0 0'><geom size='1'/></body>");
    assert!(body(&file, "hand").joints.is_empty());
    assert!(file.notices.iter().any(|notice| notice.contains("mocap body `hand`")));
}

#[test]
fn a_flat_height_field_is_a_slab() {
    let file = read(
        "<asset><hfield name='f' nrow='5' ncol='5' size='3 4 5 0.5'/></asset>
         <worldbody><geom name='g' type='hfield' hfield='f' pos='0 0 1'/></worldbody>",
    );
    assert_eq!(geom(&file, "g").shape, Shape::Box { half: Vec3::new(3.0, 4.0, 0.25) });
    assert_eq!(geom(&file, "g").pose.translation.z, 0.75);
}
