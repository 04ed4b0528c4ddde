//! Files that appear under their final name only when they are complete.

use crate::ViewError;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file under construction: written under a temporary name beside its final one, removed again if
/// it is never sealed.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    temporary: PathBuf,
    sealed: bool,
}

impl Draft {
    /// A draft of `path`; nothing is written yet.
    pub(crate) fn new(path: &Path) -> Self {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        Self { path: path.to_path_buf(), temporary, sealed: false }
    }

    /// Where to write.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// An error about this file.
    pub(crate) fn error(&self, detail: impl ToString) -> ViewError {
        ViewError::Write { path: self.path.clone(), detail: detail.to_string() }
    }

    /// Makes the content durable and gives it its final name.
    pub(crate) fn seal(mut self) -> Result<(), ViewError> {
        let sealed = File::open(&self.temporary)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.path));
        sealed.map_err(|error| self.error(error))?;
        self.sealed = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.sealed {
            // Nothing can be done about a failure here; the file may never have been created.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), ViewError> {
    let draft = Draft::new(path);
    File::create(draft.temporary())
        .and_then(|mut file| file.write_all(content))
        .map_err(|error| draft.error(error))?;
    draft.seal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let draft = Draft::new(&folder.path().join("a.txt"));
        fs::write(draft.temporary(), "half").unwrap();
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_written_file_is_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write(Path::new("/nowhere/at/all/a.txt"), b"").unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all/a.txt"), "{error}");
    }
}
