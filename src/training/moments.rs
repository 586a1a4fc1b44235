//! Mean and standard deviation of the channels of features.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::error::{Result, check_finite};

/// Mean and sum of squared deviations of each channel, merged image by image in f64 (Chan, Golub,
/// LeVeque, 1979): the result of two passes over all images, in one.
pub(crate) struct Moments {
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

    /// Mean and population standard deviation of each channel: `[channels]` each. A constant channel
    /// has standard deviation 1, so that it is 0 after normalisation.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`](crate::Error) for features that were not finite; `what` and `cause` are
    /// the words for them.
    pub fn statistics<B: Backend>(
        &self,
        what: &str,
        cause: &'static str,
        device: &B::Device,
    ) -> Result<[Tensor<B, 1>; 2]> {
        let mean: Vec<f32> = self.mean.iter().map(|m| *m as f32).collect();
        let std = |s: &f64| match *s {
            0.0 => 1.0,
            s => (s / self.count).sqrt() as f32,
        };
        let std: Vec<f32> = self.squares.iter().map(std).collect();
        check_finite(&mean, format_args!("means of {what}"), cause)?;
        check_finite(&std, format_args!("standard deviations of {what}"), cause)?;
        // A deviation too small for f32 is none.
        let std: Vec<f32> = std
            .iter()
            .map(|s| if *s > 0.0 { *s } else { 1.0 })
            .collect();
        Ok([mean, std].map(|values| Tensor::from_data(TensorData::from(&values[..]), device)))
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
        let statistics = total.statistics::<Flex>("values", "", &Default::default());
        let [_, std] = statistics.unwrap().map(|s| s.into_scalar());
        assert!((std - (squares / 7.0).sqrt() as f32).abs() < 1e-6);
    }

    #[test]
    fn features_that_are_not_finite_are_refused() {
        let device = Default::default();
        for value in [f32::NAN, f32::INFINITY] {
            let mut total = Moments::new(2);
            for value in [0.0, value] {
                let features = [[[[0.5_f32]], [[value]]]];
                total.add_features(Tensor::<Flex, 4>::from_floats(features, &device));
            }
            let statistics = total.statistics::<Flex>("features", "the teacher is broken", &device);
            let message = statistics.unwrap_err().to_string();
            assert!(message.contains("the teacher is broken"), "{message}");
        }
    }
}
