//! A matrix for many products, in f32 or rounded to bfloat16.

#[cfg(target_arch = "x86_64")]
use super::bf16::{Engine, Rounded};
#[cfg(target_arch = "x86_64")]
use super::matmul::{Start, Target};
use super::{Addend, Packed, Source};
use crate::config::Precision;

/// [`Packed`], and rounded besides if that was asked for and the machine has such products.
///
/// Either way the bits of a row depend on that row alone.
pub(crate) struct Weights {
    packed: Packed,
    #[cfg(target_arch = "x86_64")]
    rounded: Option<Rounded>,
}

impl Weights {
    /// Of a row-major matrix.
    pub(crate) fn new(weight: &[f32], inputs: usize, outputs: usize) -> Self {
        Packed::new(weight, inputs, outputs).into()
    }

    /// Of the transpose of a row-major `[outputs, inputs]` matrix.
    pub(crate) fn transposed(weight: &[f32], inputs: usize, outputs: usize) -> Self {
        Packed::transposed(weight, inputs, outputs).into()
    }

    /// Multiplies in this precision from now on.
    pub(crate) fn round(&mut self, precision: Precision) {
        #[cfg(target_arch = "x86_64")]
        {
            let size = [self.packed.inputs(), self.packed.outputs()];
            self.rounded = Engine::for_precision(precision)
                .map(|engine| Rounded::new(engine, &self.packed.plain(), size));
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = precision;
    }

    /// Columns of the result.
    pub(crate) fn outputs(&self) -> usize {
        self.packed.outputs()
    }

    /// As [`Packed::product`]. Rounded is a product of rows that meet all of the matrix and are not the same one.
    ///
    /// # Panics
    /// If a buffer is too short: the caller's shapes are wrong.
    pub(crate) fn product(
        &self,
        rows: usize,
        sources: &[Source<'_>],
        addends: [Option<Addend<'_>>; 2],
        out: &mut [f32],
        out_stride: usize,
    ) {
        #[cfg(target_arch = "x86_64")]
        if let (Some(rounded), &[source]) = (&self.rounded, sources)
            && source.width == self.packed.inputs()
            && source.stride >= source.width
            && rows > 0
        {
            let (values, stride, outputs) = (source.values, source.stride, self.outputs());
            assert!(values.len() >= (rows - 1) * stride + source.width, "product source");
            let needed = (rows - 1) * out_stride + outputs;
            assert!(out_stride >= outputs && out.len() >= needed, "product target");
            let start = match addends {
                [None, None] => Start::Zero,
                [Some(Addend { values, stride: 0 }), None] => Start::Row(&values[..outputs]),
                _ => {
                    for (row, out) in out.chunks_mut(out_stride).enumerate().take(rows) {
                        add_up(addends, row, &mut out[..outputs]);
                    }
                    Start::Target
                }
            };
            let target = Target { out: out.as_mut_ptr(), row: out_stride };
            // SAFETY: the rows are there, and room for the result, as was checked.
            return unsafe { rounded.product(rows, (values, stride), target, start) };
        }
        self.packed.product(rows, sources, addends, out, out_stride);
    }
}

impl From<Packed> for Weights {
    fn from(packed: Packed) -> Self {
        Self {
            packed,
            #[cfg(target_arch = "x86_64")]
            rounded: None,
        }
    }
}

/// A row of the sum of what is to be added.
#[cfg(target_arch = "x86_64")]
fn add_up(addends: [Option<Addend<'_>>; 2], row: usize, out: &mut [f32]) {
    out.fill(0.0);
    for Addend { values, stride } in addends.into_iter().flatten() {
        for (out, value) in out.iter_mut().zip(&values[row * stride..]) {
            *out += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn rounded_products_are_near() {
        for (rows, inputs, outputs) in [(1, 5, 3), (17, 40, 33), (96, 400, 64)] {
            let normal = |name, count| check::normal(name, &[count]).to_vec1::<f32>().unwrap();
            let (x, weight) = (normal("x", rows * (inputs + 3)), normal("w", inputs * outputs));
            let (bias, base) = (normal("b", outputs), normal("base", rows * outputs));
            let mut weights = Weights::new(&weight, inputs, outputs);
            let source = Source { values: &x, stride: inputs + 3, width: inputs, row: 0 };
            let bias = Some(Addend::bias(&bias));
            for addends in [
                [None, None],
                [bias, None],
                [bias, Some(Addend { values: &base, stride: outputs })],
            ] {
                let [exact, rounded] = [Precision::F32, Precision::Bf16].map(|precision| {
                    weights.round(precision);
                    let mut out = vec![f32::NAN; rows * outputs];
                    weights.product(rows, &[source], addends, &mut out, outputs);
                    out
                });
                let bound = 2e-2 * (inputs as f32).sqrt();
                for (exact, rounded) in exact.iter().zip(&rounded) {
                    assert!((exact - rounded).abs() < bound, "{exact} {rounded}");
                }
            }
        }
    }
}
