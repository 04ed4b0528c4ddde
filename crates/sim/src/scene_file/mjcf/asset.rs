//! `<asset>`: meshes, textures and materials, by name.

use super::Context;
use super::mesh_inertia::Solid;
use super::texture::{self, Painted};
use crate::SimError;
use crate::error::find;
use crate::scene_file::xml::{Attributes, Element, advice};
use crate::scene_file::{mesh, seen_geometry};
use housecat_core::{Texture, TextureKind, TextureMap};
use housecat_physics::{Mesh, Shape, Vec3};
use std::sync::Arc;

/// How a surface looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub rgba: [f32; 4],
    pub texture: Option<TextureMap>,
}

/// A mesh for the physics and for the eye.
#[derive(Clone, Debug)]
pub(super) struct SharedMesh {
    pub mesh: Arc<Mesh>,
    pub solid: Solid,
    pub geometry: housecat_core::Geometry,
}

/// A height field without heights: half its extents, and how thick its base is.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlatField {
    pub half: [f64; 2],
    pub thickness: f64,
}

/// What elements refer to by name.
#[derive(Default)]
pub(super) struct Assets {
    meshes: Vec<(String, SharedMesh)>,
    materials: Vec<(String, Look)>,
    fields: Vec<(String, Option<FlatField>)>,
    pub textures: Vec<Texture>,
    /// The middle of the sky's colours.
    pub sky: Option<[f32; 3]>,
}

impl Assets {
    /// Reads all `<asset>` sections. Materials come last, since they may stand before their textures.
    pub fn read(root: &Element, context: &Context) -> Result<Self, SimError> {
        let mut assets = Self::default();
        let mut materials = Vec::new();
        for section in root.children.iter().filter(|child| &*child.tag == "asset") {
            let children = section.read(&context.notices, &[], |a| Ok(a.children()))?;
            for child in children {
                match &*child.tag {
                    "mesh" => assets.mesh(child, context)?,
                    "texture" => assets.texture(child, context)?,
                    "material" => materials.push(child),
                    "skin" => context.notices.element("skin"),
                    "hfield" => assets.field(child, context)?,
                    tag => return Err(child.refuse("asset", advice(tag))),
                }
            }
        }
        for material in materials {
            assets.material(material, context)?;
        }
        Ok(assets)
    }

    /// The mesh that an attribute names.
    pub fn find_mesh(&self, a: &Attributes, name: &str) -> Result<&SharedMesh, SimError> {
        let names = self.meshes.iter().map(|(name, _)| name.as_str());
        let at = find(&a.place().file, &a.field("mesh"), "mesh", name, names)?;
        Ok(&self.meshes[at].1)
    }

    /// The material that an attribute names.
    pub fn find_material(&self, a: &Attributes, name: &str) -> Result<Look, SimError> {
        let names = self.materials.iter().map(|(name, _)| name.as_str());
        let at = find(&a.place().file, &a.field("material"), "material", name, names)?;
        Ok(self.materials[at].1)
    }

    /// The height field that an attribute names, if it is flat.
    pub fn find_field(&self, a: &Attributes, name: &str) -> Result<Option<FlatField>, SimError> {
        let names = self.fields.iter().map(|(name, _)| name.as_str());
        let at = find(&a.place().file, &a.field("hfield"), "height field", name, names)?;
        Ok(self.fields[at].1)
    }

    fn field(&mut self, element: &Element, context: &Context) -> Result<(), SimError> {
        let field = element.read(&context.notices, &["content_type", "nrow", "ncol"], |a| {
            let file = a.word("file");
            let name = a.word("name").map(str::to_owned).or(file.map(stem));
            let name = name.ok_or_else(|| a.wrong("needs a `name` or a `file`"))?;
            let [x, y, _, thickness] = a.numbers("size")?.unwrap_or_default();
            let heights = a.list("elevation")?.unwrap_or_default();
            let flat = file.is_none() && heights.iter().all(|&height| height == heights[0]);
            if !(x > 0.0 && y > 0.0 && thickness > 0.0) {
                return Err(a.wrong("needs four positive numbers in `size`"));
            }
            Ok((name, flat.then_some(FlatField { half: [x, y], thickness })))
        })?;
        self.fields.push(field);
        Ok(())
    }

