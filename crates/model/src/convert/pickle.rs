//! The tensors that a pickle names.
//!
//! A pickle is a program that may call anything. Nothing here calls: the reader knows the few instructions and names
//! that tensors in plain containers need, and refuses a file with any other.

use super::torch::{Kind, TensorView};
use std::collections::HashMap;

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
pub(super) fn tensors(pickle: &[u8]) -> Result<Vec<(String, TensorView)>, String> {
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
            Node::Dict(entries) if items.len().is_multiple_of(2) => {
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
}
