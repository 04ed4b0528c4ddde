//! Options and flags.

use super::*;
use housecat_physics::{Integrator, Options, Vec3};

fn options(inside: &str) -> Options {
    read(inside).description.options
}

#[test]
fn without_options_they_are_mujocos() {
    assert_eq!(options(""), Options::default());
}

#[test]
fn options_are_read_to_the_last_attribute() {
    let all = options(
        "<option timestep='0.1' gravity='1 2 3' integrator='RK4' impratio='4' iterations='5' tolerance='6'
          density='7' viscosity='8' wind='9 10 11'/>",
    );
    let want = Options {
        timestep: 0.1,
        gravity: Vec3::new(1.0, 2.0, 3.0),
        integrator: Integrator::RungeKutta4,
        impratio: 4.0,
        iterations: 5,
        tolerance: 6.0,
        density: 7.0,
        viscosity: 8.0,
        wind: Vec3::new(9.0, 10.0, 11.0),
        contacts: true,
        limits: true,
    };
    assert_eq!(all, want);
    for name in ["implicit", "implicitfast"] {
        let text = format!("<option integrator='{name}'/>");
        assert_eq!(options(&text).integrator, Integrator::ImplicitFast);
    }
}

#[test]
fn flags_leave_out_what_they_disable() {
    let scene = |flag: &str| {
        read(&format!(
            "<option density='1'><flag {flag}/></option>
             <worldbody><body name='b' gravcomp='1'><joint name='j' stiffness='1' damping='2' frictionloss='3'/>
             <geom size='1'/></body></worldbody><equality><joint joint1='j'/></equality>"
        ))
    };
    let terms = |flag: &str| {
        let file = scene(flag);
        let j = joint(&file, "j");
        [j.stiffness, j.damping, j.friction_loss, file.description.equalities.len() as f64]
    };
    assert_eq!(terms("energy='enable'"), [1.0, 2.0, 3.0, 1.0]);
    assert_eq!(terms("spring='disable'"), [0.0, 2.0, 3.0, 1.0]);
    assert_eq!(terms("damper='disable'"), [1.0, 0.0, 3.0, 1.0]);
    assert_eq!(terms("passive='disable'"), [0.0, 0.0, 3.0, 1.0]);
    assert_eq!(terms("frictionloss='disable'"), [1.0, 2.0, 0.0, 1.0]);
    assert_eq!(terms("equality='disable'"), [1.0, 2.0, 3.0, 0.0]);
    assert_eq!(terms("constraint='disable'"), [1.0, 2.0, 0.0, 0.0]);
    let options = |flag: &str| scene(flag).description.options;
    assert_eq!(options("gravity='disable'").gravity, Vec3::zeros());
    assert!(!options("contact='disable'").contacts && options("contact='disable'").limits);
    assert!(!options("limit='disable'").limits && options("limit='disable'").contacts);
    assert!(!options("constraint='disable'").limits && !options("constraint='disable'").contacts);
    let passive = scene("passive='disable'");
    assert_eq!(passive.description.options.density, 0.0);
    assert_eq!(body(&passive, "b").gravity_compensation, 0.0);
}

#[test]
fn an_elliptic_cone_is_noticed() {
    let notices = read("<option cone='elliptic' solver='CG'/>").notices;
    assert_eq!(
        notices,
        [
            "<option cone=\"elliptic\">: contacts use the pyramidal cone",
            "<option>: solver has no effect",
        ]
    );
}
