//! Mean and standard deviation of the channels of features.

use burn::tensor::{Tensor, TensorData, backend::Backend};

/// Mean and sum of squared deviations of each channel, merged image by image in f64 (Chan, Golub,
/// LeVeque, 1979): the result of two passes over all images, in one.
pub(super) struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    pub fn new(channels: usize) -> Self {
        Self {
            count: 0.0,
            mean: vec![0.0; channels],
            squares: vec![0.0; channels],
        }
    }

    /// Adds `count` values a channel, given by their mean and sum of squared deviations from it.
    fn add(&mut self, count: usize, mean: &TensorData, squares: &TensorData) {
        let count = count as f64;
        let total = self.count + count;
        let added = mean.iter::<f64>().zip(squares.iter::<f64>());
        for ((m, s), (mean, squares)) in self.mean.iter_mut().zip(&mut self.squares).zip(added) {
            let difference = mean - *m;
            *m += difference * count / total;
            *s += squares + difference * difference * self.count * count / total;
        }
        self.count = total;
    }

    /// Adds all locations of `[batch, channels, h, w]`.
    pub fn add_features<B: Backend>(&mut self, features: Tensor<B, 4>) {
        let [batch, channels, h, w] = features.dims();
        let features = features.swap_dims(0, 1).reshape([channels, batch * h * w]);
        let mean = features.clone().mean_dim(1);
        let squares = (features - mean.clone()).square().sum_dim(1);
        self.add(batch * h * w, &mean.into_data(), &squares.into_data());
    }

    pub fn mean<B: Backend>(&self, device: &B::Device) -> Tensor<B, 1> {
        let mean: Vec<f32> = self.mean.iter().map(|m| *m as f32).collect();
        Tensor::from_data(TensorData::from(&mean[..]), device)
    }

    /// Population standard deviation. A channel that never changes says nothing; 1 leaves it at 0.
    pub fn std<B: Backend>(&self, device: &B::Device) -> Tensor<B, 1> {
        let std = |s: &f64| (s / self.count).sqrt() as f32;
        let std = self.squares.iter().map(std);
        let std: Vec<f32> = std.map(|s| if s > 0.0 { s } else { 1.0 }).collect();
        Tensor::from_data(TensorData::from(&std[..]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn moments_of_parts_are_those_of_the_whole() {
        let values = [3.0_f64, -1.0, 4.0, 1.5, 9.0, 2.6, -5.0];
        let moments = |v: &[f64]| {
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            (mean, v.iter().map(|x| (x - mean).powi(2)).sum::<f64>())
        };
        let mut total = Moments::new(1);
        for part in [&values[..2], &values[2..6], &values[6..]] {
            let (mean, squares) = moments(part);
            total.add(
                part.len(),
                &TensorData::from([mean]),
                &TensorData::from([squares]),
            );
        }
        let (mean, squares) = moments(&values);
        assert!((total.mean[0] - mean).abs() < 1e-12);
        assert!((total.squares[0] - squares).abs() < 1e-12);
        let std: f32 = total.std::<Flex>(&Default::default()).into_scalar();
        assert!((std - (squares / 7.0).sqrt() as f32).abs() < 1e-6);
    }
}
