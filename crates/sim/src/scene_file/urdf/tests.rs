//! Robots in URDF.

use crate::SimError;
use crate::scene_file::{self, SceneFile};
use housecat_core::Geometry;
use housecat_physics::{JointKind, Shape, Target, Tie, Vec3};
use proptest::prelude::*;
use std::fs;

fn try_read(inside: &str, free: bool) -> Result<SceneFile, SimError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("robots").join("robot.urdf");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::create_dir_all(folder.path().join("meshes")).unwrap();
    let obj = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n";
    fs::write(folder.path().join("meshes/arm.obj"), obj).unwrap();
    fs::write(&path, format!("<robot name='r'>{inside}</robot>")).unwrap();
    scene_file::read(&path, free)
}

fn read(inside: &str) -> SceneFile {
    try_read(inside, false).unwrap_or_else(|error| panic!("{error}"))
}

fn noticed(file: &SceneFile, what: &str) -> bool {
    file.notices.iter().any(|notice| notice.contains(what))
}

const HEAVY: &str = "<inertial><origin xyz='1 2 3'/><mass value='4'/>
    <inertia ixx='1' iyy='1' izz='1' ixy='0.1' ixz='0.2' iyz='0.3'/></inertial>";

/// A base and an arm with this joint between them.
fn arm(joint: &str) -> String {
    format!("<link name='base'>{HEAVY}</link><link name='arm'>{HEAVY}</link>{joint}")
}

fn between(kind: &str, inside: &str) -> String {
    arm(&format!(
        "<joint name='j' type='{kind}'><parent link='base'/><child link='arm'/>{inside}</joint>"
    ))
}

