//! The hardest deviations, from which alone the student learns. EfficientAD, Section 3.2.

use std::collections::BTreeSet;

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

/// The hard mean of the student's deviation from the teacher, differentiated where it is hard alone
/// if those places are few, with the same result.
pub(super) fn student_term<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    q: f64,
    image: Tensor<B, 4>,
    teacher: Tensor<B, 4>,
) -> Result<Tensor<Autodiff<B>, 1>> {
    let [batch, _, h, w] = teacher.dims();
    let deviations = (batch * h * w * embedding.width()) as f64;
    if (1.0 - q) * deviations <= MOST_HARD && !student.is_padded() {
        let deviation =
            embedding.deviation(teacher.clone(), student.valid().of_teacher(image.clone()));
        let cover = Hard::of(deviation, q)?.cover();
        if cover.work() as f64 <= MOST_WORK * (batch * work([h, w])) as f64 {
            return Ok(on_windows(student, embedding, &cover, image, teacher));
        }
    }
    on_images(student, embedding, q, image, teacher)
}

/// Above so many hard deviations, it does not pay to look for where they are.
const MOST_HARD: f64 = 64.0;

/// Above this part of the work on whole images, windows do not pay: the pass that finds them is a
/// third of it.
const MOST_WORK: f64 = 0.65;