    fn mesh(&mut self, element: &Element, context: &Context) -> Result<(), SimError> {
        const HARMLESS: [&str; 7] = [
            "smoothnormal",
            "maxhullvert",
            "normal",
            "texcoord",
            "content_type",
            "material",
            "octree_maxdepth",
        ];
        let (name, mesh, solid) = context.read(element, None, &["mesh"], &HARMLESS, |a| {
            let file = a.word("file");
            let stem = file.map(stem);
            let name = a.word("name").map(str::to_owned).or(stem);
            let name = name.ok_or_else(|| a.wrong("needs a `name` or a `file`"))?;
            let mut mesh = match file {
                Some(file) => mesh::load(&context.compiler.mesh_path(file), a.place())?,
                None => inline(a)?,
            };
            let origin = Vec3::from(a.numbers("refpos")?.unwrap_or_default());
            let turn = a.numbers("refquat")?.unwrap_or([1.0, 0.0, 0.0, 0.0]);
            let turn = crate::scene_file::rotation::from_wxyz(turn)
                .ok_or_else(|| a.wrong("has a `refquat` of length 0"))?;
            let scale = Vec3::from(a.numbers("scale")?.unwrap_or([1.0; 3]));
            if scale.iter().any(|&factor| factor == 0.0) {
                return Err(a.wrong("has a `scale` of 0"));
            }
            for vertex in &mut mesh.vertices {
                let moved = turn.inverse_transform_vector(&(Vec3::from(*vertex) - origin));
                *vertex = moved.component_mul(&scale).into();
            }
            if scale.product() < 0.0 {
                // A mirror image turns inside out.
                mesh.triangles.iter_mut().for_each(|triangle| triangle.swap(1, 2));
            }
            let solids =
                [("legacy", Solid::Legacy), ("exact", Solid::Exact), ("convex", Solid::Convex)];
            let solid = a.keyword("inertia", &solids)?.unwrap_or_default();
            Ok((name, mesh, solid))
        })?;
        if self.meshes.iter().any(|(other, _)| *other == name) {
            return Err(element.place.wrong(format!("two meshes are called `{name}`")));
        }
        let mesh = Arc::new(mesh);
        let geometry = seen_geometry(&Shape::Mesh(mesh.clone()));
        self.meshes.push((name, SharedMesh { mesh, solid, geometry }));
        Ok(())
    }

    fn texture(&mut self, element: &Element, context: &Context) -> Result<(), SimError> {
        const HARMLESS: [&str; 6] =
            ["nchannel", "colorspace", "content_type", "hflip", "vflip", "embed"];
        let painted = context.read(element, None, &["texture"], &HARMLESS, |a| {
            let name = a.word("name").or(a.word("file")).unwrap_or_default();
            let name = if a.has("name") { name.to_owned() } else { stem(name) };
            let kinds = [
                ("2d", Some(TextureKind::Sheet)),
                ("cube", Some(TextureKind::Cube)),
                ("skybox", None),
            ];
            let kind = a.keyword("type", &kinds)?.unwrap_or(Some(TextureKind::Cube));
            texture::read(a, &name, kind, context)
        })?;
        match painted {
            Painted::Sky(colour) => self.sky = Some(colour),
            Painted::Texture(texture) => self.textures.push(texture),
        }
        Ok(())
    }

    fn material(&mut self, element: &Element, context: &Context) -> Result<(), SimError> {
        const HARMLESS: [&str; 6] =
            ["emission", "specular", "shininess", "reflectance", "metallic", "roughness"];
        let material = context.read(element, None, &["material"], &HARMLESS, |a| {
            let name = a.need("name")?.to_owned();
            let rgba = a.numbers("rgba")?.unwrap_or([1.0; 4]).map(|value| value as f32);
            let repeat = a.partial("texrepeat", [1.0, 1.0])?.map(|value| value as f32);
            let uniform = a.flag("texuniform")?.unwrap_or(false);
            let mut texture = a.word("texture").map(str::to_owned);
            for layer in a.children() {
                if &*layer.tag != "layer" {
                    return Err(layer.refuse("material", advice(&layer.tag)));
                }
                layer.read(&context.notices, &[], |a| {
                    let (role, name) = (a.need("role")?, a.need("texture")?);
                    match role {
                        "rgb" | "rgba" => texture = Some(name.to_owned()),
                        _ => context.notices.say(format!("<layer role=\"{role}\"> has no effect")),
                    }
                    Ok(())
                })?;
            }
            let texture = texture.map(|texture| {
                let names = self.textures.iter().map(|texture| texture.name.as_str());
                find(&a.place().file, &a.field("texture"), "texture", &texture, names)
            });
            let texture =
                texture.transpose()?.map(|texture| TextureMap { texture, repeat, uniform });
            Ok((name, Look { rgba, texture }))
        })?;
        if self.materials.iter().any(|(other, _)| *other == material.0) {
            return Err(element.place.wrong(format!("two materials are called `{}`", material.0)));
        }
        self.materials.push(material);
        Ok(())
    }
}

/// A mesh whose corners stand in the scene file; without faces it is their hull.
fn inline(a: &mut Attributes) -> Result<Mesh, SimError> {
    let Some(corners) = a.list("vertex")? else {
        return Err(match a.word("builtin") {
            Some(builtin) => a.refuse(format!("builtin=\"{builtin}\""), "write its vertices"),
            None => a.wrong("needs a `file`, or its corners in `vertex`"),
        });
    };
    if corners.len() % 3 != 0 {
        return Err(a.wrong("needs three numbers for each `vertex`"));
    }
    let vertices: Vec<_> = corners.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    let Some(faces) = a.list("face")? else {
        return mesh::hull(&vertices).map_err(|problem| a.wrong(problem));
    };
    let whole = |value: &f64| value.fract() == 0.0 && (0.0..4e9).contains(value);
    if faces.len() % 3 != 0 || !faces.iter().all(whole) {
        return Err(a.wrong("needs three whole numbers for each `face`"));
    }
    let triangles = faces.chunks_exact(3).map(|f| [f[0] as u32, f[1] as u32, f[2] as u32]);
    mesh::checked(Mesh { vertices, triangles: triangles.collect() })
        .map_err(|problem| a.wrong(problem))
}

fn stem(file: &str) -> String {
    let path = crate::scene_file::xml::path_of(file);
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
