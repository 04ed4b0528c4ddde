//! Samples, and the pixels they belong to.
//!
//! A frame never clears or restores anything: it takes up the pixels that it changes, each as a copy
//! of the background's samples, and forgets them when it is done. So nothing can leak into the next.

use crate::math::Affine;

/// Samples in a pixel.
pub(crate) const LANES: usize = 16;

/// One number per sample of a pixel.
pub(crate) type Lanes = [f32; LANES];

/// Where the samples sit in their pixel: column and row offsets in (0, 1).
pub(crate) type Pattern = [Lanes; 2];

/// The pattern of a picture.
///
/// Hammersley's set, a (0, 4, 2)-net in base 2: one sample in each cell of a 4x4 grid, as in plain
/// supersampling, but also one in each of 16 columns and 16 rows, so that an upright edge shows 16
/// positions instead of 4. Turning it by half a turn maps it onto itself, so it has no drift.
pub(crate) const NET: Pattern = {
    let mut offsets = [[0.0; LANES]; 2];
    let mut i = 0;
    while i < LANES {
        offsets[0][i] = (i as f32 + 0.5) / LANES as f32;
        offsets[1][i] = ((i as u32).reverse_bits() >> 28) as f32 / LANES as f32 + 0.5 / 16.0;
        i += 1;
    }
    offsets
};

/// Pixels of a measurement, along a side, that [`GRID`] puts into one pixel of the canvas.
pub(crate) const BLOCK: usize = 4;

/// The pattern of a measurement: the middles of a block of pixels, row by row. So one sample measures
/// one pixel, and a canvas for depths has a sixteenth of the pixels of the canvas for a picture.
pub(crate) const GRID: Pattern = {
    let mut offsets = [[0.0; LANES]; 2];
    let mut i = 0;
    while i < LANES {
        offsets[0][i] = ((i % BLOCK) as f32 + 0.5) / BLOCK as f32;
        offsets[1][i] = ((i / BLOCK) as f32 + 0.5) / BLOCK as f32;
        i += 1;
    }
    offsets
};

/// What an affine quantity adds to its value at the pixel's corner, at each sample.
#[inline(always)]
pub(crate) fn spread(pattern: &Pattern, dx: f32, dy: f32) -> Lanes {
    let mut lanes = [0.0; LANES];
    for (i, lane) in lanes.iter_mut().enumerate() {
        *lane = dx * pattern[0][i] + dy * pattern[1][i];
    }
    lanes
}

/// [`spread`] of an [`Affine`].
#[inline(always)]
pub(crate) fn spread_of(pattern: &Pattern, affine: &Affine) -> Lanes {
    spread(pattern, affine.dx, affine.dy)
}

/// The samples of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Samples {
    /// In a picture: red in the lowest byte, then green, then blue. In a measurement: a shape.
    pub color: [u32; LANES],
    /// Distance along the camera's axis, metres; infinite where nothing is drawn.
    pub depth: Lanes,
}

impl Samples {
    /// The mean colour, rounded half up.
    pub fn mean(&self) -> [u8; 3] {
        // Sums of 16 bytes fit 16 bits, so two channels share a word.
        let (mut even, mut odd) = (0u32, 0u32);
        for color in self.color {
            even += color & 0x00ff_00ff;
            odd += (color >> 8) & 0x00ff_00ff;
        }
        let round = |sum: u32| ((sum + LANES as u32 / 2) / LANES as u32) as u8;
        [round(even & 0xffff), round(odd & 0xffff), round(even >> 16)]
    }
}

/// A pixel that is not taken up.
const FREE: u32 = u32::MAX;

