//! Tendons, equality constraints, contact pairs and keyframes.

use super::*;
use crate::scene_file::Keyframe;
use housecat_physics::{Path, Softness, Strand, Tie, Vec3};

const BODIES: &str = "<worldbody><site name='o'/><geom name='floor' size='1'/>
    <body name='a' pos='1 0 0'><joint name='s' type='slide'/><geom name='ga' size='1'/><site name='p' pos='0 1 0'/></body>
    <body name='b'><joint name='h'/><geom size='1'/><geom name='gb' size='1'/><site name='q' pos='0 0 2'/></body></worldbody>";

fn with(inside: &str) -> SceneFile {
    read(&format!("{BODIES}{inside}"))
}

#[test]
fn fixed_tendons() {
    let file = with(
        "<tendon><fixed name='t' range='-90 90' margin='0.1' stiffness='2' damping='3' frictionloss='4'
           springlength='0.5' solreflimit='0.1'><joint joint='h' coef='2'/><joint joint='s' coef='-1'/></fixed></tendon>",
    );
    let tendon = &file.description.tendons[0];
    assert_eq!(tendon.path, Path::Fixed(vec![(1, 2.0), (0, -1.0)]));
    assert_eq!((tendon.limit, tendon.rest), (Some([-90.0, 90.0]), Some([0.5, 0.5])));
    assert_eq!([tendon.margin, tendon.stiffness], [0.1, 2.0]);
    assert_eq!([tendon.damping, tendon.friction_loss], [3.0, 4.0]);
    assert_eq!(tendon.limit_softness.reference, [0.1, 1.0]);
}

#[test]
fn spatial_tendons_and_their_defaults() {
    let file = with(
        "<default><tendon stiffness='5'/></default>
         <tendon><spatial springlength='0.1 0.2'><site site='o'/><site site='p'/><pulley divisor='2'/>
           <site site='p'/><site site='q'/></spatial><spatial><site site='o'/><site site='q'/></spatial></tendon>",
    );
    let [first, second] = &file.description.tendons[..] else { panic!() };
    let strand = |sites: &[usize], divisor| Strand { sites: sites.to_vec(), divisor };
    assert_eq!(first.path, Path::Spatial(vec![strand(&[0, 1], 1.0), strand(&[1, 2], 2.0)]));
    assert_eq!((first.rest, first.stiffness), (Some([0.1, 0.2]), 5.0));
    assert_eq!((second.rest, second.name.as_str()), (None, "tendon 1"));
}

#[test]
fn equality_constraints() {
    let file = with(
        "<tendon><fixed name='t'><joint joint='s' coef='1'/></fixed></tendon>
         <equality><connect body1='a' anchor='1 2 3' solref='0.1 2' solimp='0.5'/>
           <connect site1='p' site2='o'/><weld body1='a' body2='b' anchor='1 0 0' torquescale='3'/>
           <weld body1='a' relpose='1 2 3 0 1 0 0'/><weld site1='p' site2='q'/>
           <joint joint1='h' joint2='s' polycoef='1 2 3'/><joint joint1='s'/><tendon tendon1='t'/>
           <weld name='off' body1='a' active='false'/></equality>",
    );
    let ties: Vec<_> = file.description.equalities.iter().map(|equality| &equality.tie).collect();
    assert_eq!(ties.len(), 8);
    assert!(matches!(ties[0], Tie::Connect { bodies: [1, 0], anchor } if anchor.y == 2.0));
    let soft = Softness { reference: [0.1, 2.0], impedance: [0.5, 0.95, 0.001, 0.5, 2.0] };
    assert_eq!(file.description.equalities[0].softness, soft);
    assert!(matches!(ties[1], Tie::ConnectSites { sites: [1, 0] }));
    assert!(matches!(ties[2], Tie::Weld { bodies: [1, 2], pose: None, torque_scale: 3.0, .. }));
    let Tie::Weld { bodies: [1, 0], pose: Some(pose), .. } = ties[3] else { panic!() };
    assert_eq!(pose.translation.vector, Vec3::new(1.0, 2.0, 3.0));
    let Tie::Weld { bodies: [1, 2], pose: Some(pose), anchor, .. } = ties[4] else { panic!() };
    // The sites coincide: q is 2 above b, p is 1 beside a.
    assert_eq!(pose.translation.vector, Vec3::new(0.0, 1.0, -2.0));
    assert_eq!(*anchor, Vec3::new(0.0, 0.0, 2.0));
    let polynomial = [1.0, 2.0, 3.0, 0.0, 0.0];
    assert!(
        matches!(ties[5], Tie::Joints { follower: 1, leader: Some(0), polynomial: p } if *p == polynomial)
    );
    assert!(matches!(ties[6], Tie::Joints { follower: 0, leader: None, .. }));
    assert!(matches!(ties[7], Tie::Tendons { follower: 0, leader: None, .. }));
    assert!(file.notices.iter().any(|notice| notice.contains("<weld> `off` is not active")));
}

#[test]
fn contacts() {
    let file = with(
        "<contact><exclude body1='a' body2='world'/><pair geom1='ga' geom2='gb'/>
         <pair geom1='floor' geom2='ga' condim='4' friction='0.1 0.2' solref='0.3' solimp='0.4' margin='0.5' gap='0.6'/></contact>",
    );
    assert_eq!(file.description.excludes, [[1, 0]]);
    let [plain, full] = &file.description.pairs[..] else { panic!() };
    assert_eq!((plain.geoms, plain.condim), ([[1, 0], [2, 1]], 3));
    assert_eq!(plain.friction, [1.0, 1.0, 0.005, 0.0001, 0.0001]);
    assert_eq!((full.geoms, full.condim), ([[0, 0], [1, 0]], 4));
    assert_eq!(full.friction, [0.1, 0.2, 0.005, 0.0001, 0.0001]);
    assert_eq!((full.softness.reference, full.softness.impedance[0]), ([0.3, 1.0], 0.4));
    assert_eq!(full.margin, 0.5);
}

#[test]
fn keyframes() {
    let file = with(
        "<actuator><general joint='s' dyntype='integrator'/><motor joint='h'/></actuator>
         <keyframe><key name='k' time='1' qpos='1 2' qvel='3 4' act='5' ctrl='6 7'/><key/></keyframe>",
    );
    let full = Keyframe {
        name: "k".to_owned(),
        time: 1.0,
        position: Some(vec![1.0, 2.0]),
        velocity: Some(vec![3.0, 4.0]),
        activation: Some(vec![5.0]),
        control: Some(vec![6.0, 7.0]),
    };
    assert_eq!(file.keyframes[0], full);
    assert_eq!(
        (file.keyframes[1].name.as_str(), &file.keyframes[1].position),
        ("keyframe 1", &None)
    );
    let wrong = refused(&format!("{BODIES}<keyframe><key qpos='1'/></keyframe>"));
    assert!(wrong.contains("1 numbers in `qpos`, but the scene has 2"), "{wrong}");
}
