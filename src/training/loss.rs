//! The losses of one step. EfficientAD, Algorithm 1, with the distance of the configuration in
//! place of the squared difference (HypAD, Eq. 6).

use burn::tensor::{Tensor, backend::Backend};

use crate::error::Result;
use crate::geometry::HyperbolicBackend;
use crate::metrics::quantile;
use crate::model::{Embedding, Student};

/// The mean of the values at or above their own `q`-quantile, which counts as a constant: only the
/// hardest values pass a gradient. The quantile is taken within each image of the batch.
///
/// # Shapes
///
/// - deviation: `[batch, n, h, w]`
/// - output: `[1]`
///
/// # Errors
///
/// [`Error::NanScore`](crate::Error) if a value is NaN, that is when training diverged.
pub fn hard_mean<B: Backend>(deviation: Tensor<B, 4>, q: f64) -> Result<Tensor<B, 1>> {
    let [batch, n, h, w] = deviation.dims();
    let mut losses = Vec::with_capacity(batch);
    for image in deviation.reshape([batch, n * h * w]).split(1, 0) {
        let values: Vec<f32> = image.to_data().iter::<f32>().collect();
        // Rounded down: the value that defines the quantile is never lost to rounding.
        let bound = (quantile(&values, q)? as f32).next_down();
        let hard = image.clone().greater_elem(bound);
        let count = values.iter().filter(|v| **v > bound).count();
        losses.push((image * hard.float()).sum() / count as f64);
    }
    Ok(Tensor::cat(losses, 0).mean())
}

/// The images of one step, each `[1, 3, height, width]`, with the teacher's features of the first
/// two.
pub struct Batch<B: Backend> {
    /// The image, for the student–teacher branch.
    pub image: Tensor<B, 4>,
    /// The jittered image, for the autoencoder's branch.
    pub jittered: Tensor<B, 4>,
    /// An image of anything else, on which the student shall stay silent.
    pub penalty: Option<Tensor<B, 4>>,
    /// Normalised teacher features of the image.
    pub teacher: Tensor<B, 4>,
    /// Normalised teacher features of the jittered image.
    pub teacher_jittered: Tensor<B, 4>,
}

/// The sum, with equal weights, of
///
/// - the hard mean of the student's deviation from the teacher,
/// - the mean square of the student's features on the penalty image, if there is one,
/// - the mean deviation of the autoencoder from the teacher,
/// - the mean deviation of the student from the autoencoder.
///
/// # Errors
///
/// As [`hard_mean`].
pub fn student_loss<B: HyperbolicBackend>(
    student: &Student<B>,
    embedding: &Embedding,
    hard_quantile: f64,
    batch: Batch<B>,
) -> Result<Tensor<B, 1>> {
    let deviation = embedding.deviation(batch.teacher, student.of_teacher(batch.image));
    let mut loss = hard_mean(deviation, hard_quantile)?;
    if let Some(penalty) = batch.penalty {
        loss = loss + student.of_teacher(penalty).square().mean();
    }
    let autoencoder = student.autoencoder(batch.jittered.clone());
    let of_autoencoder = student.of_autoencoder(batch.jittered);
    let reconstruction = embedding.deviation(batch.teacher_jittered, autoencoder.clone());
    let imitation = embedding.deviation(autoencoder, of_autoencoder);
    Ok(loss + reconstruction.mean() + imitation.mean())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};

    type B = Autodiff<Flex>;

    #[test]
    fn hard_mean_passes_gradient_to_the_hardest_only() {
        let device = Default::default();
        let values: [f32; 8] = [1.0, 5.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0];
        let deviation = Tensor::<B, 1>::from_floats(values, &device)
            .reshape([1, 2, 2, 2])
            .require_grad();
        // Position 0.75 · 7 = 5.25 in order: bound 6.25, so 7 and 8 remain.
        let loss = hard_mean(deviation.clone(), 0.75).unwrap();
        let grads = loss.backward();
        assert_eq!(loss.into_scalar(), 7.5);
        let gradient: Vec<f32> = deviation
            .grad(&grads)
            .unwrap()
            .into_data()
            .to_vec()
            .unwrap();
        assert_eq!(gradient, [0.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn every_image_of_a_batch_has_its_own_quantile() {
        let device = Default::default();
        let batch = Tensor::<Flex, 1>::from_floats([1.0, 2.0, 10.0, 20.0], &device);
        let loss = hard_mean(batch.reshape([2, 1, 1, 2]), 0.9).unwrap();
        assert_eq!(loss.into_scalar(), 11.0);
        let equal = Tensor::<Flex, 4>::ones([1, 1, 2, 2], &device) * 0.1;
        let loss = hard_mean(equal, 0.999).unwrap().into_scalar();
        assert!((loss - 0.1).abs() < 1e-7);
    }
}
