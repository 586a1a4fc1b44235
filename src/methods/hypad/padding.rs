//! Padding of images, so that the maps of unpadded networks cover them.

use burn::tensor::ops::PadMode;
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use crate::ImageSize;
use crate::features::PdnConfig;

/// How an image is continued beyond its edges before unpadded networks see it.
///
/// An output of a patch description network sees 33 × 33 pixels. Without padding no output has its centre in
/// the outermost 16 pixels, so that a defect there is seen at the edge of a patch or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImagePadding {
    /// Not at all, as in EfficientAD: 56 × 56 outputs for 256 × 256 pixels.
    #[default]
    None,
    /// Mirrored at the outermost pixels: 64 × 64 outputs.
    Reflect,
    /// With the outermost pixels repeated: 64 × 64 outputs.
    Edge,
}

impl ImagePadding {
    /// Pixels before the first row and column. Output i of a row then sees the pixels around 4i + 2, and
    /// the middle of its part of the image is 4i + 1.5, for sides that 4 divides.
    const BEFORE: usize = 14;

    /// The size of a padded image: so large that there is an output for every 4 pixels.
    pub(super) fn padded(self, image: ImageSize) -> ImageSize {
        image.map(|side| match self {
            Self::None => side,
            Self::Reflect | Self::Edge => {
                let outputs = side.div_ceil(PdnConfig::STRIDE);
                let last = outputs.saturating_sub(1).saturating_mul(PdnConfig::STRIDE);
                last.saturating_add(PdnConfig::PATCH)
            }
        })
    }

    /// The padded image. Images of a [`HypAdConfig`](super::HypAdConfig) are large enough.
    ///
    /// # Shapes
    ///
    /// - image: `[batch, 3, height, width]`
    /// - output: `[batch, 3, 4 ⌈height/4⌉ + 29, 4 ⌈width/4⌉ + 29]`, or the image
    ///
    /// # Panics
    ///
    /// If a side has no pixel, or no more than 18 that are to be mirrored.
    pub fn apply<B: Backend>(self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        let mode = match self {
            Self::None => return image,
            Self::Reflect => PadMode::Reflect,
            Self::Edge => PadMode::Edge,
        };
        let [_, _, height, width] = image.dims();
        let padded = self.padded(ImageSize { width, height });
        let after = |padded: usize, side: usize| padded - side - Self::BEFORE;
        let rows = (Self::BEFORE, after(padded.height, height));
        let columns = (Self::BEFORE, after(padded.width, width));
        image.pad([rows, columns], mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    /// The outputs cover the image, each around its own 4 × 4 pixels.
    #[test]
    fn there_is_an_output_for_every_four_pixels() {
        let device = Default::default();
        let pdn = PdnConfig::new(crate::features::PdnSize::Small, 1);
        for (width, height) in [(256_usize, 128_usize), (130, 255)] {
            let image = Tensor::<Flex, 4>::zeros([1, 3, height, width], &device);
            for padding in [ImagePadding::Reflect, ImagePadding::Edge] {
                let [_, _, rows, columns] = padding.apply(image.clone()).dims();
                assert_eq!(pdn.output_size(rows), Some(height.div_ceil(4)));
                assert_eq!(pdn.output_size(columns), Some(width.div_ceil(4)));
                let padded = padding.padded(ImageSize { width, height });
                assert_eq!([rows, columns], padded.height_width());
            }
        }
    }

    #[test]
    fn mirrors_at_the_outermost_pixels() {
        let device = Default::default();
        let row: Vec<f32> = (0..128).map(|x| x as f32).collect();
        let row = Tensor::<Flex, 1>::from_floats(row.as_slice(), &device);
        let image = row.reshape([1, 1, 1, 128]).expand([1, 3, 128, 128]);
        let value = |padding: ImagePadding, column: usize| {
            let pixel = padding.apply(image.clone());
            let pixel = pixel.slice([0..1, 0..1, 20..21, column..column + 1]);
            pixel.into_scalar()
        };
        assert_eq!(value(ImagePadding::Reflect, 0), 14.0);
        assert_eq!(value(ImagePadding::Reflect, 14 + 128), 126.0);
        assert_eq!(value(ImagePadding::Edge, 0), 0.0);
        assert_eq!(value(ImagePadding::Edge, 14 + 128), 127.0);
    }
}
