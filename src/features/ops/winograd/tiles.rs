//! The tiles of a convolution, and how they are shared out.

use std::ops::Range;

use super::super::sizes::Sizes;
use super::axis::N;

/// Tiles that share one product of matrices, about.
const BAND: usize = 64;

/// Some rows of tiles, counted over all images.
pub type Band = Range<usize>;

impl Sizes {
    /// Outputs of one axis of a tile.
    pub(super) fn tile(&self) -> usize {
        N + 1 - self.kernel[0]
    }

    pub(super) fn tiles_per_row(&self) -> usize {
        self.output_width().div_ceil(self.tile())
    }

    pub(super) fn rows_per_image(&self) -> usize {
        self.output_height().div_ceil(self.tile())
    }

    /// The rows of tiles of all images in parts of about `BAND` tiles. They differ by a row at most, and
    /// are an even number, unless that is more than there are rows, so that two cores have the same to
    /// do.
    pub(super) fn bands(&self) -> Vec<Band> {
        let rows = self.batch * self.rows_per_image();
        let wanted = (rows * self.tiles_per_row()).div_ceil(BAND);
        let count = wanted.next_multiple_of(2).min(rows);
        let bound = |index: usize| index * rows / count;
        (0..count).map(|i| bound(i)..bound(i + 1)).collect()
    }

    pub(super) fn most_tiles(&self) -> usize {
        let bands = self.bands().into_iter();
        bands.map(|b| b.len()).max().unwrap_or(0) * self.tiles_per_row()
    }

    /// Image, first output row and first output column of each tile of a band.
    pub(super) fn tiles(&self, band: &Band) -> impl Iterator<Item = [usize; 3]> {
        let (rows, columns, tile) = (self.rows_per_image(), self.tiles_per_row(), self.tile());
        band.clone().flat_map(move |row| {
            (0..columns).map(move |x| [row / rows, row % rows * tile, x * tile])
        })
    }

    /// Output rows of a band, counted over all images.
    pub(super) fn output_rows(&self, band: &Band) -> Band {
        let (rows, height) = (self.rows_per_image(), self.output_height());
        let first = |row: usize| row / rows * height + (row % rows * self.tile()).min(height);
        first(band.start)..first(band.end)
    }

    /// The convolution that gives the gradient by the input from the one by the output.
    pub(super) fn transposed(&self) -> Self {
        Self {
            height: self.output_height(),
            width: self.output_width(),
            inputs: self.outputs,
            outputs: self.inputs,
            padding: self.kernel[0] - 1 - self.padding,
            ..*self
        }
    }
}
