//! Includes, meshes and pictures: what stands in other files.

use super::*;
use crate::scene_file;
use housecat_core::TextureKind;
use housecat_physics::Shape;
use std::fs;
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn load(folder: &TempDir) -> Result<SceneFile, SimError> {
    scene_file::read(&folder.path().join("scene.xml"), false)
}

fn problem(folder: &TempDir) -> String {
    load(folder).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn includes_stand_for_what_they_hold() {
    let folder = folder(&[
        ("scene.xml", b"<mujoco><include file='common/options.xml'/><worldbody><include file='ball.xml'/></worldbody></mujoco>"),
        ("common/options.xml", b"<mujoco><option timestep='0.5'/><include file='more.xml'/></mujoco>"),
        ("common/more.xml", b"<mujocoinclude><default><geom size='3'/></default></mujocoinclude>"),
        ("ball.xml", b"<mujoco><body name='ball'><geom/></body></mujoco>"),
    ]);
    let file = load(&folder).unwrap();
    assert_eq!(file.description.options.timestep, 0.5);
    assert_eq!(body(&file, "ball").geoms[0].shape, Shape::Sphere { radius: 3.0 });
}

#[test]
fn an_include_names_the_file_that_is_wrong() {
    let missing = folder(&[("scene.xml", b"<mujoco>\n<include file='x.xml'/></mujoco>")]);
    assert!(problem(&missing).contains("scene.xml:2: cannot read"), "{}", problem(&missing));
    let cycle = folder(&[("scene.xml", b"<mujoco><include file='scene.xml'/></mujoco>")]);
    assert!(problem(&cycle).contains("is included twice"), "{}", problem(&cycle));
    let inner = folder(&[
        ("scene.xml", b"<mujoco><include file='a.xml'/></mujoco>"),
        ("a.xml", b"<mujoco>\n\n<nonsense/></mujoco>"),
    ]);
    assert!(problem(&inner).contains("a.xml:3: <nonsense>"), "{}", problem(&inner));
}

/// A tetrahedron in each format.
fn meshes() -> Vec<(&'static str, Vec<u8>)> {
    let corners = [[0.0_f32, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let faces = [[0_usize, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]];
    let (mut binary, mut text) = (vec![0; 80], "solid t\n".to_owned());
    binary.extend(4_u32.to_le_bytes());
    for face in faces {
        binary.extend([0; 12]);
        text += "facet normal 0 0 0\nouter loop\n";
        for [x, y, z] in face.map(|corner| corners[corner]) {
            binary.extend([x, y, z].into_iter().flat_map(f32::to_le_bytes));
            text += &format!("vertex {x} {y} {z}\n");
        }
        binary.extend([0; 2]);
        text += "endloop\nendfacet\n";
    }
    let obj = "o t\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1/1/1 3/1/1 2/1/1\nf 1//1 2//1 4//1\nf -4 -1 -2\nf 2 3 4\n";
    let mut msh = Vec::new();
    for count in [4_u32, 0, 0, 4] {
        msh.extend(count.to_le_bytes());
    }
    msh.extend(corners.iter().flatten().flat_map(|value| value.to_le_bytes()));
    msh.extend(faces.iter().flatten().flat_map(|&corner| (corner as u32).to_le_bytes()));
    vec![("b.stl", binary), ("t.STL", text.into_bytes()), ("o.obj", obj.into()), ("m.msh", msh)]
}

#[test]
fn meshes_of_all_formats_are_the_same() {
    for (name, bytes) in meshes() {
        let scene = format!(
            "<mujoco><compiler meshdir='meshes'/><asset><mesh file='{name}' scale='1 2 -3' refpos='1 0 0'/></asset>
             <worldbody><body name='b'><geom type='mesh' mesh='{}'/></body></worldbody></mujoco>",
            &name[..1]
        );
        let folder =
            folder(&[("scene.xml", scene.as_bytes()), (&format!("meshes/{name}"), &bytes)]);
        let file = load(&folder).unwrap_or_else(|error| panic!("{error}"));
        let Shape::Mesh(mesh) = &body(&file, "b").geoms[0].shape else { panic!() };
        assert_eq!((mesh.vertices.len(), mesh.triangles.len()), (4, 4), "{name}");
        assert!(mesh.vertices.contains(&[-1.0, 0.0, -3.0]), "{name}: {:?}", mesh.vertices);
        assert!(mesh.vertices.contains(&[0.0, 0.0, 0.0]), "{name}: {:?}", mesh.vertices);
        // Turned inside out by the mirror image and back.
        assert!((body(&file, "b").weigh().unwrap().mass - 1000.0).abs() < 1e-9, "{name}");
    }
}

#[test]
fn damaged_meshes_are_refused() {
    let cases: [(&str, &[u8], &str); 6] = [
        ("m.stl", b"nothing", "neither a binary STL"),
        ("m.stl", b"solid\nvertex 1 2\n", "is no vertex"),
        ("m.stl", b"solid\nvertex 1 2 3\nendfacet", "no triangle"),
        ("m.obj", b"v 1 2 3\nf 1 2 3", "names vertex 1"),
        ("m.obj", b"v 1 2 inf\nv 0 0 0\nv 1 1 1\nf 1 2 3", "not finite"),
        ("m.msh", b"1234", "MSH"),
    ];
    for (name, bytes, named) in cases {
        let scene = format!("<mujoco><asset><mesh file='{name}'/></asset></mujoco>");
        let folder = folder(&[("scene.xml", scene.as_bytes()), (name, bytes)]);
        assert!(problem(&folder).contains(named), "{} should name {named}", problem(&folder));
    }
}

#[test]
fn pictures_become_textures() {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 3, 2);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0, 51, 102, 153, 204, 255]).unwrap();
    writer.finish().unwrap();
    let scene = b"<mujoco><asset><texture type='2d' file='p.png'/>
        <texture name='c' type='cube' file='p.png' gridsize='2 3' gridlayout='RLUDFB'/>
        <texture type='skybox' file='p.png' gridsize='2 3' gridlayout='RLUDFB'/></asset></mujoco>";
    let folder = folder(&[("scene.xml", scene), ("p.png", &png)]);
    let file = load(&folder).unwrap();
    let [sheet, cube] = &file.scene.textures[..] else { panic!() };
    assert_eq!((sheet.name.as_str(), sheet.kind), ("p", TextureKind::Sheet));
    assert_eq!((sheet.width, sheet.height, sheet.rgb[3..6].to_vec()), (3, 2, vec![51; 3]));
    assert_eq!((cube.width, cube.height), (1, 6));
    assert_eq!(
        cube.rgb.iter().copied().step_by(3).collect::<Vec<_>>(),
        [0, 51, 102, 153, 204, 255]
    );
    assert_eq!(file.scene.background, [0.5; 3]);
}

