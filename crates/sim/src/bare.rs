//! What a scene file means without a `sim.toml`: every joint is a feature and part of the goal, every actuator
//! part of the action.

use crate::scene_file::SceneFile;
use crate::spec::{
    Action, Axis, Base, Criterion, Feature, Goal, Observation, Protocols, Reset, Spec, Spread,
    Time, Unit,
};
use housecat_physics::JointKind;
use std::collections::BTreeMap;

/// Control steps a second, unless the scene's own time step is longer.
const CONTROL_HZ: f64 = 25.0;

/// Joint positions are spread this far about the scene's, m or rad, unless limits are nearer.
const SPREAD: f64 = 0.1;

/// A spec for a bare scene.
pub(crate) fn spec(file: &SceneFile) -> Spec {
    let physics_hz = (1.0 / file.description.options.timestep).round().max(1.0);
    let substeps = (physics_hz / CONTROL_HZ).round().max(1.0);
    let control_hz = (physics_hz / substeps).round().max(1.0);
    let mut features = BTreeMap::new();
    let (mut positions, mut rates) = (Vec::new(), Vec::new());
    let (mut slides, mut hinges) = (Vec::new(), Vec::new());
    let mut reset = BTreeMap::new();
    for body in &file.description.bodies {
        for joint in &body.joints {
            let name = joint.name.clone();
            match joint.kind {
                JointKind::Slide | JointKind::Hinge => {
                    let rate = format!("{name}.rate");
                    features.insert(name.clone(), Feature::Joint { joint: name.clone() });
                    features.insert(rate.clone(), Feature::Rate { joint: name.clone() });
                    positions.push(name.clone());
                    rates.push(rate);
                    let slide = joint.kind == JointKind::Slide;
                    if slide {
                        slides.push(name.clone())
                    } else {
                        hinges.push(name.clone())
                    }
                    let [low, high] = joint.limit.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
                    let near = [joint.reference - SPREAD, joint.reference + SPREAD];
                    let interval = near.map(|end| end.clamp(low, high.max(low)));
                    reset.insert(name, Spread { position: vec![interval], ..Spread::default() });
                }
                JointKind::Free => {
                    for axis in [Axis::X, Axis::Y, Axis::Z] {
                        let feature = format!("{}.{axis:?}", body.name).to_lowercase();
                        let content = Feature::Body { body: body.name.clone(), axis };
                        features.insert(feature.clone(), content);
                        positions.push(feature.clone());
                        slides.push(feature);
                    }
                }
                JointKind::Ball => {}
            }
        }
    }
    let goal = |name: &str, features: Vec<String>, unit: Unit, scale: f64| Goal {
        name: name.to_owned(),
        features,
        unit,
        scale: Some(scale),
        periodic: matches!(unit, Unit::Rad),
        rotation: None,
        target: None,
    };
    let mut goals = Vec::new();
    if !hinges.is_empty() {
        goals.push(goal("angles", hinges, Unit::Rad, 0.5));
    }
    if !slides.is_empty() {
        goals.push(goal("positions", slides, Unit::M, 0.2));
    }
    let criterion = |part: f64, hold: u32| Criterion {
        within: goals
            .iter()
            .map(|goal| (goal.name.clone(), part * goal.scale.unwrap_or(1.0)))
            .collect(),
        hold,
        gate: None,
    };
    let protocol = (!goals.is_empty())
        .then(|| Protocols { moderate: criterion(1.0, 1), strict: criterion(0.5, 3) });
    let privileged: Vec<String> = positions.iter().chain(&rates).cloned().collect();
    let camera = file.scene.cameras.first().map_or_else(String::new, |camera| camera.name.clone());
    Spec {
        description: "A scene without a sim.toml: every joint is its goal".to_owned(),
        bare: true,
        scene: None,
        base: Base::Fixed,
        observation: Observation { camera, width: 64, height: 64, state: privileged.clone() },
        privileged,
        time: Time {
            control_hz: control_hz as u32,
            physics_hz: (control_hz * substeps) as u32,
            max_steps: 250,
        },
        action: Action::default(),
        features,
        reset: Reset { joints: reset, ..Reset::default() },
        evaluation: None,
        goal: goals,
        protocol,
        pairs: None,
        reward: Vec::new(),
        scripted: None,
        track: None,
    }
}
