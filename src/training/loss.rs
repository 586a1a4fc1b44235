//! The losses of one step. EfficientAD, Algorithm 1, with the distance of the configuration in
//! place of the squared difference (HypAD, Eq. 6).

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::window::Window;
use crate::error::Result;
use crate::metrics::quantile;
use crate::model::{Embedding, ModelBackend, Student};

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

/// The images of one step, each `[batch, 3, height, width]`, with the teacher's features of the
/// first two.
pub struct Batch<B: Backend> {
    /// The image, for the student–teacher branch.
    pub image: Tensor<B, 4>,
    /// The jittered image, for the autoencoder's branch.
    pub jittered: Tensor<B, 4>,
    /// An image of anything else, on which the student shall stay silent.
    pub penalty: Option<Tensor<B, 4>>,
    /// Normalised teacher features of the image.
    pub teacher: Tensor<B, 4>,
    /// Normalised teacher features of the jittered image, or of its window alone.
    pub teacher_jittered: Tensor<B, 4>,
    /// The part of the jittered image to which the autoencoder's terms are confined, if they are.
    pub window: Option<Window>,
}

/// The sum, with equal weights, of
///
/// - the [`hard_mean`] of the student's deviation from the teacher,
/// - the mean square of the student's features on the penalty image, if there is one,
/// - the mean deviation of the autoencoder from the teacher,
/// - the mean deviation of the student from the autoencoder.
///
/// Where only a few locations are hard, the first is differentiated on the patches that they see
/// alone, with the same result.
///
/// # Errors
///
/// As [`hard_mean`], and [`Error::Setting`](crate::Error) for a window that does not lie in the
/// feature map, or with padded networks, which see other borders in it.
pub fn student_loss<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    hard_quantile: f64,
    batch: Batch<B>,
) -> Result<Tensor<Autodiff<B>, 1>> {
    let mut loss = mined(
        student,
        embedding,
        hard_quantile,
        batch.image,
        batch.teacher,
    )?;
    if let Some(penalty) = batch.penalty {
        let silent = student.of_teacher(Tensor::from_inner(penalty));
        loss = loss + silent.square().mean();
    }
    let jittered = Tensor::from_inner(batch.jittered);
    let teacher = Tensor::from_inner(batch.teacher_jittered);
    // The autoencoder looks at the whole image in any case.
    let autoencoder = student.autoencoder(jittered.clone());
    let (autoencoder, seen) = match batch.window {
        Some(window) => {
            let [_, _, rows, columns] = autoencoder.dims();
            window.check([rows, columns], student.is_padded())?;
            (window.of_features(autoencoder), window.of_image(jittered))
        }
        None => (autoencoder, jittered),
    };
    let of_autoencoder = student.of_autoencoder(seen);
    let reconstruction = embedding.deviation(teacher, autoencoder.clone());
    let imitation = embedding.deviation(autoencoder, of_autoencoder);
    Ok(loss + reconstruction.mean() + imitation.mean())
}

/// Above so many hard locations the whole image is cheaper than their patches.
const MOST_PATCHES: usize = 64;

/// The hard mean of the student's deviation from the teacher.
fn mined<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    q: f64,
    image: Tensor<B, 4>,
    teacher: Tensor<B, 4>,
) -> Result<Tensor<Autodiff<B>, 1>> {
    let [batch, _, h, w] = teacher.dims();
    let elements = h * w * embedding.width();
    let few = (1.0 - q) * elements as f64 <= (MOST_PATCHES / batch.max(1)) as f64;
    if few && !student.is_padded() {
        let deviation =
            embedding.deviation(teacher.clone(), student.valid().of_teacher(image.clone()));
        let hardest = Hardest::of(deviation, q)?;
        if hardest.places.len() <= MOST_PATCHES {
            return Ok(on_patches(student, embedding, &hardest, image, teacher));
        }
    }
    on_images(student, embedding, q, image, teacher)
}

/// The hard mean over whole images.
fn on_images<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    q: f64,
    image: Tensor<B, 4>,
    teacher: Tensor<B, 4>,
) -> Result<Tensor<Autodiff<B>, 1>> {
    let student = student.of_teacher(Tensor::from_inner(image));
    hard_mean(embedding.deviation(Tensor::from_inner(teacher), student), q)
}

/// Where the hardest deviations are.
struct Hardest {
    /// Image, row and column.
    places: Vec<[usize; 3]>,
    /// The part of each deviation of each place in the mean: `[place, n]`.
    weights: Vec<f64>,
}

impl Hardest {
    /// As in [`hard_mean`].
    fn of<B: Backend>(deviation: Tensor<B, 4>, q: f64) -> Result<Self> {
        let [batch, n, h, w] = deviation.dims();
        let (mut places, mut weights) = (Vec::new(), Vec::new());
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
                    places.push([image, place / w, place % w]);
                    weights.extend(hard);
                }
            }
        }
        Ok(Self { places, weights })
    }
}

