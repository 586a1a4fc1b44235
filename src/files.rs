//! Writing files: whole or not at all.

use std::io::Write;
use std::path::Path;

use atomic_write_file::AtomicWriteFile;

use crate::error::{Error, Result};

/// The error of a file operation, with the path it was about.
pub(crate) fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |source| Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(io_error(path))
}

/// Writes a whole file, with the folders it needs. Until the last byte is on the disk the file, if
/// there was one, keeps its old content; a process that is stopped meanwhile leaves nothing behind.
///
/// # Errors
///
/// [`Error::Io`] naming the path.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().map_err(io_error(path))
}

/// Whether a file can be written at `path`: makes the folders it needs, and opens and discards a file.
///
/// # Errors
///
/// [`Error::Io`] naming the path.
pub fn check_writable(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let write = || {
        if path.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        AtomicWriteFile::open(path)?.discard()
    };
    write().map_err(io_error(path))
}
