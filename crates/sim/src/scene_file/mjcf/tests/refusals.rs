//! What is not honoured is refused by name, or noticed.

use super::*;
use proptest::prelude::*;

#[test]
fn what_would_change_the_motion_is_named() {
    let world = |inside: &str| format!("<worldbody>{inside}</worldbody>");
    let body = |inside: &str| world(&format!("<body>{inside}<geom size='1'/></body>"));
    let drive = |inside: &str| {
        format!("{}<actuator>{inside}</actuator>", body("<joint name='j'/><site name='s'/>"))
    };
    let tied = |inside: &str| format!("{}<equality>{inside}</equality>", body("<joint/>"));
    let cases = [
        // Sections and elements.
        ("<extension/>".to_owned(), "<extension> in <mujoco>"),
        ("<deformable/>".to_owned(), "<deformable> in <mujoco>"),
        ("<nonsense/>".to_owned(), "<nonsense> in <mujoco>"),
        (world("<joint/>"), "<joint> in <worldbody>"),
        (world("<body><motor/></body>"), "<motor> in <body>"),
        (world("<attach/>"), "<attach> in <body>"),
        (world("<flexcomp/>"), "<flexcomp> in <body>"),
        (world("<composite/>"), "<composite> in <body>"),
        (world("<body><plugin/></body>"), "<plugin> in <body>"),
        (world("<geom size='1'><plugin/></geom>"), "<plugin> in <geom>"),
        // Joints.
        (body("<joint foo='1'/>"), "attribute `foo` of <joint>"),
        (body("<joint type='fixed'/>"), "type=\"fixed\" of <joint>"),
        (body("<joint actuatorgravcomp='true'/>"), "actuatorgravcomp=\"true\" of <joint>"),
        (body("<joint springdamper='-1 1'/>"), "`springdamper`"),
        (body("<joint range='1 -1'/>"), "empty `range` 1 -1"),
        (body("<joint limited='true'/>"), "limited, but has no `range`"),
        (body("<joint axis='0 0 0'/>"), "`axis` of length 0"),
        (body("<joint damping='-1'/>"), "negative `damping`"),
        (body("<freejoint align='true'/>"), "align=\"true\" of <freejoint>"),
        (body("<freejoint/><joint/>"), "free joint has no other joints"),
        (world("<body><body><freejoint/></body></body>"), "not directly in the world"),
        (world("<body mocap='true'><joint/></body>"), "mocap body has no joints"),
        // Geoms.
        (world("<geom type='sdf'/>"), "type=\"sdf\""),
        (world("<geom type='hfield' hfield='h'/>"), "height field `h`"),
        (world("<geom type='box' size='1 1'/>"), "positive `size`; number 3 is 0"),
        (world("<geom size='a'/>"), "size=\"a\""),
        (world("<geom size='NaN'/>"), "size=\"NaN\""),
        (world("<geom size='1 2 3 4'/>"), "at most 3 numbers in `size`"),
        (world("<geom size='1' pos='1 2'/>"), "needs 3 numbers in `pos`"),
        (world("<geom size='1' condim='2'/>"), "condim 2"),
        (world("<geom size='1' shellinertia='true'/>"), "shellinertia"),
        (world("<geom size='1' fluidshape='ellipsoid'/>"), "fluidshape"),
        (world("<geom size='1' surfacevel='1'/>"), "`surfacevel`"),
        (world("<geom size='1' solref='1 -1'/>"), "`solref` of the same sign"),
        (world("<geom type='box' mesh='m'/>"), "`mesh` that another `type` is fitted to"),
        (world("<geom type='mesh' mesh='m'/>"), "names the mesh `m`"),
        (world("<geom type='mesh'/>"), "names none"),
        (world("<geom size='1' material='m'/>"), "names the material `m`"),
        (world("<geom size='1' class='x'/>"), "names the class `x`"),
        (world("<geom size='1' quat='0 0 0 0'/>"), "degenerate `quat`"),
        (world("<geom size='1' quat='1 0 0 0' euler='0 0 0'/>"), "both `quat` and `euler`"),
        (world("<geom type='capsule' fromto='0 0 0 1 0 0' pos='1 0 0' size='1'/>"), "both `pos` and `fromto`"),
        (world("<geom fromto='0 0 0 1 0 0' size='1'/>"), "`fromto`, which is for"),
        (world("<geom name='g' size='1'/><geom name='g' size='1'/>"), "as another geom"),
        (world("<body><joint/><geom type='plane' size='1 1 1'/></body>"), "plane"),
        // Inertia.
        (world("<body><inertial mass='1' diaginertia='1 1 1'/></body>"), "absent `pos` of <inertial>"),
        (world("<body><inertial pos='0 0 0' mass='1' diaginertia='1 1 9'/></body>"), "belong to no body"),
        (world("<body><inertial pos='0 0 0' mass='1'/></body>"), "`diaginertia`"),
        // Assets.
        ("<asset><model/></asset>".to_owned(), "<model> in <asset>"),
        ("<asset><mesh name='m' file='m.dae'/></asset>".to_owned(), "m.dae"),
        ("<asset><mesh name='m' file='m.stl'/></asset>".to_owned(), "cannot read m.stl"),
        ("<asset><mesh name='m' builtin='sphere'/></asset>".to_owned(), "builtin=\"sphere\""),
        ("<asset><mesh name='m' vertex='0 0 0 1 1 1' face='0 1 2'/></asset>".to_owned(), "vertex 2"),
        ("<asset><mesh name='m' vertex='0 0 0'/></asset>".to_owned(), "four vertices"),
        ("<asset><mesh name='m' inertia='shell' vertex='0 0 0'/></asset>".to_owned(), "four vertices"),
        ("<asset><texture name='t'/></asset>".to_owned(), "`builtin` or a `file`"),
        ("<asset><texture name='t' builtin='flat'/></asset>".to_owned(), "`width` and `height`"),
        ("<asset><material name='m' texture='t'/></asset>".to_owned(), "names the texture `t`"),
        // Options.
        ("<option timestep='0'/>".to_owned(), "`timestep` above 0"),
        ("<option o_margin='1'/>".to_owned(), "`o_margin` of <option>"),
        ("<option o_solref='1 1'/>".to_owned(), "`o_solref` of <option>"),
        ("<option integrator='Verlet'/>".to_owned(), "integrator=\"Verlet\""),
        ("<option actuatorgroupdisable='1'/>".to_owned(), "`actuatorgroupdisable`"),
        ("<option><flag filterparent='disable'/></option>".to_owned(), "filterparent=\"disable\""),
        ("<option><flag refsafe='disable'/></option>".to_owned(), "refsafe=\"disable\""),
        ("<option><flag eulerdamp='disable'/></option>".to_owned(), "eulerdamp=\"disable\""),
        ("<option><flag actuation='disable'/></option>".to_owned(), "actuation=\"disable\""),
        ("<option><flag override='enable'/></option>".to_owned(), "override=\"enable\""),
        ("<compiler coordinate='global'/>".to_owned(), "coordinate=\"global\""),
        ("<compiler fitaabb='true'/>".to_owned(), "fitaabb=\"true\""),
        ("<compiler alignfree='true'/>".to_owned(), "alignfree=\"true\""),
        ("<compiler eulerseq='xy'/>".to_owned(), "`eulerseq`"),
        ("<compiler autolimits='false'/><worldbody><body><joint range='0 1'/></body></worldbody>".to_owned(), "autolimits is off"),
        ("<default><worldbody/></default>".to_owned(), "<worldbody> in <default>"),
        ("<default><default/></default>".to_owned(), "needs a `class`"),
        // Actuators.
        (drive("<muscle joint='j'/>"), "<muscle> is not supported"),
        (drive("<adhesion body='b'/>"), "<adhesion> is not supported"),
        (drive("<dcmotor joint='j'/>"), "<dcmotor> is not supported"),
        (drive("<pid joint='j'/>"), "<pid> is not supported"),
        (drive("<orientation site='s'/>"), "<orientation> is not supported"),
        (drive("<plugin joint='j'/>"), "<plugin> is not supported"),
        (drive("<motor slidersite='s' cranksite='s'/>"), "`slidersite` of <motor>"),
        (drive("<motor/>"), "acts on nothing"),
        (drive("<motor joint='j' site='s'/>"), "acts on two things"),
        (drive("<motor joint='k'/>"), "names the joint `k`"),
        (drive("<motor joint='j' kp='1'/>"), "`kp` of <motor>"),
        (drive("<motor joint='j' delay='1'/>"), "`delay` of <motor>"),
        (drive("<motor joint='j' damping='1'/>"), "`damping` of <motor>"),
        (drive("<general joint='j' dyntype='user'/>"), "dyntype=\"user\""),
        (drive("<general joint='j' gaintype='muscle'/>"), "gaintype=\"muscle\""),
        (drive("<general joint='j' actdim='2'/>"), "`actdim`"),
        (drive("<general joint='j' actearly='true'/>"), "actearly"),
        (drive("<position joint='j' inheritrange='1'/>"), "`inheritrange`"),
        (drive("<position joint='j' dampratio='1' kv='1'/>"), "both `kv` and `dampratio`"),
        (drive("<intvelocity joint='j'/>"), "has no `actrange`"),
        (drive("<damper joint='j' ctrlrange='-1 1'/>"), "begins at 0"),
        // Tendons, equality, contact.
        ("<worldbody><site name='a'/></worldbody><tendon><spatial><site site='a'/><geom geom='g'/></spatial></tendon>".to_owned(), "<geom> in <spatial>"),
        ("<tendon><fixed/></tendon>".to_owned(), "needs a <joint>"),
        (tied("<flex/>"), "<flex> in <equality>"),
        (tied("<connect anchor='0 0 0'/>"), "needs `body1`"),
        (tied("<connect body1='body 1'/>"), "needs an `anchor`"),
        (tied("<weld body1='world'/>"), "ties a body to itself"),
        ("<contact><exclude body1='world'/></contact>".to_owned(), "needs `body1` and `body2`"),
        ("<contact><pair geom1='a' geom2='b'/></contact>".to_owned(), "names the geom `a`"),
        (world("<camera mode='targetbody'/>"), "its `target`"),
        (world("<camera fovy='180'/>"), "`fovy`"),
    ];
    for (inside, named) in cases {
        let message = refused(&inside);
        assert!(message.contains(named), "{inside}\n{message}\nshould name {named}");
    }
}

