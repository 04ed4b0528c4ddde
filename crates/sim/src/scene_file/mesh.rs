//! Mesh files: STL (binary and text), OBJ (positions and faces) and MuJoCo's old MSH.

use super::xml::Place;
use crate::SimError;
use housecat_physics::Mesh;
use std::collections::HashMap;
use std::path::Path;

/// Endings of the files that can be read.
pub(super) const ENDINGS: [&str; 3] = ["stl", "obj", "msh"];

/// The ending of a file's name, in lower case.
pub(super) fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Reads the mesh file that `place` names.
pub(super) fn load(path: &Path, place: &Place) -> Result<Mesh, SimError> {
    let ending = ending(path);
    if !ENDINGS.contains(&ending.as_str()) {
        return Err(place.refuse(
            format!("the mesh {}", path.display()),
            "convert it to .stl or .obj (Blender and MeshLab do)",
        ));
    }
    let bytes = std::fs::read(path).map_err(|source| place.unreadable(path, source))?;
    let mesh = match ending.as_str() {
        "stl" => stl(&bytes),
        "obj" => obj(&String::from_utf8_lossy(&bytes)),
        _ => msh(&bytes),
    };
    mesh.and_then(checked).map_err(|problem| place.wrong(format!("{}: {problem}", path.display())))
}

/// A mesh with finite corners, at least one triangle, and no triangle that lacks a corner.
pub(super) fn checked(mesh: Mesh) -> Result<Mesh, String> {
    let corners = mesh.vertices.len();
    if mesh.triangles.is_empty() {
        return Err("the mesh has no triangles".to_owned());
    }
    if let Some(lacking) = mesh.triangles.iter().flatten().find(|&&at| at as usize >= corners) {
        return Err(format!("a face names vertex {lacking}, but there are {corners}"));
    }
    if !mesh.vertices.iter().flatten().all(|value| value.is_finite()) {
        return Err("a vertex of the mesh is not finite".to_owned());
    }
    Ok(mesh)
}

/// The convex hull of points.
pub(super) fn hull(points: &[[f64; 3]]) -> Result<Mesh, String> {
    Mesh::hull(points)
        .ok_or_else(|| "needs at least four vertices that do not lie in a plane".to_owned())
}

/// Joins equal corners, which STL repeats for every triangle.
#[derive(Default)]
struct Corners {
    known: HashMap<[u64; 3], u32>,
    vertices: Vec<[f64; 3]>,
}

impl Corners {
    fn index(&mut self, corner: [f64; 3]) -> u32 {
        *self.known.entry(corner.map(f64::to_bits)).or_insert_with(|| {
            self.vertices.push(corner);
            self.vertices.len() as u32 - 1
        })
    }
}

fn stl(bytes: &[u8]) -> Result<Mesh, String> {
    let count = bytes.get(80..84).map(|four| little(four) as usize);
    if count.is_some_and(|count| bytes.len() == 84 + 50 * count) {
        return Ok(stl_binary(&bytes[84..]));
    }
    if !bytes.trim_ascii_start().starts_with(b"solid") {
        return Err("neither a binary STL of the length it says, nor a text one".to_owned());
    }
    let (mut corners, mut triangles, mut triangle) = (Corners::default(), Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(bytes).lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("vertex") => triangle.push(corners.index(point(words, line)?)),
            Some("endfacet") => {
                let facet = std::mem::take(&mut triangle);
                triangles.push(facet.try_into().map_err(|_| "a facet is no triangle")?);
            }
            _ => {}
        }
    }
    Ok(Mesh { vertices: corners.vertices, triangles })
}

fn stl_binary(bytes: &[u8]) -> Mesh {
    let mut corners = Corners::default();
    let mut corner = |bytes: &[u8]| {
        let mut values = bytes.chunks_exact(4).map(|four| f64::from(f32::from_bits(little(four))));
        corners.index([0; 3].map(|_| values.next().unwrap_or_default()))
    };
    // A normal, three corners, two bytes of flags.
    let facets = bytes.chunks_exact(50);
    let triangles =
        facets.map(|facet| [12, 24, 36].map(|at| corner(&facet[at..at + 12]))).collect();
    Mesh { vertices: corners.vertices, triangles }
}

fn obj(text: &str) -> Result<Mesh, String> {
    let (mut vertices, mut triangles) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("v") => vertices.push(point(words, line)?),
            Some("f") => {
                let corner = |word: &str| {
                    let at: i64 = word.split('/').next()?.parse().ok()?;
                    // Counted from one; negative from the last vertex so far.
                    let at = if at < 0 { vertices.len() as i64 + at } else { at - 1 };
                    u32::try_from(at).ok()
                };
                let face: Vec<u32> = words
                    .map(corner)
                    .collect::<Option<_>>()
                    .ok_or_else(|| format!("\"{line}\" is no face"))?;
                if let Some((&first, rest)) = face.split_first() {
                    triangles.extend(rest.windows(2).map(|pair| [first, pair[0], pair[1]]));
                }
            }
            _ => {}
        }
    }
    Ok(Mesh { vertices, triangles })
}

/// Four counts (vertices, normals, texture coordinates, faces), then the numbers of each.
fn msh(bytes: &[u8]) -> Result<Mesh, String> {
    let words: Vec<u32> = bytes.chunks_exact(4).map(little).collect();
    let counts = words.get(..4).ok_or("too short for an MSH file")?;
    let [vertices, normals, coordinates, faces] = [0, 1, 2, 3].map(|at| counts[at] as usize);
    let skipped = 4 + 3 * vertices + 3 * normals + 2 * coordinates;
    if bytes.len() != 4 * (skipped + 3 * faces) {
        return Err("not as long as an MSH file of its counts".to_owned());
    }
    let three = |words: &[u32]| [words[0], words[1], words[2]];
    let single = |bits: u32| f64::from(f32::from_bits(bits));
    let vertices = words[4..4 + 3 * vertices].chunks_exact(3).map(|point| three(point).map(single));
    let triangles = words[skipped..].chunks_exact(3).map(three).collect();
    Ok(Mesh { vertices: vertices.collect(), triangles })
}

fn little(four: &[u8]) -> u32 {
    four.try_into().map(u32::from_le_bytes).unwrap_or_default()
}

fn point<'a>(words: impl Iterator<Item = &'a str>, line: &str) -> Result<[f64; 3], String> {
    let values: Option<Vec<f64>> = words.take(3).map(|word| word.parse().ok()).collect();
    let wrong = || format!("\"{line}\" is no vertex");
    values.and_then(|values| values.try_into().ok()).ok_or_else(wrong)
}
