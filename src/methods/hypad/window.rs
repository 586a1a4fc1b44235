//! A part of an image: some places of a feature map, and the pixels that they see.

use burn::tensor::{Tensor, backend::Backend};

use crate::ImageSize;
use crate::error::{Error, Result};
use crate::features::Reach;

/// A rectangle of outputs of an unpadded patch description network, in rows and columns of its
/// feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl Window {
    /// One of the `count` × `count` windows of one size that cover a map of this size,
    /// counted row by row. They overlap where `count` does not divide the size.
    pub(crate) fn tile(index: usize, count: usize, map: ImageSize) -> Self {
        let (height, width) = (map.height.div_ceil(count), map.width.div_ceil(count));
        let first = |index: usize, room: usize| index * room / (count - 1).max(1);
        Self {
            top: first(index / count, map.height - height),
            left: first(index % count, map.width - width),
            height,
            width,
        }
    }

    /// Whether it is a part of a map of this size, of an unpadded network.
    pub(super) fn check(&self, map: ImageSize, padded: bool) -> Result<()> {
        let within = |first: usize, count: usize, all: usize| {
            count > 0 && first.checked_add(count).is_some_and(|end| end <= all)
        };
        let fits =
            within(self.top, self.height, map.height) && within(self.left, self.width, map.width);
        if fits && !padded {
            return Ok(());
        }
        Err(Error::Setting {
            name: "window",
            value: format!("{self:?}"),
            rule: "within the feature map, not empty, and of an unpadded network",
        })
    }

    /// This part of a feature map.
    ///
    /// # Shapes
    ///
    /// - features: `[batch, channels, h, w]`
    /// - output: `[batch, channels, height, width]`
    ///
    /// # Panics
    ///
    /// If it is not within the map.
    pub fn of_features<B: Backend>(&self, features: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, channels, ..] = features.dims();
        let (rows, columns) = (
            self.top..self.top + self.height,
            self.left..self.left + self.width,
        );
        features.slice([0..batch, 0..channels, rows, columns])
    }

    /// The part of the image that this part of the feature map sees.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, h, w]`
    /// - output: `[batch, 3, 4 (height − 1) + 33, 4 (width − 1) + 33]`
    ///
    /// # Panics
    ///
    /// If that is not within the image, or the window is empty.
    pub fn of_image<B: Backend>(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        self.of_input(image, Reach::IMAGE)
    }

    /// The part of an input of some layers that this part of their output sees.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, channels, h, w]`
    /// - output: `[batch, channels, stride (height − 1) + patch, stride (width − 1) + patch]`
    ///
    /// # Panics
    ///
    /// As [`of_image`](Self::of_image).
    pub(super) fn of_input<B: Backend>(&self, input: Tensor<B, 4>, reach: Reach) -> Tensor<B, 4> {
        let Reach { patch, stride } = reach;
        let seen = |places: usize| stride * (places - 1) + patch;
        let part = Window {
            top: stride * self.top,
            left: stride * self.left,
            height: seen(self.height),
            width: seen(self.width),
        };
        part.of_features(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Pdn, PdnConfig, PdnSize};
    use burn::backend::Flex;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn the_network_sees_the_same_in_a_window() {
        let device = Default::default();
        for network in [PdnSize::Small, PdnSize::Medium] {
            let pdn: Pdn<Flex> = PdnConfig::new(network, 5).init(&device);
            let image = Tensor::random([2, 3, 70, 91], Distribution::Default, &device);
            let whole = pdn.forward(image.clone());
            let [_, _, height, width] = whole.dims();
            let size = ImageSize { width, height };
            for index in 0..9 {
                let window = Window::tile(index, 3, size);
                assert!(window.check(size, false).is_ok());
                assert!(window.check(size, true).is_err());
                let part = pdn.forward(window.of_image(image.clone())).into_data();
                let of_whole = window.of_features(whole.clone()).into_data();
                part.assert_approx_eq::<f32>(&of_whole, Tolerance::absolute(1e-5));
            }
            let last = Window::tile(8, 3, size);
            assert!(
                last.check(ImageSize::new(width, height - 1), false)
                    .is_err()
            );
        }
    }

    #[test]
    fn tiles_cover_the_map() {
        for (height, width, count) in [(56, 56, 2), (56, 56, 4), (10, 7, 3), (5, 4, 1)] {
            let size = ImageSize { width, height };
            let mut seen = vec![0; size.area()];
            for index in 0..count * count {
                let tile = Window::tile(index, count, size);
                for row in tile.top..tile.top + tile.height {
                    for column in tile.left..tile.left + tile.width {
                        seen[row * width + column] += 1;
                    }
                }
            }
            let divides = [height, width].iter().all(|s| s.is_multiple_of(count));
            assert!(
                seen.iter().all(|n| *n == 1 || *n > 1 && !divides),
                "{size} {count}"
            );
        }
    }
}