#[test]
fn a_scene_without_a_camera_gets_one() {
    let folder =
        folder(&[("scene.xml", b"<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")]);
    let file = load(&folder).unwrap();
    let [camera] = &file.scene.cameras[..] else { panic!() };
    assert_eq!((camera.name.as_str(), camera.body), ("default", 0));
    // It looks at the middle of the scene.
    let middle = camera.pose.inverse().transform([0.0; 3]);
    assert!(middle[0].abs() < 1e-5 && middle[1].abs() < 1e-5 && middle[2] < -2.0, "{middle:?}");
    assert!(file.notices.iter().any(|notice| notice.contains("no camera")));
}

#[test]
fn other_roots_are_refused() {
    let folder = folder(&[("scene.xml", b"<sdf/>")]);
    assert!(problem(&folder).contains("scene.xml:1: the root element is <sdf>"));
}

/// The scenes of the sims, as they have always been.
#[test]
fn the_sims_keep_their_scenes() {
    let sims = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sims");
    let read = |name: &str| scene_file::read(&sims.join(name).join("scene.xml"), false).unwrap();
    let reacher = read("reacher");
    assert_eq!(joint(&reacher, "wrist").limit, Some([-160.0, 160.0].map(f64::to_radians)));
    assert_eq!(joint(&reacher, "shoulder").damping, 0.01);
    assert_eq!(reacher.scene.background, [0.20, 0.22, 0.26]);
    let rooms = read("two-room");
    assert_eq!(geom(&rooms, "below door").shape, Shape::Box { half: [0.05, 0.635, 0.1].into() });
    assert_eq!(rooms.description.actuators[1].bias, [0.0, 0.0, -400.0]);
    let cart = read("cart-pole");
    assert_eq!(joint(&cart, "slider").limit, Some([-1.8, 1.8]));
    assert_eq!(cart.description.actuators[0].gear[0], 10.0);
    for file in [reacher, rooms, cart] {
        assert!(file.notices.is_empty(), "{:?}", file.notices);
        assert_eq!((file.scene.cameras.len(), file.scene.lights.len()), (1, 1));
    }
}
