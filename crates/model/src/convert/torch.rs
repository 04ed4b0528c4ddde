//! The tensors in a file of `torch.save`: a zip with a pickle and the raw storages beside it.

use super::pickle;
use std::io::Read;

/// Bytes of the longest pickle that is read; a state dict's is a thousand times smaller.
const LONGEST_PICKLE: u64 = 64 << 20;

/// The values and shape of each tensor, by name.
pub(super) type Arrays = std::collections::BTreeMap<String, (Vec<f32>, Vec<usize>)>;

/// The floating-point tensors of a state dict (the whole file, or its entry `state_dict`), as f32.
///
/// # Errors
/// Says what in the file is not a tensor or a plain container, or is damaged.
pub(super) fn read(bytes: &[u8]) -> Result<Arrays, String> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes))
        .map_err(|error| format!("it is not a zip as torch.save writes: {error}"))?;
    let names: Vec<String> = (0..zip.len())
        .filter_map(|index| Some(zip.by_index(index).ok()?.name().ok()?.into_owned()))
        .collect();
    let Some(folder) = names.iter().find_map(|name| name.strip_suffix("data.pkl")) else {
        return Err("it has no `data.pkl`: it is not what torch.save writes".into());
    };
    let mut entry = |name: &str, most: u64| {
        let path = format!("{folder}{name}");
        let file = zip.by_name(&path).map_err(|error| format!("`{path}`: {error}"))?;
        if file.size() > most {
            return Err(format!(
                "`{path}` has {} bytes, more than the {most} expected",
                file.size()
            ));
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(|error| format!("`{path}`: {error}"))?;
        Ok(bytes)
    };
    if names.iter().any(|name| name.strip_prefix(folder) == Some("byteorder"))
        && entry("byteorder", 16)? != b"little"
    {
        return Err("its numbers are big-endian".into());
    }
    let mut arrays = Arrays::new();
    for (name, tensor) in pickle::tensors(&entry("data.pkl", LONGEST_PICKLE)?)? {
        if let Some(size) = tensor.kind.size() {
            let bytes = entry(&format!("data/{}", tensor.key), (tensor.len * size) as u64)?;
            let values =
                tensor.gather(&bytes).ok_or(format!("`{name}` reaches outside its storage"))?;
            arrays.insert(name, (values, tensor.shape));
        }
    }
    Ok(arrays)
}

/// Numbers of a storage.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    F64,
    F32,
    Bf16,
    F16,
    /// Counters and masks: nothing that a model computes with.
    Integer,
}

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "DoubleStorage" => Some(Self::F64),
            "FloatStorage" => Some(Self::F32),
            "BFloat16Storage" => Some(Self::Bf16),
            "HalfStorage" => Some(Self::F16),
            "LongStorage" | "IntStorage" | "ShortStorage" | "CharStorage" | "ByteStorage"
            | "BoolStorage" => Some(Self::Integer),
            _ => None,
        }
    }

    /// Bytes of a number, if it is a floating-point one.
    fn size(self) -> Option<usize> {
        match self {
            Self::F64 => Some(8),
            Self::F32 => Some(4),
            Self::Bf16 | Self::F16 => Some(2),
            Self::Integer => None,
        }
    }

    fn value(self, bytes: &[u8]) -> Option<f32> {
        Some(match self {
            Self::F64 => f64::from_le_bytes(bytes.try_into().ok()?) as f32,
            Self::F32 => f32::from_le_bytes(bytes.try_into().ok()?),
            Self::Bf16 => {
                f32::from_bits(u32::from(u16::from_le_bytes(bytes.try_into().ok()?)) << 16)
            }
            Self::F16 => half(u16::from_le_bytes(bytes.try_into().ok()?)),
            Self::Integer => return None,
        })
    }
}

/// IEEE 754's binary16.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) =
        (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if bits & 1023 == 0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2.0_f32.powi(exponent - 25),
    };
    if sign == 1 { -size } else { size }
}

/// A view of a storage.
#[derive(Clone)]
pub(super) struct TensorView {
    pub kind: Kind,
    /// Name of the storage.
    pub key: String,
    /// Numbers in the storage.
    pub len: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl TensorView {
    /// The values in row-major order; `None` if it sees more than its storage holds.
    fn gather(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        let size = self.kind.size()?;
        let count =
            self.shape.iter().try_fold(1, |count: usize, &extent| count.checked_mul(extent))?;
        if count > self.len {
            return None;
        }
        let mut values = Vec::with_capacity(count);
        for index in 0..count {
            let (mut rest, mut at) = (index, self.offset);
            for (&extent, &stride) in self.shape.iter().zip(&self.strides).rev() {
                at = at.checked_add((rest % extent).checked_mul(stride)?)?;
                rest /= extent;
            }
            let start = at.checked_mul(size)?;
            values.push(self.kind.value(bytes.get(start..start.checked_add(size)?)?)?);
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read() {
        let cases =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8)];
        for (bits, value) in cases {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7c00) == f32::INFINITY && half(0x7e00).is_nan());
    }

    #[test]
    fn views_outside_their_storage_are_refused() {
        let view = |offset, shape: &[usize], strides: &[usize]| TensorView {
            kind: Kind::F32,
            key: "0".into(),
            len: 6,
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        };
        let bytes: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let transposed = view(0, &[3, 2], &[1, 3]).gather(&bytes).unwrap();
        assert_eq!(transposed, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert!(view(1, &[3, 2], &[1, 3]).gather(&bytes).is_none());
        assert!(view(0, &[usize::MAX, 2], &[0, 0]).gather(&bytes).is_none());
        assert!(view(0, &[2, 4], &[0, 1]).gather(&bytes).is_none());
        assert!(view(usize::MAX, &[2], &[1]).gather(&bytes).is_none());
    }
}
