//! The pixels of many images, wherever they are kept.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The bytes of images, one image after the other: in memory, or in a file that is mapped into it.
/// Clones share them.
#[derive(Clone)]
pub struct Images(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Images {
    /// Takes over whatever holds the bytes.
    pub fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(bytes))
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
        Self::new([])
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
