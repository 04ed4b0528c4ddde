//! The tensors in a file of `torch.save`: a zip with a pickle and the raw storages beside it.
//!
//! A pickle is a program that may call anything. Nothing here calls: the reader knows the few instructions and names
//! that tensors in plain containers need, and refuses a file with any other.

use std::collections::HashMap;
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
    for (name, tensor) in tensors(&entry("data.pkl", LONGEST_PICKLE)?)? {
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
enum Kind {
    F64,
    F32,
    Bf16,
    F16,
    /// Counters and masks: nothing that a model computes with.
    Integer,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
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
struct TensorView {
    kind: Kind,
    /// Name of the storage.
    key: String,
    /// Numbers in the storage.
    len: usize,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
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

/// What a pickle may make; others are referred to by their place in the list of all.
#[derive(Clone)]
enum Node {
    /// None, a truth value or a float.
    Plain,
    Integer(i64),
    Text(String),
    Sequence(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    Name(Name),
    Storage {
        kind: Kind,
        key: String,
        len: usize,
    },
    Tensor(TensorView),
}

/// What a pickle may refer to.
#[derive(Clone, Copy)]
enum Name {
    OrderedDict,
    Tensor,
    Parameter,
    Storage(Kind),
}

impl Name {
    fn find(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::Tensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::Parameter),
            ("torch", name) => Kind::named(name).map(Self::Storage),
            _ => None,
        }
    }
}

/// The tensors in a pickle by name.
fn tensors(pickle: &[u8]) -> Result<Vec<(String, TensorView)>, String> {
    let mut machine = Machine { rest: pickle, ..Machine::default() };
    let mut at = machine.run()?;
    let inner = machine.entries(at)?.iter().find(|(key, _)| machine.is_text(*key, "state_dict"));
    if let Some(&(_, value)) = inner {
        at = value;
    }
    let named = machine.entries(at)?.iter().filter_map(|&(key, value)| {
        match (&machine.nodes[key], &machine.nodes[value]) {
            (Node::Text(name), Node::Tensor(tensor)) => Some((name.clone(), tensor.clone())),
            _ => None,
        }
    });
    Ok(named.collect())
}

/// A stack of places in the list of all nodes, as pickle's instructions want it.
#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    nodes: Vec<Node>,
    stack: Vec<usize>,
    /// Heights of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, usize>,
}

const DAMAGED: &str = "its pickle is damaged";

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<usize, String> {
        loop {
            match self.byte()? {
                0x80 => {
                    let version = self.byte()?;
                    if !(2..=3).contains(&version) {
                        return Err(format!(
                            "its pickle is of protocol {version}, wanted 2, as torch.save writes"
                        ));
                    }
                }
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'N' | 0x88 | 0x89 => self.push(Node::Plain),
                b'G' => {
                    self.take(8)?;
                    self.push(Node::Plain);
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Node::Integer(value.into()));
                }
                b'K' => {
                    let value = self.byte()?;
                    self.push(Node::Integer(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Node::Integer(value.into()));
                }
                0x8a => {
                    let count = self.byte()?;
                    let bytes = self.take(count.into())?;
                    if bytes.len() > 8 {
                        return Err("an integer in its pickle has more than 64 bits".into());
                    }
                    let sign =
                        if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
                    let mut wide = [sign; 8];
                    wide[..bytes.len()].copy_from_slice(bytes);
                    self.push(Node::Integer(i64::from_le_bytes(wide)));
                }
                b'X' => {
                    let count = u32::from_le_bytes(self.array()?);
                    let text =
                        std::str::from_utf8(self.take(count as usize)?).map_err(|_| DAMAGED)?;
                    self.push(Node::Text(text.to_owned()));
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    let Some(found) = Name::find(module, name) else {
                        return Err(format!(
                            "it holds a `{module}.{name}`, which is no tensor or plain container and is not read; save \
                             the weights alone: torch.save(model.state_dict(), path)"
                        ));
                    };
                    self.push(Node::Name(found));
                }
                b'q' => {
                    let place = self.byte()?;
                    self.remember(place.into())?;
                }
                b'r' => {
                    let place = u32::from_le_bytes(self.array()?);
                    self.remember(place)?;
                }
                b'h' => {
                    let place = self.byte()?;
                    self.recall(place.into())?;
                }
                b'j' => {
                    let place = u32::from_le_bytes(self.array()?);
                    self.recall(place)?;
                }
                b')' | b']' => self.push(Node::Sequence(Vec::new())),
                b'}' => self.push(Node::Dict(Vec::new())),
                b't' => {
                    let items = self.pop_marked()?;
                    self.push(Node::Sequence(items));
                }
                count @ 0x85..=0x87 => {
                    let height =
                        self.stack.len().checked_sub((count - 0x84).into()).ok_or(DAMAGED)?;
                    let items = self.stack.split_off(height);
                    self.push(Node::Sequence(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_marked()?;
                    self.append(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_marked()?;
                    self.set(&items)?;
                }
                // The attributes of a dict (PyTorch notes versions there) say nothing of its tensors.
                b'b' => {
                    self.pop()?;
                    let at = *self.stack.last().ok_or(DAMAGED)?;
                    self.entries(at)?;
                }
                b'R' => {
                    let arguments = self.pop()?;
                    let name = self.pop()?;
                    let made = self.make(name, arguments)?;
                    self.push(made);
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage =
                        self.storage(id).ok_or("it refers to something that is no storage")?;
                    self.push(storage);
                }
                other => {
                    return Err(format!(
                        "its pickle has the instruction {other:#04x}, which no tensor needs"
                    ));
                }
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DAMAGED)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| DAMAGED.to_owned())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or(DAMAGED)?;
        let line = self.take(end + 1)?;
        std::str::from_utf8(&line[..end]).map_err(|_| DAMAGED.to_owned())
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    fn pop(&mut self) -> Result<usize, String> {
        self.stack.pop().ok_or_else(|| DAMAGED.to_owned())
    }

    fn pop_marked(&mut self) -> Result<Vec<usize>, String> {
        let height =
            self.marks.pop().filter(|&height| height <= self.stack.len()).ok_or(DAMAGED)?;
        Ok(self.stack.split_off(height))
    }

    fn remember(&mut self, place: u32) -> Result<(), String> {
        let at = *self.stack.last().ok_or(DAMAGED)?;
        self.memo.insert(place, at);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), String> {
        self.stack.push(*self.memo.get(&place).ok_or(DAMAGED)?);
        Ok(())
    }

    fn append(&mut self, items: Vec<usize>) -> Result<(), String> {
        let at = *self.stack.last().ok_or(DAMAGED)?;
        match &mut self.nodes[at] {
            Node::Sequence(list) => list.extend(items),
            _ => return Err(DAMAGED.into()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[usize]) -> Result<(), String> {
        let at = *self.stack.last().ok_or(DAMAGED)?;
        match &mut self.nodes[at] {
            Node::Dict(entries) if items.len() % 2 == 0 => {
                entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            _ => return Err(DAMAGED.into()),
        }
        Ok(())
    }

    fn entries(&self, at: usize) -> Result<&[(usize, usize)], String> {
        match &self.nodes[at] {
            Node::Dict(entries) => Ok(entries),
            _ => Err("it holds no dict of tensors".into()),
        }
    }

    fn is_text(&self, at: usize, text: &str) -> bool {
        matches!(&self.nodes[at], Node::Text(own) if own == text)
    }

    fn sequence(&self, at: usize) -> Option<&[usize]> {
        match &self.nodes[at] {
            Node::Sequence(items) => Some(items),
            _ => None,
        }
    }

    fn count(&self, at: usize) -> Option<usize> {
        match self.nodes[at] {
            Node::Integer(value) => usize::try_from(value).ok(),
            _ => None,
        }
    }

    fn counts(&self, at: usize) -> Option<Vec<usize>> {
        self.sequence(at)?.iter().map(|&item| self.count(item)).collect()
    }

    /// What a name stands for, made of its arguments.
    fn make(&self, name: usize, arguments: usize) -> Result<Node, String> {
        let arguments = self.sequence(arguments).ok_or(DAMAGED)?;
        let made = match (&self.nodes[name], arguments) {
            (Node::Name(Name::OrderedDict), []) => Some(Node::Dict(Vec::new())),
            (Node::Name(Name::Parameter), [data, ..]) => match &self.nodes[*data] {
                tensor @ Node::Tensor(_) => Some(tensor.clone()),
                _ => None,
            },
            (Node::Name(Name::Tensor), [storage, offset, shape, strides, ..]) => {
                self.view(*storage, *offset, *shape, *strides).map(Node::Tensor)
            }
            _ => None,
        };
        made.ok_or_else(|| DAMAGED.to_owned())
    }

    fn view(
        &self,
        storage: usize,
        offset: usize,
        shape: usize,
        strides: usize,
    ) -> Option<TensorView> {
        let Node::Storage { kind, key, len } = &self.nodes[storage] else { return None };
        let (shape, strides) = (self.counts(shape)?, self.counts(strides)?);
        let offset = self.count(offset)?;
        (shape.len() == strides.len()).then(|| TensorView {
            kind: *kind,
            key: key.clone(),
            len: *len,
            offset,
            shape,
            strides,
        })
    }

    /// The storage of `("storage", kind, key, device, len)`.
    fn storage(&self, id: usize) -> Option<Node> {
        let [tag, kind, key, _, len] = *self.sequence(id)? else { return None };
        match (&self.nodes[kind], &self.nodes[key]) {
            (Node::Name(Name::Storage(kind)), Node::Text(key)) if self.is_text(tag, "storage") => {
                // Numbers of 8 bytes at most, in a file that fits in memory.
                let len = self.count(len).filter(|&len| len <= usize::MAX / 16)?;
                Some(Node::Storage { kind: *kind, key: key.clone(), len })
            }
            _ => None,
        }
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
    fn what_a_pickle_could_do_is_refused() {
        let error = |pickle: &[u8]| tensors(pickle).err().unwrap();
        let call = error(b"\x80\x02cposix\nsystem\nq\x00X\x02\x00\x00\x00lsq\x01\x85q\x02Rq\x03.");
        assert!(call.contains("posix.system") && call.contains("state_dict"), "{call}");
        assert!(error(b"\x80\x05\x95").contains("protocol 5"));
        assert!(error(b"\x80\x02\x81.").contains("0x81"));
        assert!(error(b"\x80\x02X\xff\xff\xff\xff.").contains("damaged"));
        assert!(error(b"\x80\x02h\x07.").contains("damaged"));
        assert!(error(b"\x80\x02(t").contains("damaged"));
        assert!(error(b"\x80\x02R.").contains("damaged"));
        assert!(error(b"\x80\x02K\x01.").contains("no dict"));
        // Nesting without end takes no stack.
        let deep = [&b"\x80\x02)"[..], &[0x85; 1_000_000], b"."].concat();
        assert!(error(&deep).contains("no dict"));
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