#[test]
fn errors_name_file_and_line() {
    let message = refused("\n<worldbody>\n<geom size='1' foo='2'/></worldbody>");
    assert!(message.starts_with("scene.xml:3: attribute `foo` of <geom>"), "{message}");
}

#[test]
fn harmless_things_are_noticed_once_for_each_tag() {
    let notices = read(
        "<option solver='CG' noslip_iterations='3'><flag energy='enable'/></option><visual/><statistic/>
         <size njmax='3'/><custom/><sensor><touch/></sensor>
         <worldbody><geom size='1' user='1'/><geom size='1' user='2'/><site rgba='1 1 1 1' size='1'/></worldbody>",
    )
    .notices;
    assert_eq!(
        notices,
        [
            "<visual> has no effect",
            "<statistic> has no effect",
            "<size> has no effect",
            "<custom> has no effect",
            "<sensor> has no effect",
            "<flag>: energy has no effect",
            "<geom>: user has no effect",
            "<option>: noslip_iterations, solver have no effect",
            "<site>: rgba, size have no effect",
        ]
    );
}

/// Tags and attributes that a file may hold, and values that they may have.
const TAGS: [&str; 40] = [
    "mujoco",
    "compiler",
    "option",
    "flag",
    "default",
    "asset",
    "mesh",
    "texture",
    "material",
    "layer",
    "worldbody",
    "body",
    "frame",
    "replicate",
    "inertial",
    "joint",
    "freejoint",
    "geom",
    "site",
    "camera",
    "light",
    "contact",
    "pair",
    "exclude",
    "tendon",
    "fixed",
    "spatial",
    "pulley",
    "equality",
    "connect",
    "weld",
    "actuator",
    "motor",
    "position",
    "general",
    "damper",
    "keyframe",
    "key",
    "hfield",
    "cylinder",
];
const ATTRIBUTES: [&str; 60] = [
    "name",
    "class",
    "childclass",
    "type",
    "size",
    "pos",
    "quat",
    "euler",
    "axisangle",
    "xyaxes",
    "zaxis",
    "fromto",
    "range",
    "limited",
    "axis",
    "mass",
    "density",
    "friction",
    "condim",
    "solref",
    "solimp",
    "ref",
    "springdamper",
    "stiffness",
    "damping",
    "armature",
    "joint",
    "joint1",
    "joint2",
    "body1",
    "body2",
    "site1",
    "site",
    "geom1",
    "geom2",
    "anchor",
    "polycoef",
    "gear",
    "ctrlrange",
    "kp",
    "kv",
    "dampratio",
    "inheritrange",
    "qpos",
    "vertex",
    "face",
    "mesh",
    "scale",
    "builtin",
    "width",
    "height",
    "mark",
    "count",
    "offset",
    "diaginertia",
    "fullinertia",
    "mode",
    "target",
    "divisor",
    "coef",
];
const VALUES: [&str; 24] = [
    "",
    "a",
    "b",
    "main",
    "0",
    "1",
    "-1",
    "1e308",
    "-1e-308",
    "NaN",
    "0 0 0",
    "1 2 3",
    "1 0 0 0",
    "0 0 0 0",
    "1 0 0 1 1 1",
    "0 0 0 1 0 0 0 1 0 0 0 1",
    "0 1 2 0 1 3",
    "hinge",
    "mesh",
    "true",
    "checker",
    "cube",
    "targetbody",
    "99999999999",
];