#[test]
fn links_become_bodies() {
    let file = read(&between("revolute", "<origin xyz='1 2 3' rpy='0 0 1.5707963267948966'/><axis xyz='0 0 2'/>
        <limit lower='-1' upper='2' effort='5' velocity='3'/><dynamics damping='0.5' friction='0.25'/>"));
    let [world, base, link] = &file.description.bodies[..] else { panic!() };
    assert_eq!(
        (world.name.as_str(), base.name.as_str(), link.name.as_str()),
        ("world", "base", "arm")
    );
    assert_eq!((base.parent, link.parent, base.joints.len()), (0, 1, 0));
    let inertia = base.inertia.unwrap();
    assert_eq!((inertia.mass, inertia.pose.translation.vector), (4.0, Vec3::new(1.0, 2.0, 3.0)));
    assert_eq!((inertia.tensor[(0, 1)], inertia.tensor[(2, 1)]), (0.1, 0.3));
    let joint = &link.joints[0];
    assert_eq!(
        (joint.kind, joint.axis, joint.limit),
        (JointKind::Hinge, Vec3::z(), Some([-1.0, 2.0]))
    );
    assert_eq!((joint.damping, joint.friction_loss), (0.5, 0.25));
    assert_eq!(link.pose.translation.vector, Vec3::new(1.0, 2.0, 3.0));
    let turned = link.pose.rotation * Vec3::x();
    assert!((turned - Vec3::y()).norm() < 1e-12);
    let motor = &file.description.actuators[0];
    assert_eq!((motor.name.as_str(), &motor.target), ("j", &Target::Joint(0)));
    assert_eq!((motor.control, motor.gear[0]), (Some([-5.0, 5.0]), 1.0));
    assert!(noticed(&file, "the base is fixed"));
    assert_eq!(motor.bias, [0.0, 0.0, -5.0 / 3.0], "no force is left at 3 rad/s");
    assert_eq!(file.description.excludes, [[1, 2]]);
}

#[test]
fn joints_of_all_kinds() {
    let joints = |kind: &str| {
        read(&between(kind, "<axis xyz='0 1 0'/>")).description.bodies[2].joints.clone()
    };
    let kinds = |kind: &str| joints(kind).iter().map(|joint| joint.kind).collect::<Vec<_>>();
    assert_eq!(kinds("continuous"), [JointKind::Hinge]);
    assert_eq!(kinds("prismatic"), [JointKind::Slide]);
    assert_eq!(kinds("fixed"), []);
    assert_eq!(kinds("spherical"), [JointKind::Ball]);
    assert_eq!(kinds("planar"), [JointKind::Slide, JointKind::Slide, JointKind::Hinge]);
    let planar = joints("planar");
    assert!(planar[0].axis.dot(&Vec3::y()).abs() < 1e-12 && planar[2].axis == Vec3::y());
    let floating = try_read(&between("floating", ""), false).err().unwrap().to_string();
    assert!(floating.contains("floating joint below another link"), "{floating}");
    let world = "<link name='world'/><link name='a'><inertial><mass value='1'/><inertia ixx='1' iyy='1' izz='1'/></inertial></link>
        <joint name='j' type='floating'><parent link='world'/><child link='a'/></joint>";
    let file = read(world);
    assert_eq!(file.description.bodies.len(), 2);
    assert_eq!(file.description.bodies[1].joints[0].kind, JointKind::Free);
    assert!(file.description.actuators.is_empty() && noticed(&file, "`j` has no motor"));
    assert!(!noticed(&file, "the base is fixed"));
}

#[test]
fn a_base_may_be_free() {
    let file = try_read(&between("fixed", ""), true).unwrap();
    assert_eq!(file.description.bodies[1].joints[0].kind, JointKind::Free);
    let light = "<link name='base'/>";
    assert!(noticed(&try_read(light, true).unwrap(), "is fixed, although"));
    // A base without mass moves with what is fixed to it.
    let foot = format!(
        "<link name='foot'/><link name='trunk'>{HEAVY}</link>
        <joint name='j' type='fixed'><parent link='foot'/><child link='trunk'/></joint>"
    );
    assert_eq!(try_read(&foot, true).unwrap().description.bodies[1].joints.len(), 1);
}

#[test]
fn efforts_and_limits_that_are_missing_are_noticed() {
    let file = read(&between("revolute", "<limit lower='0' upper='-1' effort='0'/>"));
    assert_eq!(file.description.actuators[0].control, Some([-1.0, 1.0]));
    assert!(noticed(&file, "names no effort") && noticed(&file, "moves without limit"));
    assert_eq!(file.description.bodies[2].joints[0].limit, None);
}

#[test]
fn a_joint_that_mimics_has_no_motor() {
    let two = arm("<link name='hand'/>
        <joint name='b' type='continuous'><parent link='arm'/><child link='hand'/>
          <mimic joint='a' multiplier='2' offset='0.5'/></joint>
        <joint name='a' type='continuous'><parent link='base'/><child link='arm'/></joint>");
    let file = read(&two);
    assert_eq!(file.description.actuators.len(), 1);
    let Tie::Joints { follower: 1, leader: Some(0), polynomial } =
        file.description.equalities[0].tie
    else {
        panic!()
    };
    assert_eq!(polynomial, [0.5, 2.0, 0.0, 0.0, 0.0]);
}

#[test]
fn collisions_and_visuals() {
    let file = read("<material name='red'><color rgba='1 0 0 1'/></material>
      <link name='base'>
        <collision name='hull'><origin xyz='1 0 0'/><geometry><box size='2 4 6'/></geometry></collision>
        <collision><geometry><cylinder radius='1' length='4'/></geometry></collision>
        <collision><geometry><mesh filename='package://robot/meshes/arm.obj' scale='2 2 2'/></geometry></collision>
        <visual><geometry><sphere radius='3'/></geometry><material name='red'/></visual>
        <visual><geometry><capsule radius='1' length='2'/></geometry><material name='blue'><color rgba='0 0 1 0.5'/></material></visual>
        <visual><geometry><mesh filename='arm.dae'/></geometry></visual>
        <contact><lateral_friction value='0.3'/><rolling_friction value='1'/></contact></link>");
    let geoms = &file.description.bodies[1].geoms;
    assert_eq!(geoms[0].shape, Shape::Box { half: Vec3::new(1.0, 2.0, 3.0) });
    assert_eq!((geoms[0].name.as_str(), geoms[0].pose.translation.x), ("hull", 1.0));
    assert_eq!(geoms[1].shape, Shape::Cylinder { radius: 1.0, half_length: 2.0 });
    assert_eq!((geoms[1].name.as_str(), geoms[1].friction[0]), ("base 1", 0.3));
    let Shape::Mesh(mesh) = &geoms[2].shape else { panic!() };
    assert!(mesh.vertices.contains(&[2.0, 0.0, 0.0]));
    let shapes = &file.scene.shapes;
    assert_eq!(
        (shapes.len(), shapes[0].rgba, shapes[1].rgba),
        (2, [1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.5])
    );
    assert_eq!(shapes[1].geometry, Geometry::Capsule { radius: 1.0, half_length: 1.0 });
    assert_eq!(shapes[0].body, 1);
    assert!(noticed(&file, "the visual mesh arm.dae of link `base` is neither .obj nor .stl"));
    assert!(noticed(&file, "<rolling_friction> in <contact> has no effect"));
}

#[test]
fn a_missing_collision_mesh_is_loud() {
    let file = read(
        "<link name='base'><collision><geometry><mesh filename='nowhere.stl'/></geometry></collision></link>",
    );
    assert!(noticed(&file, "nowhere.stl of link `base` is missing: IT DOES NOT COLLIDE"));
}

#[test]
fn a_mass_without_inertia_is_spread_over_the_shapes() {
    let file = read(
        "<link name='base'><inertial><mass value='3'/></inertial>
        <collision><geometry><box size='2 2 2'/></geometry></collision></link>",
    );
    let inertia = file.description.bodies[1].inertia.unwrap();
    assert_eq!(inertia.mass, 3.0);
    assert!((inertia.tensor[(0, 0)] - 2.0).abs() < 1e-12);
    assert!(noticed(&file, "mass but no inertia"));
}

#[test]
fn what_makes_no_sense_is_named() {
    let joint = |inside: &str| arm(&format!("<joint name='j' type='fixed'>{inside}</joint>"));
    let cases = [
        ("<link/>".to_owned(), "needs a `name`"),
        ("<link name='a'/><link name='a'/>".to_owned(), "as another link"),
        ("<link name='a'/><link name='b'/>".to_owned(), "no joint's child, but here these are: a, b"),
        (joint("<parent link='base'/>"), "needs a <child>"),
        (joint("<parent link='base'/><child link='x'/>"), "names the link `x`"),
        (between("hover", ""), "type=\"hover\""),
        (between("revolute", "<axis xyz='0 0 0'/>"), "<axis> of length 0"),
        (between("revolute", "<axis xyz='0 0 a'/>"), "xyz=\"0 0 a\""),
        (between("continuous", "<mimic joint='x'/>"), "names the joint `x`"),
        ("<link name='a'><collision><geometry><cdf/></geometry></collision></link>".to_owned(), "<cdf> in <geometry>"),
        ("<link name='a'><collision><geometry><sphere radius='0'/></geometry></collision></link>".to_owned(), "positive `radius`"),
        ("<link name='a'><inertial/></link>".to_owned(), "<mass value>"),
        ("<x:macro xmlns:x='http://ros.org/wiki/xacro'/>".to_owned(), "<xacro:macro>"),
    ];
    for (inside, named) in cases {
        let message =
            try_read(&inside, false).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(named), "{inside}\n{message}\nshould name {named}");
    }
    let looped = arm("<link name='top'/><joint name='a' type='fixed'><parent link='base'/><child link='arm'/></joint>
        <joint name='b' type='fixed'><parent link='arm'/><child link='base'/></joint>");
    let message = try_read(&looped, false).err().unwrap().to_string();
    assert!(message.contains("in a loop of joints"), "{message}");
}

#[test]
fn extensions_are_noticed() {
    let file = read("<link name='a'/><transmission/><gazebo reference='a'><mu1>1</mu1></gazebo>");
    assert!(
        noticed(&file, "<transmission> has no effect") && noticed(&file, "<gazebo> has no effect")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_values_make_the_reader_panic(
        kind in "(revolute|continuous|prismatic|fixed|floating|planar|spherical|x)",
        words in prop::collection::vec("(0|1|-1|1e308|NaN|0 0 0|1 2 3||a|base|j)", 8),
    ) {
        let [a, b, c, d, e, f, g, h] = &words[..] else { unreachable!() };
        let _ = try_read(&between(&kind, &format!(
            "<origin xyz='{a}' rpy='{b}'/><axis xyz='{c}'/><limit lower='{d}' upper='{e}' effort='{f}'/>
             <mimic joint='{g}'/><dynamics damping='{h}'/>")), true);
        let _ = try_read(&format!("<link name='{a}'><inertial><mass value='{b}'/><inertia ixx='{c}' ixy='{d}'/></inertial>
            <collision><geometry><box size='{e}'/></geometry></collision>
            <visual><geometry><mesh filename='arm.obj' scale='{f}'/></geometry></visual></link>"), true);
    }
}
