//! Files as memory: the one place where this crate vouches for what the compiler cannot.

use housecat_core::ImageBytes;
use memmap2::{Advice, Mmap, MmapOptions};
use std::fs::File;
use std::io;
use std::ops::Range;

/// The beginning of a file as memory.
pub(crate) struct Mapped(Mmap);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl ImageBytes for Mapped {
    fn prefetch(&self, range: Range<usize>) {
        // Without it, pages come when they are touched, which is right too.
        let _ = self.0.advise_range(Advice::WillNeed, range.start, range.len());
    }
}

/// Maps the first `bytes` bytes of a file of decoded frames, for reading. They must be there.
///
/// Pages are read when they are touched and given up when memory is short, so that a file may be
/// larger than memory.
pub(crate) fn map(file: &File, bytes: usize) -> io::Result<Mapped> {
    // SAFETY: the bytes must not change while the mapping lives. Nothing in this crate writes to a file
    // of frames once it is complete: in a dataset's cache it has its name only from then on, and is
    // replaced by a rename, which leaves the mapped file as it was; elsewhere it has no name at all. Its
    // name says `cache` to other programs; one that cuts it short in spite of it ends this process with
    // SIGBUS, as with every mapping.
    unsafe { MmapOptions::new().len(bytes).map(file) }.map(Mapped)
}
