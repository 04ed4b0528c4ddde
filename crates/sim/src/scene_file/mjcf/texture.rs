//! `<texture>`: built-in patterns and PNG files, as the pictures that shapes wear.

use super::Context;
use crate::SimError;
use crate::scene_file::xml::{Attributes, Place};
use housecat_core::{Mark, Texture, TextureKind};
use std::path::Path;

/// What a texture is for.
pub(super) enum Painted {
    /// For shapes.
    Texture(Texture),
    /// For the sky, which is drawn in one colour.
    Sky([f32; 3]),
}

/// Largest side of a built-in texture in pixels.
const LARGEST: i32 = 4096;

/// The files of a cube's faces, in the order of [`TextureKind::Cube`], and their letters in a grid.
const FACES: [(&str, char); 6] = [
    ("fileright", 'R'),
    ("fileleft", 'L'),
    ("fileup", 'U'),
    ("filedown", 'D'),
    ("filefront", 'F'),
    ("fileback", 'B'),
];

/// Reads a texture of a kind, or the sky if that is `None`.
pub(super) fn read(
    a: &mut Attributes,
    name: &str,
    kind: Option<TextureKind>,
    context: &Context,
) -> Result<Painted, SimError> {
    let single = |rgb: [f64; 3]| rgb.map(|value| value.clamp(0.0, 1.0) as f32);
    let rgb1 = single(a.numbers("rgb1")?.unwrap_or([0.8; 3]));
    let rgb2 = single(a.numbers("rgb2")?.unwrap_or([0.5; 3]));
    let mark_rgb = single(a.numbers("markrgb")?.unwrap_or_default());
    let probability = a.number("random")?.unwrap_or(0.01) as f32;
    let mark = a.keyword(
        "mark",
        &[
            ("none", None),
            ("edge", Some(Mark::Edge)),
            ("cross", Some(Mark::Cross)),
            ("random", Some(Mark::Random(probability))),
        ],
    )?;
    let mark = mark.flatten();
    type Pattern = fn(&str, TextureKind, [f32; 3], [f32; 3], usize, usize) -> Texture;
    let patterns: [(&str, Option<Pattern>); 4] = [
        ("none", None),
        ("gradient", Some(Texture::gradient)),
        ("checker", Some(Texture::checker)),
        ("flat", Some(Texture::flat)),
    ];
    let flat = a.has("builtin") && a.word("builtin") == Some("flat");
    let pattern = a.keyword("builtin", &patterns)?.flatten();
    let (width, height) = (a.integer("width")?.unwrap_or(0), a.integer("height")?.unwrap_or(0));
    let layout = Layout {
        size: a.numbers("gridsize")?.unwrap_or([1.0, 1.0]),
        letters: a.word("gridlayout").unwrap_or("............"),
    };
    let file = a.word("file").map(|file| context.compiler.texture_path(file));
    let files = FACES.map(|(face, _)| a.word(face).map(|file| context.compiler.texture_path(file)));
    if let Some(pattern) = pattern {
        let Some(kind) = kind else {
            let sky = if flat { rgb1 } else { [0, 1, 2].map(|k| (rgb1[k] + rgb2[k]) / 2.0) };
            return Ok(Painted::Sky(sky));
        };
        let tall = kind == TextureKind::Cube || (1..=LARGEST).contains(&height);
        if !(1..=LARGEST).contains(&width) || !tall {
            return Err(a.wrong(format!("needs a `width` and `height` from 1 to {LARGEST}")));
        }
        let texture = pattern(name, kind, rgb1, rgb2, width as usize, height.max(0) as usize);
        return Ok(Painted::Texture(match mark {
            Some(mark) => texture.marked(mark, mark_rgb),
            None => texture,
        }));
    }
    let picture = match (file, kind) {
        (Some(file), Some(TextureKind::Sheet)) => Picture::load(&file, a.place())?,
        (Some(file), _) => {
            layout.cut(&Picture::load(&file, a.place())?).map_err(|problem| a.wrong(problem))?
        }
        (None, _) => {
            let faces = files.iter().flatten().map(|file| Picture::load(file, a.place()));
            let faces = faces.collect::<Result<Vec<_>, _>>()?;
            if faces.is_empty() {
                return Err(a.wrong("needs a `builtin` or a `file`"));
            }
            if faces.len() < FACES.len() {
                return Err(a.wrong("needs a file for each of its six faces"));
            }
            stack(&faces).map_err(|problem| a.wrong(problem))?
        }
    };
    let Some(kind) = kind else { return Ok(Painted::Sky(picture.mean())) };
    let Picture { width, height, rgb } = picture;
    Ok(Painted::Texture(Texture { name: name.to_owned(), kind, width, height, rgb: rgb.into() }))
}

