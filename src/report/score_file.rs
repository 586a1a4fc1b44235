//! Scores in a temporary file: the memory that they take does not grow with their number.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::SpooledTempFile;

use crate::error::{Error, Result};

/// Bytes kept in memory before the scores go to a file.
const IN_MEMORY: usize = 64 << 20;
/// Bytes of a score.
const BYTES: usize = size_of::<f32>();

/// A list of scores that only grows.
#[derive(Debug)]
pub struct ScoreFile {
    file: Mutex<SpooledTempFile>,
    length: u64,
}

impl Default for ScoreFile {
    fn default() -> Self {
        Self {
            file: Mutex::new(tempfile::spooled_tempfile(IN_MEMORY)),
            length: 0,
        }
    }
}

impl ScoreFile {
    /// Appends scores, and returns their place.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the folder of temporary files.
    pub fn append(&mut self, scores: impl Iterator<Item = f32>) -> Result<Range<u64>> {
        let bytes: Vec<u8> = scores.flat_map(f32::to_le_bytes).collect();
        let start = self.length;
        let write = || {
            let mut file = self.file();
            file.seek(SeekFrom::Start(start * BYTES as u64))?;
            file.write_all(&bytes)
        };
        write().map_err(io_error)?;
        self.length += (bytes.len() / BYTES) as u64;
        Ok(start..self.length)
    }

    /// How many scores there are.
    pub fn end(&self) -> u64 {
        self.length
    }

    /// The scores at a place.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the folder of temporary files.
    pub fn read(&self, place: &Range<u64>) -> Result<Vec<f32>> {
        let mut bytes = vec![0; (place.end - place.start) as usize * BYTES];
        let mut read = || {
            let mut file = self.file();
            file.seek(SeekFrom::Start(place.start * BYTES as u64))?;
            file.read_exact(&mut bytes)
        };
        read().map_err(io_error)?;
        let (scores, _) = bytes.as_chunks::<BYTES>();
        Ok(scores.iter().copied().map(f32::from_le_bytes).collect())
    }

    fn file(&self) -> MutexGuard<'_, SpooledTempFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn io_error(source: io::Error) -> Error {
    let path: PathBuf = std::env::temp_dir();
    Error::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_come_back_from_memory_and_from_a_file() {
        let mut file = ScoreFile {
            file: Mutex::new(tempfile::spooled_tempfile(16)),
            length: 0,
        };
        let first = file.append([1.5, f32::INFINITY].into_iter()).unwrap();
        assert_eq!(file.read(&first).unwrap(), [1.5, f32::INFINITY]);
        let none = file.append([].into_iter()).unwrap();
        let second = file.append((0..100).map(|i| i as f32)).unwrap();
        assert!(file.file().is_rolled());
        assert_eq!(file.read(&first).unwrap(), [1.5, f32::INFINITY]);
        assert_eq!(file.read(&second).unwrap()[99], 99.0);
        assert!(file.read(&none).unwrap().is_empty());
    }
}