/// The work on a window of so many rows and columns, as the size of the maps in a patch description
/// network between the second convolution, its largest, and the pooling that follows it:
/// 2 (rows + 5) by 2 (columns + 5).
fn work([rows, columns]: [usize; 2]) -> usize {
    (rows + 5) * (columns + 5)
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

/// Which deviations are hard.
struct Hard {
    /// `[batch, n, h, w]`
    shape: [usize; 4],
    /// The part of each deviation in the mean: 0 where it is not hard.
    weights: Vec<f64>,
    /// Image, row and column of the hard ones.
    places: BTreeSet<[usize; 3]>,
}

impl Hard {
    /// As in [`hard_mean`].
    fn of<B: Backend>(deviation: Tensor<B, 4>, q: f64) -> Result<Self> {
        let shape @ [batch, n, h, w] = deviation.dims();
        let mut weights = Vec::with_capacity(batch * n * h * w);
        for image in deviation.split(1, 0) {
            let values: Vec<f32> = image.into_data().iter::<f32>().collect();
            let bound = hard_bound(&values, q)?;
            let count = values.iter().filter(|v| **v > bound).count();
            let weight = 1.0 / (count * batch) as f64;
            weights.extend(values.iter().map(|v| if *v > bound { weight } else { 0.0 }));
        }
        let hard = weights.iter().enumerate().filter(|(_, w)| **w > 0.0);
        let places = hard.map(|(at, _)| [at / (n * h * w), at / w % h, at % w]);
        Ok(Self {
            shape,
            places: places.collect(),
            weights,
        })
    }

    /// The windows of that size for which the work is least: hard places lie together.
    fn cover(self) -> Cover {
        let [_, _, h, w] = self.shape;
        let work = |side: &usize| self.cells(*side).len() * work([*side; 2]);
        let side = (1..=h.min(w).min(8)).min_by_key(work);
        self.cover_of(side.unwrap_or(1))
    }

    /// The fields of a chequerboard that hold the places.
    fn cells(&self, side: usize) -> BTreeSet<[usize; 3]> {
        let places = self.places.iter();
        places
            .map(|[image, row, column]| [*image, row / side, column / side])
            .collect()
    }

    /// Windows of that side.
    fn cover_of(mut self, side: usize) -> Cover {
        let [_, n, h, w] = self.shape;
        let (mut windows, mut weights) = (Vec::new(), Vec::new());
        for [image, row, column] in self.cells(side) {
            let window = Window {
                top: (row * side).min(h - side),
                left: (column * side).min(w - side),
                height: side,
                width: side,
            };
            for channel in image * n..(image + 1) * n {
                for row in window.top..window.top + side {
                    let first = (channel * h + row) * w + window.left;
                    // A place that is in two windows counts in one.
                    let row = &mut self.weights[first..first + side];
                    weights.extend(row.iter_mut().map(std::mem::take));
                }
            }
            windows.push((image, window));
        }
        Cover { windows, weights }
    }
}

/// Windows of one size that hold all hard places.
struct Cover {
    /// Image and window.
    windows: Vec<(usize, Window)>,
    /// The part of each deviation in the mean: `[window, n, side, side]`.
    weights: Vec<f64>,
}

impl Cover {
    fn work(&self) -> usize {
        let windows = self.windows.iter();
        windows
            .map(|(_, window)| work([window.height, window.width]))
            .sum()
    }
}

/// The hard mean over the windows.
fn on_windows<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    cover: &Cover,
    image: Tensor<B, 4>,
    teacher: Tensor<B, 4>,
) -> Tensor<Autodiff<B>, 1> {
    let cut = |of: &Tensor<B, 4>, part: fn(&Window, Tensor<B, 4>) -> Tensor<B, 4>| {
        let windows = cover.windows.iter();
        let parts = windows.map(|(image, window)| part(window, of.clone().narrow(0, *image, 1)));
        Tensor::<Autodiff<B>, 4>::from_inner(Tensor::cat(parts.collect(), 0))
    };
    let student = student.of_teacher(cut(&image, Window::of_image));
    let deviation = embedding.deviation(cut(&teacher, Window::of_features), student);
    let weights = TensorData::new(cover.weights.clone(), deviation.shape());
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

    /// The loss on windows and all its gradients are those on whole images. In f64, where hardly a
    /// ReLU is so near to its kink that rounding decides.
    #[test]
    fn windows_alone_give_the_same_gradients() {
        let device = Default::default();
        let config = HypAdConfig {
            channels: 24,
            projection: Projection::ChannelPooling(8),
            curvature: 0.3,
            image_size: [128, 128],
            ..HypAdConfig::small()
        };
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
            let all = on_images(&student, &embedding, q, image.clone(), teacher.clone()).unwrap();
            let grads =
                |loss: &Tensor<_, 1>| GradientsParams::from_grads(loss.backward(), &student);
            let (of_all, all) = (grads(&all), number(all.inner()));
            // 3 divides neither the rows nor the columns of the map: windows overlap.
            for side in [1, 3] {
                let cover = Hard::of(deviation.clone(), q).unwrap().cover_of(side);
                assert!((6..=40).contains(&cover.windows.len()));
                let few = on_windows(&student, &embedding, &cover, image.clone(), teacher.clone());
                let (of_few, few) = (grads(&few), number(few.inner()));
                // The weights of the mean are f32.
                assert!((few - all).abs() <= 1e-7 * all, "{few} {all}");
                let mut compared = Compared {
                    few: &of_few,
                    all: &of_all,
                    count: 0,
                };
                student.visit(&mut compared);
                assert_eq!(compared.count, 8);
            }
        }
    }

    #[test]
    fn the_cover_is_the_cheapest() {
        let hard = |places: &[[usize; 3]]| {
            let mut weights = vec![0.0; 2 * 12 * 12];
            for [image, row, column] in places {
                weights[(image * 12 + row) * 12 + column] = 0.5;
            }
            Hard {
                shape: [2, 1, 12, 12],
                weights,
                places: places.iter().copied().collect(),
            }
        };
        // Work 2 · 36 apart; 49 in one window of 2 by 2.
        let apart = hard(&[[0, 2, 3], [1, 2, 3]]).cover();
        assert_eq!((apart.windows.len(), apart.work()), (2, 72));
        let together = hard(&[[1, 2, 2], [1, 3, 3]]).cover();
        let window = Window {
            top: 2,
            left: 2,
            height: 2,
            width: 2,
        };
        assert_eq!(together.windows, [(1, window)]);
        assert_eq!(together.weights, [0.5, 0.0, 0.0, 0.5]);
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

    struct Compared<'a> {
        few: &'a GradientsParams,
        all: &'a GradientsParams,
        count: usize,
    }

    impl ModuleVisitor<B> for Compared<'_> {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<B, D>>) {
            let of = |grads: &GradientsParams| grads.get::<Flex, D>(parameter.id);
            let (Some(few), Some(all)) = (of(self.few), of(self.all)) else {
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