/// The hard mean over the patches of the hardest places.
fn on_patches<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    hardest: &Hardest,
    image: Tensor<B, 4>,
    teacher: Tensor<B, 4>,
) -> Tensor<Autodiff<B>, 1> {
    let cut = |of: &Tensor<B, 4>, part: fn(&Window, Tensor<B, 4>) -> Tensor<B, 4>| {
        let patches = hardest.places.iter().map(|[image, top, left]| {
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
    let student = student.of_teacher(cut(&image, Window::of_image));
    let deviation = embedding.deviation(cut(&teacher, Window::of_features), student);
    let weights = TensorData::new(hardest.weights.clone(), deviation.shape());
    let weights = Tensor::<Autodiff<B>, 4>::from_data(weights, &image.device());
    let weights = weights.cast(deviation.dtype());
    (deviation * weights).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Distance, HypAdConfig, Projection};
    use burn::backend::Flex;
    use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
    use burn::optim::GradientsParams;
    use burn::tensor::{DType, Distribution};

    type B = Autodiff<Flex>;

    /// HypAD with few channels.
    fn narrow() -> HypAdConfig {
        HypAdConfig {
            channels: 24,
            projection: Projection::ChannelPooling(8),
            curvature: 0.3,
            image_size: [128, 128],
            ..HypAdConfig::small()
        }
    }

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

    /// The loss on patches and all its gradients are those on whole images. In f64, where hardly a
    /// ReLU is so near to its kink that rounding decides.
    #[test]
    fn patches_alone_give_the_same_gradients() {
        let device = Default::default();
        let config = narrow();
        let squared = HypAdConfig {
            distance: Distance::SquaredDifference,
            curvature: 0.0,
            ..config.clone()
        };
        for (config, q) in [(config, 0.9), (squared, 0.98)] {
            let embedding = Embedding::new(&config).unwrap();
            let student = config
                .init::<B>(&device)
                .unwrap()
                .student
                .map(&mut ToDouble);
            let random = |shape: [usize; 4]| {
                let normal = Distribution::Normal(0.0, 1.0);
                Tensor::<Flex, 4>::random(shape, normal, &device).cast(DType::F64)
            };
            // The student takes images of any size.
            let image = random([2, 3, 72, 60]);
            let teacher = random([2, 24, 10, 7]);
            let deviation =
                embedding.deviation(teacher.clone(), student.valid().of_teacher(image.clone()));
            let hardest = Hardest::of(deviation, q).unwrap();
            assert!((10..=40).contains(&hardest.places.len()));

            let few = on_patches(
                &student,
                &embedding,
                &hardest,
                image.clone(),
                teacher.clone(),
            );
            let all = on_images(&student, &embedding, q, image, teacher).unwrap();
            let grads =
                |loss: &Tensor<_, 1>| GradientsParams::from_grads(loss.backward(), &student);
            let (of_few, of_all) = (grads(&few), grads(&all));
            let (few, all) = (number(few.inner()), number(all.inner()));
            // The weights of the mean are f32.
            assert!((few - all).abs() <= 1e-7 * all, "{few} {all}");
            let mut compared = Compared {
                few: of_few,
                all: of_all,
                count: 0,
            };
            student.visit(&mut compared);
            assert_eq!(compared.count, 8);
        }
    }

    /// Windows that cover the map have the loss of the whole image on average.
    #[test]
    fn windows_take_their_share_of_the_loss() {
        let device = Default::default();
        let config = HypAdConfig {
            dropout: 0.0,
            ..narrow()
        };
        let embedding = Embedding::new(&config).unwrap();
        let model = config.init::<B>(&device).unwrap();
        let (teacher, student) = (model.teacher.valid(), model.student);
        let image = || {
            let normal = Distribution::Normal(0.0, 1.0);
            Tensor::<Flex, 4>::random([1, 3, 128, 128], normal, &device)
        };
        let (image, jittered) = (image(), image());
        let loss = |window: Option<Window>| {
            let seen = window.map_or(jittered.clone(), |w| w.of_image(jittered.clone()));
            let batch = Batch {
                image: image.clone(),
                jittered: jittered.clone(),
                penalty: None,
                teacher: teacher.forward(image.clone()),
                teacher_jittered: teacher.forward(seen),
                window,
            };
            number(
                student_loss(&student, &embedding, 0.9, batch)
                    .unwrap()
                    .inner(),
            )
        };
        let tiles = (0..4).map(|index| loss(Some(Window::tile(index, 2, [24, 24]))));
        let (mean, whole) = (tiles.sum::<f64>() / 4.0, loss(None));
        assert!((mean - whole).abs() < 1e-6 * whole, "{mean} {whole}");
    }

    fn number(tensor: Tensor<Flex, 1>) -> f64 {
        tensor.into_data().iter::<f64>().next().unwrap()
    }

    struct ToDouble;

    impl ModuleMapper<B> for ToDouble {
        fn map_float<const D: usize>(
            &mut self,
            parameter: Param<Tensor<B, D>>,
        ) -> Param<Tensor<B, D>> {
            parameter.map(|tensor| tensor.cast(DType::F64).detach().require_grad())
        }
    }

    struct Compared {
        few: GradientsParams,
        all: GradientsParams,
        count: usize,
    }

    impl ModuleVisitor<B> for Compared {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<B, D>>) {
            let of = |grads: &GradientsParams| grads.get::<Flex, D>(parameter.id);
            let (Some(few), Some(all)) = (of(&self.few), of(&self.all)) else {
                return;
            };
            let largest = number(all.clone().abs().max());
            let apart = number((few - all).abs().max());
            assert!(
                largest > 0.0 && apart <= 1e-7 * largest,
                "{apart} of {largest}"
            );
            self.count += 1;
        }
    }
}
