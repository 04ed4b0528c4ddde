//! Textures: pictures that shapes wear, and how a shape wears one.

use std::sync::Arc;

use crate::Seed;

/// How a texture's picture is laid out and wrapped, as MJCF's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextureKind {
    /// One picture, repeated over a surface (`2d`).
    Sheet,
    /// Six square pictures below each other, shrink-wrapped onto the shape (`cube`): seen from the
    /// shape's centre they lie towards +x, -x, +y, -y, +z, -z, each turned as in OpenGL's cube maps.
    Cube,
}

/// A picture that shapes wear. The pixels are shared between clones.
#[derive(Clone, Debug, PartialEq)]
pub struct Texture {
    /// Name in the scene file.
    pub name: String,
    /// Layout.
    pub kind: TextureKind,
    /// Columns.
    pub width: usize,
    /// Rows; six times the columns for a cube.
    pub height: usize,
    /// `height * width * 3` bytes, row by row from the top.
    pub rgb: Arc<[u8]>,
}

/// What can be drawn over a [builtin texture](Texture::checker), as MJCF's `mark`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    /// A line of one pixel around each picture.
    Edge,
    /// A line of one pixel through the middle of each picture, across and down.
    Cross,
    /// Dots: each pixel with this probability. The same dots every time.
    Random(f32),
}

/// How a shape wears a texture. The texture is multiplied with the shape's colour.
///
/// A [`Sheet`](TextureKind::Sheet) lies on the xy plane of the shape's frame with a picture's middle
/// at the origin and its upper edge towards +y, and is projected along z; the faces of a box carry
/// it each in its own plane. A [`Cube`](TextureKind::Cube) is looked up by the direction from the
/// shape's centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextureMap {
    /// Index into [`Scene::textures`](crate::Scene::textures).
    pub texture: usize,
    /// MJCF's `texrepeat`: how often a sheet is repeated along x and y. Not used by cubes.
    pub repeat: [f32; 2],
    /// MJCF's `texuniform`. For a sheet: `repeat` counts pictures in two metres (so that the cells
    /// of a 2 x 2 checker are `1 / repeat` metres long, which is how MuJoCo draws it) instead of
    /// pictures over the whole shape. For a cube: directions are taken as they are, instead of on
    /// the shape scaled to a cube. Planes without an end are uniform in MJCF whatever they say.
    pub uniform: bool,
}

impl Texture {
    /// MJCF's builtin `checker`: two by two fields, `rgb1` in the upper left; the front and back of
    /// a cube have the colours swapped. Colours are red, green, blue in [0, 1]. The height of a cube
    /// is six times its width, whatever is asked for.
    pub fn checker(
        name: &str,
        kind: TextureKind,
        rgb1: [f32; 3],
        rgb2: [f32; 3],
        width: usize,
        height: usize,
    ) -> Self {
        let colors = [bytes(rgb1), bytes(rgb2)];
        Self::drawn(name, kind, width, height, |at| {
            let lower = at.row >= at.rows / 2;
            let right = at.column >= at.columns / 2;
            colors[usize::from(lower ^ right ^ (at.face >= 4))]
        })
    }

    /// MJCF's builtin `gradient`: from `rgb1` in the middle of a sheet to `rgb2` around it, or from
    /// `rgb1` at the upper (+y) face of a cube to `rgb2` at the lower. For the rest see
    /// [`Texture::checker`].
    pub fn gradient(
        name: &str,
        kind: TextureKind,
        rgb1: [f32; 3],
        rgb2: [f32; 3],
        width: usize,
        height: usize,
    ) -> Self {
        Self::drawn(name, kind, width, height, |at| {
            // From -1 to 1, right and up.
            let along = |step: usize, steps: usize| {
                (2.0 * step as f64 - (steps - 1) as f64) / (steps - 1).max(1) as f64
            };
            let (x, y) = (along(at.column, at.columns), -along(at.row, at.rows));
            let (square, length) = (x * x + y * y, (1.0 + x * x + y * y).sqrt());
            let rise = match (kind, at.face) {
                (TextureKind::Sheet, _) => 1.0 - 2.0 * square.sqrt(),
                (TextureKind::Cube, 2) => elevation(1.0 / length),
                (TextureKind::Cube, 3) => -elevation(1.0 / length),
                (TextureKind::Cube, _) => elevation(y / length),
            };
            let share = (0.5 + rise / (2.0 * (1.0 + rise * rise)).sqrt()).clamp(0.0, 1.0);
            bytes(
                [0, 1, 2].map(|k| {
                    (share * f64::from(rgb1[k]) + (1.0 - share) * f64::from(rgb2[k])) as f32
                }),
            )
        })
    }

