//! What a decoder paints on: the camera's picture, shrunk to at most 64 pixels a side, cut into quadtrees.
//!
//! A cell is a square of 16 pixels a side; its pixels are the leaves of a quadtree. Leaves are numbered cell by
//! cell and, within a cell, so that four that follow each other have one parent: each level of a decoder then turns
//! a row of values into the rows of its four children without moving anything (the order of Morton 1966).

use housecat_core::Image;

/// Pixels of the longer side, at most.
const SIDE: usize = 64;
/// Levels of a cell's quadtree.
pub(super) const LEVELS: usize = 4;
/// Pixels of a cell's side.
const CELL: usize = 1 << LEVELS;

/// The canvas for a camera's pictures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Canvas {
    /// Columns and rows of the camera's picture.
    pub camera: [usize; 2],
    /// Columns and rows of the canvas.
    pub size: [usize; 2],
    /// Camera pixels that become one, along a side.
    shrink: usize,
    /// The pixel that each leaf is, counted row by row; `None` outside the picture.
    pixels: Vec<Option<usize>>,
}

impl Canvas {
    /// For pictures of so many columns and rows.
    pub fn new(camera: [usize; 2]) -> Self {
        let shrink = camera[0].max(camera[1]).div_ceil(SIDE).max(1);
        let size @ [width, height] = camera.map(|pixels| pixels.div_ceil(shrink));
        let columns = width.div_ceil(CELL);
        let pixel = |leaf: usize| {
            let (cell, within) = (leaf / (CELL * CELL), leaf % (CELL * CELL));
            let (mut x, mut y) = (cell % columns * CELL, cell / columns * CELL);
            for level in 0..LEVELS {
                let child = within >> (2 * level) & 3;
                x += (child & 1) << level;
                y += (child >> 1) << level;
            }
            (x < width && y < height).then_some(y * width + x)
        };
        let leaves = columns * height.div_ceil(CELL) * CELL * CELL;
        Self { camera, size, shrink, pixels: (0..leaves).map(pixel).collect() }
    }

    /// Cells.
    pub fn cells(&self) -> usize {
        self.pixels.len() / (CELL * CELL)
    }

    /// Leaves, those outside the picture included.
    pub fn leaves(&self) -> usize {
        self.pixels.len()
    }

    /// Whether each leaf lies within the picture.
    pub fn inside(&self) -> impl Iterator<Item = bool> + '_ {
        self.pixels.iter().map(Option::is_some)
    }

    /// The colours `[leaves, 3]` of a camera's picture `[h, w, 3]`: means over the pixels that become one. What
    /// lies outside is black.
    pub fn cut(&self, picture: &[u8]) -> Vec<u8> {
        let [width, height] = self.camera;
        let color = |pixel: usize| {
            let [x, y] = [pixel % self.size[0], pixel / self.size[0]].map(|at| at * self.shrink);
            let (mut sums, mut count) = ([0_usize; 3], 0);
            for y in y..(y + self.shrink).min(height) {
                for x in x..(x + self.shrink).min(width) {
                    let at = (y * width + x) * 3;
                    let rgb = &picture[at..at + 3];
                    sums.iter_mut().zip(rgb).for_each(|(sum, &value)| *sum += usize::from(value));
                    count += 1;
                }
            }
            sums.map(|sum| ((sum + count / 2) / count) as u8)
        };
        self.pixels.iter().flat_map(|pixel| pixel.map_or([0; 3], color)).collect()
    }

    /// The picture of colours `[leaves, 3]` in [0, 1].
    pub fn join(&self, colors: &[f32]) -> Image {
        let [width, height] = self.size;
        let mut image = Image::new(width, height);
        for (pixel, color) in self.pixels.iter().zip(colors.chunks_exact(3)) {
            let Some(pixel) = pixel else { continue };
            for (byte, value) in image.pixels[3 * pixel..].iter_mut().zip(color) {
                *byte = (value * 255.0).round().clamp(0.0, 255.0) as u8;
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_survives_being_cut() {
        for camera in [[64, 64], [12, 16], [33, 20], [1, 1]] {
            let canvas = Canvas::new(camera);
            assert_eq!(canvas.size, camera);
            let picture: Vec<u8> =
                (0..camera[0] * camera[1] * 3).map(|i| (i % 251) as u8).collect();
            let cut = canvas.cut(&picture);
            assert_eq!(cut.len(), canvas.leaves() * 3);
            assert_eq!(canvas.inside().filter(|inside| *inside).count(), camera[0] * camera[1]);
            let colors: Vec<f32> = cut.iter().map(|&byte| f32::from(byte) / 255.0).collect();
            assert_eq!(canvas.join(&colors).pixels, picture, "{camera:?}");
        }
    }

    #[test]
    fn four_leaves_in_a_row_are_a_square_at_every_level() {
        let canvas = Canvas::new([32, 16]);
        assert_eq!(canvas.cells(), 2);
        for level in 1..=LEVELS {
            for leaves in canvas.pixels.chunks(1 << (2 * level)) {
                let at: Vec<[usize; 2]> =
                    leaves.iter().flatten().map(|pixel| [pixel % 32, pixel / 32]).collect();
                let square = [0, 1].map(|axis| {
                    let along = at.iter().map(|at| at[axis]);
                    along.clone().max().unwrap() - along.min().unwrap() + 1
                });
                assert_eq!(square, [1 << level; 2]);
            }
        }
    }

    #[test]
    fn a_large_picture_is_shrunk_to_means() {
        let canvas = Canvas::new([130, 65]);
        assert_eq!(canvas.size, [44, 22]);
        let mut picture = vec![10; 130 * 65 * 3];
        // One of the nine pixels that become the first.
        picture[..3].copy_from_slice(&[100, 10, 10]);
        let cut = canvas.cut(&picture);
        assert_eq!(cut[..6], [20, 10, 10, 10, 10, 10]);
        let last = canvas.pixels.iter().position(|pixel| *pixel == Some(44 * 22 - 1)).unwrap();
        assert_eq!(cut[3 * last..3 * last + 3], [10; 3]);
    }
}
