//! The hardest deviations, from which alone the student learns. EfficientAD, Section 3.2.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::window::Window;
use crate::error::Result;
use crate::features::ModelBackend;
use crate::methods::hypad::{Embedding, Student};
use crate::metrics::quantile;

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
        let bound = hard_bound(&values, q)?;
        let hard = image.clone().greater_elem(bound);
        let count = values.iter().filter(|v| **v > bound).count();
        losses.push((image.clone() * hard.float().cast(image.dtype())).sum() / count as f64);
    }
    Ok(Tensor::cat(losses, 0).mean())
}

/// The quantile, rounded down: the value that defines it is never lost to rounding.
fn hard_bound(values: &[f32], q: f64) -> Result<f32> {
    Ok((quantile(values, q)? as f32).next_down())
}

/// Above so many hard locations the whole image is cheaper than their patches.
const MOST_PATCHES: usize = 64;

/// The hard mean of the student's deviation from the teacher, from the [`stem`](Student::stem) of the
/// image; differentiated on the patches of the hard locations alone if they are few, with the same result.
pub(super) fn student_term<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    q: f64,
    stem: Tensor<B, 4>,
    teacher: Tensor<B, 4>,
) -> Result<Tensor<Autodiff<B>, 1>> {
    let [batch, _, h, w] = teacher.dims();
    let elements = h * w * embedding.width();
    let few = (1.0 - q) * elements as f64 <= (MOST_PATCHES / batch.max(1)) as f64;
    if few && !student.is_padded() {
        let deviation =
            embedding.deviation(teacher.clone(), student.valid().teacher_head(stem.clone()));
        let hardest = Hardest::of(deviation, q)?;
        if hardest.locations.len() <= MOST_PATCHES {
            return Ok(on_patches(student, embedding, &hardest, stem, teacher));
        }
    }
    on_images(student, embedding, q, stem, teacher)
}

/// The hard mean over whole images.
fn on_images<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    q: f64,
    stem: Tensor<B, 4>,
    teacher: Tensor<B, 4>,
) -> Result<Tensor<Autodiff<B>, 1>> {
    let student = student.teacher_head(Tensor::from_inner(stem));
    hard_mean(embedding.deviation(Tensor::from_inner(teacher), student), q)
}

/// Where the hardest deviations are.
struct Hardest {
    /// Image, row and column.
    locations: Vec<[usize; 3]>,
    /// The part of each deviation of each place in the mean: `[place, n]`.
    weights: Vec<f64>,
}

impl Hardest {
    /// As in [`hard_mean`].
    fn of<B: Backend>(deviation: Tensor<B, 4>, q: f64) -> Result<Self> {
        let [batch, n, h, w] = deviation.dims();
        let (mut locations, mut weights) = (Vec::new(), Vec::new());
        for (image, deviation) in deviation.split(1, 0).into_iter().enumerate() {
            let values: Vec<f32> = deviation.into_data().iter::<f32>().collect();
            let bound = hard_bound(&values, q)?;
            let count = values.iter().filter(|v| **v > bound).count();
            let weight = 1.0 / (count * batch) as f64;
            for place in 0..h * w {
                let values = values.iter().skip(place).step_by(h * w).take(n);
                let hard = values.map(|v| if *v > bound { weight } else { 0.0 });
                let hard: Vec<f64> = hard.collect();
                if hard.iter().any(|w| *w > 0.0) {
                    locations.push([image, place / w, place % w]);
                    weights.extend(hard);
                }
            }
        }
        Ok(Self { locations, weights })
    }
}

/// The hard mean over the patches of the hardest locations.
fn on_patches<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    hardest: &Hardest,
    stem: Tensor<B, 4>,
    teacher: Tensor<B, 4>,
) -> Tensor<Autodiff<B>, 1> {
    let reach = student.reach();
    type Part<'a, B> = &'a dyn Fn(&Window, Tensor<B, 4>) -> Tensor<B, 4>;
    let cut = |of: &Tensor<B, 4>, part: Part<B>| {
        let patches = hardest.locations.iter().map(|[image, top, left]| {
            let place = Window {
                top: *top,
                left: *left,
                height: 1,
                width: 1,
            };
            part(&place, of.clone().narrow(0, *image, 1))
        });
        Tensor::<Autodiff<B>, 4>::from_inner(Tensor::cat(patches.collect(), 0))
    };
    let seen = cut(&stem, &|place, stem| place.of_input(stem, reach));
    let deviation = embedding.deviation(
        cut(&teacher, &Window::of_features),
        student.teacher_head(seen),
    );
    let weights = TensorData::new(hardest.weights.clone(), deviation.shape());
    let weights = Tensor::<Autodiff<B>, 4>::from_data(weights, &stem.device());
    let weights = weights.cast(deviation.dtype());
    (deviation * weights).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::hypad::gradients::{assert_same, in_double};
    use crate::methods::hypad::{Distance, HypAdConfig};
    use burn::backend::Flex;
    use burn::tensor::{DType, Distribution};

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

    /// The loss on patches and all its gradients are those on whole images.
    #[test]
    fn patches_alone_give_the_same_gradients() {
        let device = Default::default();
        let config = HypAdConfig::for_tests();
        let squared = HypAdConfig {
            distance: Distance::SquaredDifference,
            curvature: 0.0,
            shared_layers: 0,
            ..config.clone()
        };
        let first = HypAdConfig {
            shared_layers: 1,
            ..config.clone()
        };
        for (config, q) in [(config, 0.9), (squared, 0.98), (first, 0.9)] {
            let embedding = Embedding::new(&config).unwrap();
            let student = in_double(config.init::<B>(&device).unwrap().student);
            let random = |shape: [usize; 4]| {
                let normal = Distribution::Normal(0.0, 1.0);
                Tensor::<Flex, 4>::random(shape, normal, &device).cast(DType::F64)
            };
            // The student takes images of any size.
            let image = random([2, 3, 72, 60]);
            let stem = student.valid().stem(image);
            let teacher = random([2, 24, 10, 7]);
            let deviation =
                embedding.deviation(teacher.clone(), student.valid().teacher_head(stem.clone()));
            let hardest = Hardest::of(deviation, q).unwrap();
            assert!((10..=40).contains(&hardest.locations.len()));

            let few = on_patches(
                &student,
                &embedding,
                &hardest,
                stem.clone(),
                teacher.clone(),
            );
            let all = on_images(&student, &embedding, q, stem, teacher).unwrap();
            // Weight and bias of the four convolutions, but of the shared ones.
            let trained = 2 * (4 - config.shared_layers);
            assert_eq!(assert_same(&few, &all, &student), trained);
        }
    }
}
