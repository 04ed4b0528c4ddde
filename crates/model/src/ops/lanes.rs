//! Columns of rows, sixteen at a time: arrays of a fixed size become vectors whatever the row's width.

/// Columns taken at once.
pub(crate) const LANES: usize = 16;

/// So many columns of one row.
pub(crate) type Lanes = [f32; LANES];

/// The row's columns from `at` on, zero beyond its end.
#[inline(always)]
pub(crate) fn load(row: &[f32], at: usize) -> Lanes {
    let part = &row[at..];
    match part.first_chunk() {
        Some(whole) => *whole,
        None => {
            let mut lanes = [0.0; LANES];
            lanes[..part.len()].copy_from_slice(part);
            lanes
        }
    }
}

/// Writes the row's columns from `at` on, up to its end.
#[inline(always)]
pub(crate) fn store(row: &mut [f32], at: usize, lanes: &Lanes) {
    let part = &mut row[at..];
    match part.first_chunk_mut() {
        Some(whole) => *whole = *lanes,
        None => part.copy_from_slice(&lanes[..part.len()]),
    }
}

/// Adds to f64 sums of columns.
#[inline(always)]
pub(super) fn add_wide(sums: &mut [f64], at: usize, lanes: &Lanes) {
    for (sum, lane) in sums[at..].iter_mut().zip(lanes) {
        *sum += f64::from(*lane);
    }
}
