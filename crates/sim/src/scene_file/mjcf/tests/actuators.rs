//! Actuators of every kind, and their defaults.

use super::*;
use housecat_physics::{Activation, Actuator, Gain, Target};

/// The actuators of a file with a slide `s` of 4 kg, a hinge `h`, sites and tendons.
fn actuators(defaults: &str, inside: &str) -> Vec<Actuator> {
    let text = format!(
        "<compiler angle='radian'/><default>{defaults}</default>
         <worldbody><site name='o'/><body><joint name='s' type='slide' range='-1 3'/>
           <geom type='box' size='1 1 1' mass='4'/><site name='p'/></body>
         <body><joint name='h'/><geom size='1' mass='1'/></body></worldbody>
         <tendon><fixed name='t' range='0 2'><joint joint='s' coef='2'/></fixed></tendon>
         <actuator>{inside}</actuator>"
    );
    read(&text).description.actuators
}

fn one(defaults: &str, inside: &str) -> Actuator {
    actuators(defaults, inside).remove(0)
}

#[test]
fn motors() {
    let motor = one(
        "",
        "<motor name='m' joint='h' gear='2 3' ctrlrange='-1 2' forcerange='-3 4' forcelimited='true'/>",
    );
    assert_eq!((motor.name.as_str(), &motor.target), ("m", &Target::Joint(1)));
    assert_eq!(motor.gear, [2.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!((motor.control, motor.force), (Some([-1.0, 2.0]), Some([-3.0, 4.0])));
    assert_eq!((motor.gain, motor.bias), (Gain::Fixed(1.0), [0.0; 3]));
    assert_eq!((motor.activation, motor.dynamics), (None, Activation::None));
    assert_eq!(one("", "<motor joint='h' ctrlrange='0 1' ctrllimited='false'/>").control, None);
}

#[test]
fn targets() {
    let inside = "<motor jointinparent='h'/><motor tendon='t'/><motor site='p'/><motor site='p' refsite='o'/>";
    let targets: Vec<_> =
        actuators("", inside).into_iter().map(|actuator| actuator.target).collect();
    let site = |reference| Target::Site { site: 1, reference };
    assert_eq!(targets, [Target::JointInParent(1), Target::Tendon(0), site(None), site(Some(0))]);
    let names: Vec<_> = actuators("", inside).into_iter().map(|actuator| actuator.name).collect();
    assert_eq!(names[3], "actuator 3");
}

#[test]
fn positions() {
    let position =
        one("", "<position joint='s' kp='3' kv='2' timeconst='0.5' inheritrange='0.5'/>");
    assert_eq!((position.gain, position.bias), (Gain::Fixed(3.0), [0.0, -3.0, -2.0]));
    assert_eq!(position.dynamics, Activation::FilterExact(0.5));
    assert_eq!(position.control, Some([0.0, 2.0]));
    assert_eq!(one("", "<position joint='s'/>").bias, [0.0, -1.0, 0.0]);
    // A damping ratio.
    assert_eq!(one("", "<position joint='s' kp='9' dampratio='1'/>").bias, [0.0, -9.0, 1.0]);
}

#[test]
fn other_kinds() {
    let velocity = one("", "<velocity joint='s' kv='3'/>");
    assert_eq!((velocity.gain, velocity.bias), (Gain::Fixed(3.0), [0.0, 0.0, -3.0]));
    let integrated = one("", "<intvelocity joint='s' kp='3' kv='1' actrange='-1 2'/>");
    assert_eq!((integrated.gain, integrated.bias), (Gain::Fixed(3.0), [0.0, -3.0, -1.0]));
    assert_eq!(integrated.dynamics, Activation::Integrator);
    assert_eq!(integrated.activation, Some([-1.0, 2.0]));
    let inherited = one("", "<intvelocity joint='s' inheritrange='1'/>");
    assert_eq!((inherited.activation, inherited.control), (Some([-1.0, 3.0]), None));
    let damper = one("", "<damper joint='s' kv='3' ctrlrange='0 2'/>");
    assert_eq!((damper.gain, damper.bias), (Gain::Affine([0.0, 0.0, -3.0]), [0.0; 3]));
    assert_eq!(damper.control, Some([0.0, 2.0]));
    let cylinder = one("", "<cylinder joint='s' area='2' bias='3 4 5' timeconst='6'/>");
    assert_eq!((cylinder.gain, cylinder.bias), (Gain::Fixed(2.0), [3.0, 4.0, 5.0]));
    assert_eq!(cylinder.dynamics, Activation::Filter(6.0));
    let round = one("", "<cylinder joint='s' diameter='2'/>");
    assert_eq!(round.gain, Gain::Fixed(std::f64::consts::PI));
}

#[test]
fn general() {
    let general = one(
        "",
        "<general joint='s' gaintype='affine' gainprm='1 2 3' biastype='affine' biasprm='4 5 6'
          dyntype='filter' dynprm='7' actrange='-8 8' actdim='1'/>",
    );
    assert_eq!((general.gain, general.bias), (Gain::Affine([1.0, 2.0, 3.0]), [4.0, 5.0, 6.0]));
    assert_eq!(general.dynamics, Activation::Filter(7.0));
    assert_eq!(general.activation, Some([-8.0, 8.0]));
    let plain = one("", "<general joint='s' biasprm='4 5 6' actrange='0 1'/>");
    assert_eq!((plain.gain, plain.bias, plain.activation), (Gain::Fixed(1.0), [0.0; 3], None));
    assert_eq!(
        one("", "<general joint='s' dyntype='filterexact' dynprm='2'/>").dynamics,
        Activation::FilterExact(2.0)
    );
}

/// The figures are those of MuJoCo 3.17 for the same text.
#[test]
fn defaults_of_one_kind_serve_another_as_far_as_they_can() {
    let gain = |defaults, inside| {
        let actuator = one(defaults, inside);
        (actuator.gain, actuator.bias)
    };
    let position = "<position kp='3' kv='2'/>";
    let fixed = Gain::Fixed;
    assert_eq!(gain(position, "<position joint='s'/>"), (fixed(3.0), [0.0, -3.0, -2.0]));
    assert_eq!(gain(position, "<velocity joint='s'/>"), (fixed(1.0), [0.0, 0.0, -1.0]));
    assert_eq!(gain(position, "<motor joint='s'/>"), (fixed(1.0), [0.0; 3]));
    assert_eq!(gain(position, "<general joint='s'/>"), (fixed(3.0), [0.0, -3.0, -2.0]));
    let general = "<general gainprm='3'/>";
    assert_eq!(gain(general, "<velocity joint='s'/>"), (fixed(3.0), [0.0, 0.0, -3.0]));
    let cylinder = "<cylinder area='3' bias='1 2 3' timeconst='5'/>";
    assert_eq!(gain(cylinder, "<cylinder joint='s'/>"), (fixed(3.0), [1.0, 2.0, 3.0]));
    assert_eq!(one(cylinder, "<cylinder joint='s'/>").dynamics, Activation::Filter(5.0));
    // What all kinds have in common holds for all of them.
    let common = one("<motor gear='7' ctrlrange='-2 2'/>", "<position joint='s'/>");
    assert_eq!((common.gear[0], common.control), (7.0, Some([-2.0, 2.0])));
}

#[test]
fn a_clamp_on_a_joint_narrows_its_one_actuator() {
    let with = |actuators: &str| {
        format!(
            "<worldbody><body><joint name='j' actuatorfrcrange='-6 4'/><geom size='1'/></body></worldbody>
             <actuator>{actuators}</actuator>"
        )
    };
    let force = |actuators: &str| read(&with(actuators)).description.actuators[0].force;
    assert_eq!(force("<motor joint='j' gear='-2'/>"), Some([-2.0, 3.0]));
    assert_eq!(force("<motor joint='j' forcerange='-1 9'/>"), Some([-1.0, 4.0]));
    let two = refused(&with("<motor joint='j'/><motor joint='j'/>"));
    assert!(two.contains("`actuatorfrcrange` over several actuators"), "{two}");
}

/// The figures are those of MuJoCo 3.17 for the same text.
#[test]
fn a_damping_ratio_is_that_of_what_the_actuator_moves() {
    let file = read(
        "<option gravity='0 0 0' timestep='1e-6'/>
         <worldbody><body><joint name='j1' axis='0 1 0' armature='0.1'/>
           <geom type='box' size='.1 .2 .3' pos='0 0 .5' mass='2' contype='0'/>
           <body pos='0 0 1'><joint name='j2' axis='0 1 0'/>
             <geom type='box' size='.1 .2 .3' pos='0 0 .5' mass='3' contype='0'/></body></body></worldbody>
         <actuator><position joint='j1' kp='7' dampratio='0.5' gear='2'/></actuator>",
    );
    let model = housecat_physics::Model::new(&file.description).unwrap();
    let (mut state, mut work) = (model.initial().clone(), housecat_physics::Workspace::new(&model));
    state.velocity[0] = 1.0;
    let before = model.joint_mobility(0);
    model.step(&mut state, &mut work);
    // The damping 1.33578207 acts twice through the gear of 2, on what the joint moves.
    let slowed = (1.0 - state.velocity[0]) / 1e-6;
    assert!((slowed / before - 4.0 * 1.33578207).abs() < 1e-3, "{}", slowed / before);
}