    /// MJCF's builtin `flat`: `rgb1` everywhere, but `rgb2` on the lower (-y) face of a cube. For the
    /// rest see [`Texture::checker`].
    pub fn flat(
        name: &str,
        kind: TextureKind,
        rgb1: [f32; 3],
        rgb2: [f32; 3],
        width: usize,
        height: usize,
    ) -> Self {
        let colors = [bytes(rgb1), bytes(rgb2)];
        Self::drawn(name, kind, width, height, |at| colors[usize::from(at.face == 3)])
    }

    /// The texture with marks of a colour drawn over it, on each face of a cube.
    pub fn marked(self, mark: Mark, rgb: [f32; 3]) -> Self {
        let color = bytes(rgb);
        let mut dots = Seed::new(0).child("texture marks", 0).rng();
        let (old, width) = (self.rgb.clone(), self.width);
        Self::drawn(&self.name, self.kind, self.width, self.height, |at| {
            let end = |step: usize, steps: usize| step == 0 || step + 1 == steps;
            let marked = match mark {
                Mark::Edge => end(at.row, at.rows) || end(at.column, at.columns),
                Mark::Cross => at.row == at.rows / 2 || at.column == at.columns / 2,
                Mark::Random(probability) => dots.chance(probability),
            };
            let pixel = 3 * ((at.face * at.rows + at.row) * width + at.column);
            match old.get(pixel..pixel + 3) {
                Some(&[r, g, b]) if !marked => [r, g, b],
                _ => color,
            }
        })
    }

    /// Asks for every pixel, row by row.
    fn drawn(
        name: &str,
        kind: TextureKind,
        width: usize,
        height: usize,
        mut color: impl FnMut(&Place) -> [u8; 3],
    ) -> Self {
        let (faces, rows) = match kind {
            TextureKind::Sheet => (1, height),
            TextureKind::Cube => (6, width),
        };
        let mut rgb = Vec::with_capacity(faces * rows * width * 3);
        for face in 0..faces {
            for row in 0..rows {
                for column in 0..width {
                    rgb.extend(color(&Place { face, row, column, rows, columns: width }));
                }
            }
        }
        Self { name: name.to_owned(), kind, width, height: faces * rows, rgb: rgb.into() }
    }
}

/// A pixel of a face of a texture.
struct Place {
    face: usize,
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
}

/// A colour as MuJoCo rounds it: down.
fn bytes(rgb: [f32; 3]) -> [u8; 3] {
    rgb.map(|value| (255.0 * value) as u8)
}

