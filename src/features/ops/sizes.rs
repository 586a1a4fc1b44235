//! The sizes of a convolution or a pool on `[batch, height, width, channels]`.

/// The sizes of a convolution without dilation and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Height and width.
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: usize,
}

impl Sizes {
    /// Whether there is an output, and the kernel never lies on padding alone.
    pub fn valid(&self) -> bool {
        let fits = |size: usize, kernel: usize| {
            self.padding < kernel && size > 0 && size + 2 * self.padding >= kernel
        };
        fits(self.height, self.kernel[0])
            && fits(self.width, self.kernel[1])
            && self.batch * self.inputs * self.outputs * self.stride > 0
    }

    pub fn output_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel[0]) / self.stride + 1
    }

    pub fn output_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel[1]) / self.stride + 1
    }

    /// A pool of 2 × 2 with stride 2 over the output.
    pub fn pooled(&self, padding: usize) -> Self {
        Self {
            height: self.output_height(),
            width: self.output_width(),
            inputs: self.outputs,
            kernel: [2, 2],
            stride: 2,
            padding,
            ..*self
        }
    }

    /// The number of elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.output_height() * self.output_width() * self.outputs
    }
}
