//! Samples, pixels and the picture they average to.
//!
//! A frame never clears or restores anything: it takes up the pixels that it changes, each as a copy
//! of the background's samples, and forgets them when it is done. So nothing can leak into the next.

use housecat_core::Image;

use crate::math::Affine;

/// Samples in a pixel.
pub(crate) const LANES: usize = 16;

/// One number per sample of a pixel.
pub(crate) type Lanes = [f32; LANES];

/// Where the samples sit in their pixel: column and row offsets in (0, 1).
///
/// Hammersley's set, a (0, 4, 2)-net in base 2: one sample in each cell of a 4x4 grid, as in plain
/// supersampling, but also one in each of 16 columns and 16 rows, so that an upright edge shows 16
/// positions instead of 4. Turning it by half a turn maps it onto itself, so it has no drift.
const OFFSETS: [Lanes; 2] = {
    let mut offsets = [[0.0; LANES]; 2];
    let mut i = 0;
    while i < LANES {
        offsets[0][i] = (i as f32 + 0.5) / LANES as f32;
        offsets[1][i] = ((i as u32).reverse_bits() >> 28) as f32 / LANES as f32 + 0.5 / 16.0;
        i += 1;
    }
    offsets
};

/// What an affine quantity adds to its value at the pixel's corner, at each sample.
#[inline(always)]
pub(crate) fn spread(dx: f32, dy: f32) -> Lanes {
    let mut lanes = [0.0; LANES];
    for (i, lane) in lanes.iter_mut().enumerate() {
        *lane = dx * OFFSETS[0][i] + dy * OFFSETS[1][i];
    }
    lanes
}

/// [`spread`] of an [`Affine`].
#[inline(always)]
pub(crate) fn spread_of(affine: &Affine) -> Lanes {
    spread(affine.dx, affine.dy)
}

/// The samples of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Samples {
    /// Red in the lowest byte, then green, then blue.
    pub color: [u32; LANES],
    /// Distance along the camera's axis, metres; infinite where nothing is drawn.
    pub depth: Lanes,
}

impl Samples {
    /// The mean colour, rounded half up.
    fn mean(&self) -> [u8; 3] {
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
    backdrop: Vec<u8>,
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
            backdrop: vec![0; width * height * 3],
            slots: vec![FREE; width * height],
            taken: Vec::new(),
            pixels: Vec::new(),
        }
    }

    /// Makes the background one colour, infinitely far away.
    pub fn clear(&mut self, color: u32) {
        self.background.fill(Samples { color: [color; LANES], depth: [f32::INFINITY; LANES] });
        let [r, g, b, _] = color.to_le_bytes();
        for pixel in self.backdrop.chunks_exact_mut(3) {
            pixel.copy_from_slice(&[r, g, b]);
        }
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
            let pixel = pixel as usize;
            self.background[pixel] = *samples;
            self.backdrop[pixel * 3..][..3].copy_from_slice(&samples.mean());
            self.slots[pixel] = FREE;
        }
        self.forget();
        // A background may take up every pixel; a frame over it seldom does.
        self.taken.shrink_to(0);
        self.pixels.shrink_to(0);
    }

    /// Writes the picture and lets go of every pixel taken up.
    pub fn finish(&mut self, out: &mut Image) {
        (out.width, out.height) = (self.width, self.height);
        out.pixels.resize(self.backdrop.len(), 0);
        out.pixels.copy_from_slice(&self.backdrop);
        for (samples, &pixel) in self.taken.iter().zip(&self.pixels) {
            let pixel = pixel as usize;
            out.pixels[pixel * 3..][..3].copy_from_slice(&samples.mean());
            self.slots[pixel] = FREE;
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
        for axis in OFFSETS {
            let mut sixteenths = axis.map(|at| (at * 16.0) as usize);
            sixteenths.sort_unstable();
            assert_eq!(sixteenths, std::array::from_fn(|i| i));
        }
        let mut cells: Vec<u32> = (0..16)
            .map(|i| (OFFSETS[0][i] * 4.0) as u32 * 4 + (OFFSETS[1][i] * 4.0) as u32)
            .collect();
        cells.sort_unstable();
        assert_eq!(cells, (0..16).collect::<Vec<_>>());
        for i in 0..16 {
            assert_eq!(OFFSETS[0][i] + OFFSETS[0][15 - i], 1.0);
            assert_eq!(OFFSETS[1][i] + OFFSETS[1][15 - i], 1.0);
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
