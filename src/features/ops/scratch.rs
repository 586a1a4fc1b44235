//! Memory for intermediate results, kept from call to call: to fetch fresh pages from the system
//! takes longer than to fill them.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

static KEPT: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
/// Buffers that are kept at most, besides two for each thread.
const MOST: usize = 4;

fn kept() -> MutexGuard<'static, Vec<Vec<f32>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees the buffers that are kept for the next call.
pub fn release() {
    kept().clear();
}

/// A buffer with unspecified values. Goes back when dropped.
pub struct Scratch {
    buffer: Vec<f32>,
    length: usize,
}

impl Scratch {
    /// A buffer of this length: the smallest kept one that is large enough, or else the largest.
    pub fn new(length: usize) -> Self {
        let mut kept = kept();
        let order = |b: &Vec<f32>| (b.len() < length, b.len().abs_diff(length));
        let best = (0..kept.len()).min_by_key(|at| order(&kept[*at]));
        let mut buffer = best.map(|at| kept.swap_remove(at)).unwrap_or_default();
        drop(kept);
        if buffer.len() < length {
            buffer = vec![0.0; length];
        }
        Self { buffer, length }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.length]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.length]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut kept = kept();
        if kept.len() < MOST + 2 * rayon::current_num_threads() {
            kept.push(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_length_that_was_asked_for() {
        for length in [3, 1000, 0, 17, 2000, 5] {
            let mut scratch = Scratch::new(length);
            assert_eq!(scratch.len(), length);
            scratch.fill(1.0);
        }
    }
}
