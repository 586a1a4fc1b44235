//! Convolution of images whose pixels are points.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Slice, Tensor, backend::Backend};

use super::{PoincareLinear, PoincareLinearConfig};
use crate::error::{Result, check};
use crate::geometry::ball::beta;
use crate::geometry::{Curvature, HyperbolicBackend, PoincareBall};

/// Configuration of a [`PoincareConv2d`].
#[derive(Config, Debug)]
pub struct PoincareConv2dConfig {
    /// Numbers of coordinates of an input pixel and of an output pixel.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// The c of the ball.
    pub c: f64,
    /// Vertical and horizontal distance between windows, in pixels.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Number of pixels, all at the origin, that are added above and below, and left and right.
    #[config(default = "[0, 0]")]
    pub padding: [usize; 2],
    /// Whether the offsets of the hyperplanes are learned; if not, all go through the origin.
    #[config(default = true)]
    pub bias: bool,
}

/// Poincaré convolution: [β-concatenation](PoincareBall::concat) joins the pixels of a window into one point,
/// which [`PoincareLinear`] maps to an output pixel.
///
/// Shimizu, Mukuta, Harada, *Hyperbolic Neural Networks++*, ICLR 2021, Sec. 3.4; van Spengler et
/// al., *Poincaré ResNet*, ICCV 2023.
#[derive(Module, Debug)]
pub struct PoincareConv2d<B: Backend> {
    /// The linear layer that is applied to each window.
    pub linear: PoincareLinear<B>,
    kernel_size: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

impl PoincareConv2dConfig {
    /// The layer, with random normals.
    ///
    /// # Errors
    ///
    /// [`Error::Curvature`](crate::Error::Curvature) for a c that is negative, NaN or infinite,
    /// [`Error::Setting`](crate::Error::Setting) for channels, a kernel or a stride of 0.
    pub fn init<B: HyperbolicBackend>(&self, device: &B::Device) -> Result<PoincareConv2d<B>> {
        for (name, size) in [
            ("channels", self.channels),
            ("kernel size", self.kernel_size),
            ("stride", self.stride),
        ] {
            check(!size.contains(&0), name, format!("{size:?}"), "at least 1")?;
        }
        let [d_input, d_output] = self.channels;
        let d_window = d_input * self.kernel_size[0] * self.kernel_size[1];
        let linear = PoincareLinearConfig::new(d_window, d_output, self.c).with_bias(self.bias);
        Ok(PoincareConv2d {
            linear: linear.init(device)?,
            kernel_size: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
        })
    }
}

impl<B: HyperbolicBackend> PoincareConv2d<B> {
    /// The ball of the pixels, from the configuration or from the record that was loaded.
    pub fn ball(&self) -> PoincareBall {
        self.linear.ball()
    }

    /// The output pixels.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels[0], height, width]`, each pixel a point of the ball; at least as large
    ///   as the kernel
    /// - output: `[batch, channels[1], height_out, width_out]`, each pixel a point of the ball
    ///
    /// # Panics
    ///
    /// As Burn's operations, for images with another number of channels than configured, or smaller than
    /// the kernel.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.forward_in(&self.ball(), x)
    }

    /// The output pixels in another ball, such as one with a learned curvature.
    ///
    /// # Shapes
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_in<C: Curvature<B>>(
        &self,
        ball: &PoincareBall<C>,
        x: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        let pixels = PoincareBall::from_parts(ball.curvature().clone(), Some(1));
        let [batch, channels, height, width] = x.dims();
        let [rows, columns] = [(0, height), (1, width)].map(|(axis, size)| {
            let (padded, kernel) = (size + 2 * self.padding[axis], self.kernel_size[axis]);
            assert!(
                padded >= kernel,
                "an image of {padded} pixels, padding included, for a kernel of {kernel}"
            );
            (padded - kernel) / self.stride[axis] + 1
        });
        let [kernel_height, kernel_width] = self.kernel_size;
        let n = channels * kernel_height * kernel_width;
        let tangent = pixels.logmap0(x).mul_scalar(beta(n) / beta(channels));
        let tangent = self.padded(tangent);
        // For each location in a window, the pixels at it in all windows.
        let locations = (0..kernel_height * kernel_width).map(|location| {
            let strided = |first: usize, count: usize, stride: usize| {
                let end = first + (count - 1) * stride + 1;
                Slice::new(first as isize, Some(end as isize), stride as isize)
            };
            let row_slice = strided(location / kernel_width, rows, self.stride[0]);
            let column_slice = strided(location % kernel_width, columns, self.stride[1]);
            tangent
                .clone()
                .slice([Slice::full(), Slice::full(), row_slice, column_slice])
        });
        let windows: Tensor<B, 5> = Tensor::stack(locations.collect(), 2);
        let windows = pixels.expmap0(windows.reshape([batch, n, rows * columns]));
        let windows = windows.swap_dims(1, 2).reshape([batch * rows * columns, n]);
        let out = self.linear.forward_in(ball, windows);
        let [_, d_output] = out.dims();
        let out = out.reshape([batch, rows, columns, d_output]);
        out.permute([0, 3, 1, 2])
    }

    /// The images with zeros on each side. Burn's own padding is in f32 regardless of the tensor's type.
    fn padded(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [vertical, horizontal] = self.padding;
        if self.padding == [0, 0] {
            return x;
        }
        let [batch, channels, height, width] = x.dims();
        let shape = [
            batch,
            channels,
            height + 2 * vertical,
            width + 2 * horizontal,
        ];
        let inside = [
            0..batch,
            0..channels,
            vertical..vertical + height,
            horizontal..horizontal + width,
        ];
        Tensor::zeros(shape, (&x.device(), x.dtype())).slice_assign(inside, x)
    }
}
