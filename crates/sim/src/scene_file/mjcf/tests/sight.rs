//! What is seen: shapes, textures, cameras, lights.

use super::*;
use housecat_core::{Geometry, Light, TextureKind, TextureMap};

#[test]
fn shapes_have_colours_and_groups() {
    let file = read(
        "<asset><material name='m' rgba='1 0 0 1'/><material name='plain'/></asset>
         <worldbody><geom name='a' type='plane' size='0 2 1'/><geom size='1' material='m'/>
           <geom size='1' material='m' rgba='0 1 0 0.5'/><geom size='1' material='plain'/>
           <body name='b'><geom type='ellipsoid' size='1 2 3' group='3' pos='1 0 0'/></body></worldbody>",
    );
    let colours: Vec<_> = file.scene.shapes.iter().map(|shape| shape.rgba).collect();
    assert_eq!(colours[0], [0.5, 0.5, 0.5, 1.0]);
    assert_eq!(colours[1..4], [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.5], [1.0; 4]]);
    assert_eq!(file.scene.shapes[0].geometry, Geometry::Plane { half: [20.0, 2.0] });
    let hidden = &file.scene.shapes[4];
    assert_eq!((hidden.rgba[3], hidden.body, hidden.name.as_str()), (0.0, 1, "b 0"));
    assert_eq!(hidden.geometry, Geometry::Ellipsoid { radii: [1.0, 2.0, 3.0] });
    assert_eq!(hidden.pose.position, [1.0, 0.0, 0.0]);
}

#[test]
fn materials_carry_textures() {
    let file = read(
        "<asset><material name='m' texture='t' texrepeat='3 4' texuniform='true'/>
           <texture name='t' type='2d' builtin='checker' rgb1='1 1 1' rgb2='0 0 0' width='4' height='2' mark='edge'/>
           <texture name='c' builtin='gradient' width='2'/></asset>
         <worldbody><geom size='1' material='m'/></worldbody>",
    );
    let [sheet, cube] = &file.scene.textures[..] else { panic!() };
    assert_eq!((sheet.kind, sheet.width, sheet.height), (TextureKind::Sheet, 4, 2));
    assert_eq!((cube.kind, cube.width, cube.height), (TextureKind::Cube, 2, 12));
    let map = TextureMap { texture: 0, repeat: [3.0, 4.0], uniform: true };
    assert_eq!(file.scene.shapes[0].texture, Some(map));
}

#[test]
fn the_sky_gives_the_background() {
    let sky = |inside: &str| read(&format!("<asset>{inside}</asset>")).scene.background;
    let flat = "<texture type='skybox' builtin='flat' rgb1='0.25 0.5 0.75'/>";
    assert_eq!(sky(flat), [0.25, 0.5, 0.75]);
    let gradient = "<texture type='skybox' builtin='gradient' rgb1='0 0 1' rgb2='1 0 0' width='9' height='9'/>";
    assert_eq!(sky(gradient), [0.5, 0.0, 0.5]);
    assert_eq!(sky(""), [0.2, 0.22, 0.25]);
}

#[test]
fn cameras_take_defaults_from_their_class() {
    let file = read(
        "<default><camera fovy='30'/><default class='wide'><camera fovy='90'/></default></default>
         <worldbody><camera name='a'/><camera name='b' class='wide'/><camera/>
         <body name='arm' childclass='wide'><camera name='c' pos='1 2 3'/></body></worldbody>",
    );
    let cameras = &file.scene.cameras;
    let degrees: Vec<_> = cameras.iter().map(|camera| camera.fovy.to_degrees().round()).collect();
    assert_eq!(degrees, [30.0, 90.0, 30.0, 90.0]);
    assert_eq!((cameras[2].name.as_str(), cameras[3].body), ("camera 2", 1));
    assert_eq!(cameras[3].pose.position, [1.0, 2.0, 3.0]);
}

#[test]
fn cameras_know_their_lenses() {
    let file = world(
        "<camera name='a' orthographic='true' fovy='2'/><camera name='b' projection='orthographic' fovy='3'/>
         <camera name='c' sensorsize='2 2' resolution='4 4' focal='1 1'/>
         <camera name='d' sensorsize='2 2' resolution='4 4' focalpixel='2 2'/>",
    );
    let [a, b, c, d] = &file.scene.cameras[..] else { panic!() };
    assert!(a.orthographic && b.orthographic && !c.orthographic);
    assert_eq!([a.fovy, b.fovy], [2.0, 3.0]);
    for camera in [c, d] {
        assert!((camera.fovy - std::f32::consts::FRAC_PI_2).abs() < 1e-6);
    }
}

#[test]
fn a_camera_looks_at_its_target_from_where_it_stands() {
    let file = world(
        "<body name='arm' pos='0 0 1' quat='1 0 0 1'><camera name='c' mode='targetbody' target='ball' pos='0 3 0'/>
         </body><body name='ball' pos='-3 5 1'/><camera name='t' mode='trackcom'/>",
    );
    // The camera stands at -3 0 1 in the world.
    let camera = &file.scene.cameras[0];
    let arm = housecat_core::Pose {
        position: [0.0, 0.0, 1.0],
        rotation: [0.0, 0.0, std::f32::consts::FRAC_1_SQRT_2, std::f32::consts::FRAC_1_SQRT_2],
    };
    let seen = arm.compose(&camera.pose);
    let forward = seen.rotate([0.0, 0.0, -1.0]);
    assert!((forward[1] - 1.0).abs() < 1e-6, "{forward:?}");
    assert!((seen.rotate([0.0, 1.0, 0.0])[2] - 1.0).abs() < 1e-6);
    assert!(file.notices.iter().any(|notice| notice.contains("<camera mode=")));
    let unknown = refused("<worldbody><camera mode='targetbody' target='x'/></worldbody>");
    assert!(unknown.contains("names the body `x`"), "{unknown}");
}

#[test]
fn lights_are_where_they_are_at_the_start() {
    let file = world(
        "<light pos='1 2 3' dir='0 0 -2' directional='true' diffuse='0.1 0.2 0.3' ambient='0.4 0.5 0.6'/>
         <light active='false'/><body pos='1 0 0' quat='0 1 0 0'><light pos='0 0 1'/></body>",
    );
    let sun = Light {
        position: [1.0, 2.0, 3.0],
        direction: [0.0, 0.0, -1.0],
        directional: true,
        diffuse: [0.1, 0.2, 0.3],
        ambient: [0.4, 0.5, 0.6],
    };
    assert_eq!(file.scene.lights.len(), 2);
    assert_eq!(file.scene.lights[0], sun);
    let carried = &file.scene.lights[1];
    assert_eq!((carried.position, carried.directional), ([1.0, 0.0, -1.0], false));
    assert_eq!(carried.direction, [0.0, 0.0, 1.0]);
    assert!(file.notices.iter().any(|notice| notice.contains("lights on bodies")));
}
