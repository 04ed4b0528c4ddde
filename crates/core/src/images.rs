//! The pixels of many images, wherever they are kept.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Where the bytes of images are kept.
pub trait ImageBytes: AsRef<[u8]> + Send + Sync {
    /// These bytes will be read soon: where they must come from a disk, they set out now. Only a hint.
    fn prefetch(&self, range: Range<usize>) {
        let _ = range;
    }
}

impl ImageBytes for Vec<u8> {}

/// The bytes of images, one image after the other: in memory, or in a file that is mapped into it.
/// Clones share them.
#[derive(Clone)]
pub struct Images(Arc<dyn ImageBytes>);

impl Images {
    /// Takes over whatever holds the bytes.
    pub fn new(bytes: impl ImageBytes + 'static) -> Self {
        Self(Arc::new(bytes))
    }

    /// See [`ImageBytes::prefetch`].
    pub fn prefetch(&self, range: Range<usize>) {
        self.0.prefetch(range);
    }
}

impl Deref for Images {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl Default for Images {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl From<Vec<u8>> for Images {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl PartialEq for Images {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// Their number of bytes: the bytes themselves would fill screens.
impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Images({} bytes)", self.len())
    }
}