/// The angle over the horizon in quarter turns, from its sine. Abramowitz and Stegun, 4.4.46, which
/// errs by 2e-8 and needs nothing that differs between machines.
fn elevation(sine: f64) -> f64 {
    const TERMS: [f64; 8] = [
        1.570_796_305_0,
        -0.214_598_801_6,
        0.088_978_987_4,
        -0.050_174_304_6,
        0.030_891_881_0,
        -0.017_088_125_6,
        0.006_670_090_1,
        -0.001_262_491_1,
    ];
    let x = sine.abs().min(1.0);
    let series = TERMS.iter().rev().fold(0.0, |sum, term| sum * x + term);
    (1.0 - (1.0 - x).sqrt() * series / std::f64::consts::FRAC_PI_2).copysign(sine)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RGB1: [f32; 3] = [0.1, 0.2, 0.3];
    const RGB2: [f32; 3] = [0.9, 0.65, 0.4];
    const MARK: [f32; 3] = [0.2, 0.3, 0.5];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes of MuJoCo 3.17's `tex_data` for these colours at 4 x 3.
    #[test]
    fn builtin_sheets_are_those_of_mujoco() {
        let sheet = TextureKind::Sheet;
        let flat = Texture::flat("", sheet, RGB1, RGB2, 4, 3);
        let checker = Texture::checker("", sheet, RGB1, RGB2, 4, 3);
        let gradient = Texture::gradient("", sheet, RGB1, RGB2, 4, 3);
        let cases = [
            (flat.clone(), "19334c".repeat(12)),
            (
                checker.clone(),
                "19334c19334ce5a566e5a566e5a566e5a56619334c19334ce5a566e5a56619334c19334c".into(),
            ),
            (
                checker.clone().marked(Mark::Edge, MARK),
                "334c7f334c7f334c7f334c7f334c7fe5a56619334c334c7f334c7f334c7f334c7f334c7f".into(),
            ),
            (
                checker.marked(Mark::Cross, MARK),
                "19334c19334c334c7fe5a566334c7f334c7f334c7f334c7fe5a566e5a566334c7f19334c".into(),
            ),
            (
                gradient,
                "e5a566e5a566e5a566e5a566e5a566515253515253e5a566e5a566e5a566e5a566e5a566".into(),
            ),
        ];
        for (texture, want) in cases {
            assert_eq!((texture.width, texture.height), (4, 3));
            assert_eq!(hex(&texture.rgb), want);
        }
        let dots = flat.clone().marked(Mark::Random(0.5), MARK);
        let marks = dots.rgb.chunks(3).filter(|pixel| **pixel == [0x33, 0x4c, 0x7f]).count();
        assert!((1..12).contains(&marks), "{marks} of 12 at one half");
        assert_eq!(dots, flat.clone().marked(Mark::Random(0.5), MARK));
        assert_eq!(flat, flat.clone().marked(Mark::Random(0.0), MARK));
    }

    /// The same for cubes.
    #[test]
    fn builtin_cubes_are_those_of_mujoco() {
        let cube = TextureKind::Cube;
        let side = "4a4e524049514049514a4e526a6056635c55635c556a605694785b9b7b5c9b7b5c94785bb4895fbe8f61be8f61b4895f";
        let up = "4a4e524049514049514a4e524049512b3c4e2b3c4e4049514049512b3c4e2b3c4e4049514a4e524049514049514a4e52";
        let down = "b4895fbe8f61be8f61b4895fbe8f61d39b63d39b63be8f61be8f61d39b63d39b63be8f61b4895fbe8f61be8f61b4895f";
        let gradient = Texture::gradient("", cube, RGB1, RGB2, 4, 3);
        assert_eq!((gradient.width, gradient.height), (4, 24));
        assert_eq!(hex(&gradient.rgb), [side, side, up, down, side, side].concat());

        let right = "334c7f334c7f334c7f334c7f334c7f19334ce5a566334c7f334c7fe5a56619334c334c7f334c7f334c7f334c7f334c7f";
        let front = "334c7f334c7f334c7f334c7f334c7fe5a56619334c334c7f334c7f19334ce5a566334c7f334c7f334c7f334c7f334c7f";
        let checker = Texture::checker("", cube, RGB1, RGB2, 4, 0).marked(Mark::Edge, MARK);
        assert_eq!(hex(&checker.rgb), [&right.repeat(4), front, front].concat());

        let flat = Texture::flat("", cube, RGB1, RGB2, 4, 0).marked(Mark::Cross, MARK);
        let crossed = |c: &str| {
            let m = "334c7f";
            [c, c, m, c, c, c, m, c, m, m, m, m, c, c, m, c].concat()
        };
        let (rest, down) = (crossed("19334c"), crossed("e5a566"));
        assert_eq!(hex(&flat.rgb), [&rest.repeat(3), &down, &rest.repeat(2)[..]].concat());
    }

    #[test]
    fn textures_without_pixels_are_empty() {
        for kind in [TextureKind::Sheet, TextureKind::Cube] {
            let empty = Texture::gradient("", kind, RGB1, RGB2, 0, 0).marked(Mark::Edge, MARK);
            assert!(empty.rgb.is_empty());
        }
        let dot = Texture::gradient("", TextureKind::Sheet, RGB1, RGB2, 1, 1);
        assert_eq!(hex(&dot.rgb), "19334c");
    }
}