/// A background and, over it, the pixels of the frame that is being drawn.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    pub width: usize,
    pub height: usize,
    background: Vec<Samples>,
    /// Index into `taken` of each pixel, or [`FREE`].
    slots: Vec<u32>,
    /// Samples of the pixels this frame changes, in the order in which they were taken up.
    taken: Vec<Samples>,
    /// Which pixels these are.
    pixels: Vec<u32>,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        let empty = Samples { color: [0; LANES], depth: [f32::INFINITY; LANES] };
        Self {
            width,
            height,
            background: vec![empty; width * height],
            slots: vec![FREE; width * height],
            taken: Vec::new(),
            pixels: Vec::new(),
        }
    }

    /// Makes the background one colour, infinitely far away.
    pub fn clear(&mut self, color: u32) {
        self.background.fill(Samples { color: [color; LANES], depth: [f32::INFINITY; LANES] });
    }

    /// The samples of the background, pixel by pixel.
    pub fn background(&self) -> &[Samples] {
        &self.background
    }

    /// The depths of a pixel as they stand.
    #[inline(always)]
    pub fn depth(&self, pixel: usize) -> &Lanes {
        match self.slots[pixel] {
            FREE => &self.background[pixel].depth,
            slot => &self.taken[slot as usize].depth,
        }
    }

    /// Paints the samples where `depth` is finite; the caller has found these to be the nearest.
    #[inline(always)]
    pub fn paint(&mut self, pixel: usize, depth: &Lanes, color: &[u32; LANES]) {
        if self.slots[pixel] == FREE {
            self.slots[pixel] = self.taken.len() as u32;
            self.taken.push(self.background[pixel]);
            self.pixels.push(pixel as u32);
        }
        let samples = &mut self.taken[self.slots[pixel] as usize];
        for i in 0..LANES {
            let won = depth[i] < f32::INFINITY;
            samples.color[i] = if won { color[i] } else { samples.color[i] };
            samples.depth[i] = if won { depth[i] } else { samples.depth[i] };
        }
    }

    /// Makes what has been painted part of the background.
    pub fn bake(&mut self) {
        for (samples, &pixel) in self.taken.iter().zip(&self.pixels) {
            self.background[pixel as usize] = *samples;
            self.slots[pixel as usize] = FREE;
        }
        self.forget();
        // A background may take up every pixel; a frame over it seldom does.
        self.taken.shrink_to(0);
        self.pixels.shrink_to(0);
    }

    /// Shows the samples of every pixel that differs from the background, and lets go of it.
    pub fn finish(&mut self, mut show: impl FnMut(usize, &Samples)) {
        for (samples, &pixel) in self.taken.iter().zip(&self.pixels) {
            show(pixel as usize, samples);
            self.slots[pixel as usize] = FREE;
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.taken.clear();
        self.pixels.clear();
    }
}

/// A colour in [0, 1] as the bytes of a sample.
#[inline(always)]
pub(crate) fn pack(rgb: [f32; 3]) -> u32 {
    byte(rgb[0]) | byte(rgb[1]) << 8 | byte(rgb[2]) << 16
}

/// `[0, 1]` to 0..=255, rounded to even.
///
/// Adding 2^23 leaves the rounded integer in the low bits of the mantissa: unlike a saturating cast,
/// this vectorises everywhere.
#[inline(always)]
fn byte(value: f32) -> u32 {
    let value = if value < 1.0 { value } else { 1.0 };
    let value = if value > 0.0 { value } else { 0.0 };
    (value * 255.0 + 8_388_608.0).to_bits() & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_cover_the_range() {
        for i in 0..=255u32 {
            assert_eq!(byte(i as f32 / 255.0), i);
        }
        assert_eq!((byte(-3.0), byte(7.0)), (0, 255));
        assert_eq!(pack([1.0, 0.0, 2.0 / 255.0]), 0x0002_00ff);
    }

    #[test]
    fn samples_are_a_net_without_drift() {
        for axis in NET {
            let mut sixteenths = axis.map(|at| (at * 16.0) as usize);
            sixteenths.sort_unstable();
            assert_eq!(sixteenths, std::array::from_fn(|i| i));
        }
        let mut cells: Vec<u32> =
            (0..16).map(|i| (NET[0][i] * 4.0) as u32 * 4 + (NET[1][i] * 4.0) as u32).collect();
        cells.sort_unstable();
        assert_eq!(cells, (0..16).collect::<Vec<_>>());
        for i in 0..16 {
            assert_eq!(NET[0][i] + NET[0][15 - i], 1.0);
            assert_eq!(NET[1][i] + NET[1][15 - i], 1.0);
        }
    }

    #[test]
    fn the_mean_is_exact() {
        let mut samples = Samples { color: [0x00ff_ffff; LANES], depth: [1.0; LANES] };
        assert_eq!(samples.mean(), [255; 3]);
        samples.color[3] = 0x00ff_00ff;
        assert_eq!(samples.mean(), [255, 239, 255]);
    }
}