/// Pixels, row by row.
struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    fn load(path: &Path, place: &Place) -> Result<Self, SimError> {
        if !crate::scene_file::mesh::ending(path).eq("png") {
            let what = format!("the texture {}", path.display());
            return Err(place.refuse(what, "convert it to .png"));
        }
        let bytes = std::fs::read(path).map_err(|source| place.unreadable(path, source))?;
        Self::decode(&bytes).map_err(|error| place.wrong(format!("{}: {error}", path.display())))
    }

    fn decode(bytes: &[u8]) -> Result<Self, png::DecodingError> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let mut buffer = vec![0; reader.output_buffer_size().unwrap_or_default()];
        let info = reader.next_frame(&mut buffer)?;
        let samples = info.color_type.samples();
        let rgb =
            buffer[..info.buffer_size()].chunks_exact(samples).flat_map(|pixel| match pixel {
                [r, g, b, ..] => [*r, *g, *b],
                [grey, ..] => [*grey; 3],
                [] => [0; 3],
            });
        Ok(Self { width: info.width as usize, height: info.height as usize, rgb: rgb.collect() })
    }

    fn mean(&self) -> [f32; 3] {
        let count = (self.rgb.len() / 3).max(1) as f64;
        [0, 1, 2].map(|k| {
            let sum: f64 = self.rgb.iter().skip(k).step_by(3).map(|&value| f64::from(value)).sum();
            (sum / count / 255.0) as f32
        })
    }

    /// The square whose upper left corner is in the given row and column of squares.
    fn square(&self, row: usize, column: usize, side: usize) -> Vec<u8> {
        let rows = (row * side..(row + 1) * side).map(|y| 3 * (y * self.width + column * side));
        rows.flat_map(|at| &self.rgb[at..at + 3 * side]).copied().collect()
    }
}

/// How a picture holds the faces of a cube: rows and columns, and a letter for each cell.
struct Layout<'a> {
    size: [f64; 2],
    letters: &'a str,
}

impl Layout<'_> {
    /// The six faces below each other; one cell stands for all of them.
    fn cut(&self, picture: &Picture) -> Result<Picture, String> {
        let [rows, columns] = self.size.map(|size| size.clamp(1.0, 12.0) as usize);
        let side = picture.width / columns;
        if side * columns != picture.width || side * rows != picture.height {
            return Err("needs a picture of square faces: see `gridsize`".to_owned());
        }
        if rows * columns == 1 {
            let (width, height) = (side, 6 * side);
            return Ok(Picture { width, height, rgb: picture.rgb.repeat(6) });
        }
        let face = |(_, letter): (&str, char)| {
            let at = self.letters.chars().position(|other| other == letter);
            let at = at.filter(|at| at / columns < rows);
            at.map(|at| picture.square(at / columns, at % columns, side))
        };
        let faces: Option<Vec<_>> = FACES.into_iter().map(face).collect();
        let faces = faces.ok_or("needs all of R, L, U, D, F and B in `gridlayout`")?;
        Ok(Picture { width: side, height: 6 * side, rgb: faces.concat() })
    }
}

/// Six square pictures below each other.
fn stack(faces: &[Picture]) -> Result<Picture, String> {
    let side = faces[0].width;
    if !faces.iter().all(|face| face.width == side && face.height == side) {
        return Err("needs six square pictures of one size".to_owned());
    }
    let rgb = faces.iter().flat_map(|face| &face.rgb).copied().collect();
    Ok(Picture { width: side, height: 6 * side, rgb })
}