fn element() -> impl Strategy<Value = String> {
    let attributes = prop::collection::vec(
        (prop::sample::select(&ATTRIBUTES[..]), prop::sample::select(&VALUES[..])),
        0..5,
    );
    let open = (prop::sample::select(&TAGS[..]), attributes).prop_map(|(tag, mut attributes)| {
        attributes.sort();
        attributes.dedup_by_key(|(name, _)| *name);
        let list = attributes.iter().map(|(name, value)| format!(" {name}='{value}'"));
        (tag, list.collect::<String>())
    });
    let leaf = open.clone().prop_map(|(tag, list)| format!("<{tag}{list}/>"));
    leaf.prop_recursive(4, 40, 5, move |inner| {
        (open.clone(), prop::collection::vec(inner, 0..5))
            .prop_map(|((tag, list), inside)| format!("<{tag}{list}>{}</{tag}>", inside.concat()))
    })
}

proptest! {
    #[test]
    fn no_elements_make_the_reader_panic(inside in prop::collection::vec(element(), 0..6)) {
        let all = inside.concat();
        let _ = try_read(&format!("<mujoco>{all}</mujoco>"));
        let _ = try_read(&format!("<mujoco><worldbody><body name='a'>{all}</body></worldbody></mujoco>"));
        let _ = try_read(&format!("<mujoco><asset>{all}</asset></mujoco>"));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = try_read(&text);
        let _ = try_read(&format!("<mujoco><worldbody><geom size=\"{text}\"/></worldbody></mujoco>"));
    }
}

#[test]
fn deep_nesting_is_refused() {
    let depth = 100_000;
    let text = format!("{}{}", "<mujoco>".repeat(depth), "</mujoco>".repeat(depth));
    let message = match try_read(&text) {
        Ok(_) => panic!(),
        Err(error) => error.to_string(),
    };
    assert!(message.contains("nested"), "{message}");
}
