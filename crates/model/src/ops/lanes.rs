//! Columns of rows, sixteen at a time: arrays of a fixed size become vectors whatever the row's width.

/// Columns taken at once.
pub(crate) const LANES: usize = 16;

/// So many columns of one row.
pub(crate) type Lanes = [f32; LANES];

/// What a column is kept in between loops, which work in f32.
pub(crate) trait Value: Copy + Default + Send + Sync + 'static {
    fn wide(self) -> f32;

    /// The nearest.
    fn of(value: f32) -> Self;
}

impl Value for f32 {
    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }

    #[inline(always)]
    fn of(value: f32) -> Self {
        value
    }
}

/// bfloat16: the upper half of an f32, to the nearest and the even one of two; what is not a number stays so.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Bf16(pub u16);

#[cfg(target_arch = "x86_64")]
impl Value for Bf16 {
    #[inline(always)]
    fn wide(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    #[inline(always)]
    fn of(value: f32) -> Self {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        Self(if value.is_nan() { bits >> 16 | 0x40 } else { rounded } as u16)
    }
}

// What a row ends with goes through memory; the others' lanes never do, and stay in a register.

/// The row's columns from `at` on, zero beyond its end.
#[inline(always)]
pub(crate) fn load<V: Value>(row: &[V], at: usize) -> Lanes {
    let part = &row[at..];
    let mut end = [V::default(); LANES];
    let values = match part.first_chunk::<LANES>() {
        Some(whole) => whole,
        None => {
            end[..part.len()].copy_from_slice(part);
            &end
        }
    };
    let mut lanes = [0.0; LANES];
    for i in 0..LANES {
        lanes[i] = values[i].wide();
    }
    lanes
}

/// Writes the row's columns from `at` on, up to its end.
#[inline(always)]
pub(crate) fn store<V: Value>(row: &mut [V], at: usize, lanes: &Lanes) {
    let part = &mut row[at..];
    let mut values = [V::default(); LANES];
    for i in 0..LANES {
        values[i] = V::of(lanes[i]);
    }
    match part.first_chunk_mut::<LANES>() {
        Some(whole) => *whole = values,
        None => {
            let end = values;
            part.copy_from_slice(&end[..part.len()]);
        }
    }
}

/// Adds to f64 sums of columns.
#[inline(always)]
pub(super) fn add_wide(sums: &mut [f64], at: usize, lanes: &Lanes) {
    for (sum, lane) in sums[at..].iter_mut().zip(lanes) {
        *sum += f64::from(*lane);
    }
}
