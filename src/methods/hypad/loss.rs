//! The losses of one step. EfficientAD, Algorithm 1, with the distance of the configuration in
//! place of the squared difference (HypAD, Eq. 6).

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::{Tensor, backend::Backend};

use super::mining::student_term;
use super::window::Window;
use crate::ImageSize;
use crate::error::Result;
use crate::features::ModelBackend;
use crate::methods::hypad::{Embedding, Student};

/// The images of one step, with the teacher's features of the first two, projected ([`Embedding`]) or not.
#[derive(Clone, Debug)]
pub struct Batch<B: Backend> {
    /// [`Student::stem`] of the image, padded, for the student–teacher branch.
    pub stem: Tensor<B, 4>,
    /// The jittered image, not padded, for the autoencoder: `[batch, 3, height, width]`.
    pub jittered: Tensor<B, 4>,
    /// [`Student::stem`] of the jittered image, padded, or of what the window sees of it.
    pub jittered_stem: Tensor<B, 4>,
    /// A penalty image, of anything but the category: the student's features on it are pushed to 0. Not
    /// padded: `[batch, 3, height, width]`.
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
/// - the [`hard_mean`](super::hard_mean) of the student's deviation from the teacher,
/// - the mean square of the student's features on the penalty image, if there is one,
/// - the mean deviation of the autoencoder from the teacher,
/// - the mean deviation of the student from the autoencoder.
///
/// Where only a few locations are hard, the first is differentiated on what they see alone, with the
/// same result.
///
/// # Errors
///
/// As `hard_mean`, and [`Error::Setting`](crate::Error) for a window that does not lie in the
/// feature map, or with padded networks, which see other borders in it.
pub fn student_loss<B: ModelBackend>(
    student: &Student<Autodiff<B>>,
    embedding: &Embedding,
    hard_quantile: f64,
    batch: Batch<B>,
) -> Result<Tensor<Autodiff<B>, 1>> {
    // Weights that were not drawn yet are: a copy would have others.
    let _ = student.valid();
    // Whose features are projected, as the deviations take them.
    let projected = student.pooled(embedding.group());
    let mut loss = student_term(
        &projected,
        embedding,
        hard_quantile,
        batch.stem,
        batch.teacher,
    )?;
    if let Some(penalty) = batch.penalty {
        // Penalty images are not padded: any part of them serves.
        let penalised = student.teacher_head(student.stem(Tensor::from_inner(penalty)));
        loss = loss + penalised.square().mean();
    }
    let teacher = Tensor::from_inner(batch.teacher_jittered);
    // The autoencoder looks at the whole image in any case.
    let mut autoencoder = projected.autoencoder(Tensor::from_inner(batch.jittered));
    if let Some(window) = batch.window {
        let [_, _, rows, columns] = autoencoder.dims();
        window.check(ImageSize::new(columns, rows), student.is_padded())?;
        autoencoder = window.of_features(autoencoder);
    }
    let autoencoder_head = projected.autoencoder_head(Tensor::from_inner(batch.jittered_stem));
    let reconstruction = embedding.deviation(teacher, autoencoder.clone());
    let imitation = embedding.deviation(autoencoder, autoencoder_head);
    Ok(loss + reconstruction.mean() + imitation.mean())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::hypad::gradients::{assert_same, in_double};
    use crate::methods::hypad::hard_mean;
    use crate::methods::hypad::{HypAdConfig, HypAdNetworks, ImagePadding};
    use burn::backend::Flex;
    use burn::tensor::{DType, Distribution, ElementConversion};

    type A = Autodiff<Flex>;

    /// Features that are projected in the last convolutions, and patches alone: the same loss and the
    /// same gradients of all parameters as by the definition. In f64.
    #[test]
    fn equals_its_definition() {
        let device = Default::default();
        let config = HypAdConfig {
            dropout: 0.0,
            image_padding: ImagePadding::None,
            ..HypAdConfig::for_tests()
        };
        let embedding = Embedding::new(&config).unwrap();
        let model = config.init::<A>(&device).unwrap();
        let student = in_double(model.student);
        let random = |shape: [usize; 4]| {
            let normal = Distribution::Normal(0.0, 1.0);
            Tensor::<Flex, 4>::random(shape, normal, &device).cast(DType::F64)
        };
        let [image, jittered, penalty] = [(); 3].map(|()| random([1, 3, 128, 128]));
        let [teacher, teacher_jittered] = [(); 2].map(|()| random([1, 24, 24, 24]));

        let tracked = Tensor::<A, 4>::from_inner;
        let stem = |image: &Tensor<Flex, 4>| student.stem(tracked(image.clone()));
        let deviation = |a: Tensor<Flex, 4>, b| embedding.deviation(tracked(a), b);
        let teacher_head = deviation(teacher.clone(), student.teacher_head(stem(&image)));
        let autoencoder = student.autoencoder(tracked(jittered.clone()));
        let autoencoder_head = student.autoencoder_head(stem(&jittered));
        let expected = hard_mean(teacher_head, 0.95).unwrap()
            + student.teacher_head(stem(&penalty)).square().mean()
            + deviation(teacher_jittered.clone(), autoencoder.clone()).mean()
            + embedding.deviation(autoencoder, autoencoder_head).mean();

        let batch = Batch {
            stem: stem(&image).inner(),
            jittered_stem: stem(&jittered).inner(),
            jittered,
            penalty: Some(penalty),
            teacher,
            teacher_jittered,
            window: None,
        };
        let loss = student_loss(&student, &embedding, 0.95, batch).unwrap();
        // What is not shared of PDN-S and its second head, and the autoencoder's 14 convolutions: weight
        // and bias.
        let trained = 2 * (5 - config.shared_layers + 14);
        assert_eq!(assert_same(&loss, &expected, &student), trained);
    }

    /// Windows that cover the map have the loss of the whole image on average.
    #[test]
    fn windows_take_their_share_of_the_loss() {
        for (image_padding, shared_layers) in [
            (ImagePadding::None, 2),
            (ImagePadding::Reflect, 0),
            (ImagePadding::Reflect, 1),
        ] {
            windows_take_their_share(HypAdConfig {
                dropout: 0.0,
                image_padding,
                shared_layers,
                ..HypAdConfig::for_tests()
            });
        }
    }

    fn windows_take_their_share(config: HypAdConfig) {
        let device = Default::default();
        let embedding = Embedding::new(&config).unwrap();
        let HypAdNetworks {
            teacher, student, ..
        } = config.init::<Flex>(&device).unwrap();
        let tracked = Student::<Autodiff<Flex>>::from_inner(student.clone());
        let image = || {
            let normal = Distribution::Normal(0.0, 1.0);
            Tensor::<Flex, 4>::random([1, 3, 128, 128], normal, &device)
        };
        let (image, jittered) = (image(), image());
        let loss = |window: Option<Window>| {
            let padded = config.image_padding.apply(jittered.clone());
            let seen = window.map_or(padded.clone(), |window| window.of_image(padded));
            let jittered_stem = student.stem(seen);
            let teacher_jittered = teacher.forward_after(
                config.shared_layers,
                jittered_stem.clone(),
                &jittered,
                window,
            );
            let batch = Batch {
                stem: student.stem(config.image_padding.apply(image.clone())),
                jittered: jittered.clone(),
                jittered_stem,
                penalty: None,
                teacher: teacher.forward(image.clone()).unwrap(),
                teacher_jittered: teacher_jittered.unwrap(),
                window,
            };
            let loss = student_loss(&tracked, &embedding, 0.9, batch).unwrap();
            loss.into_scalar().elem::<f64>()
        };
        let maps = config.output_size().unwrap();
        let tiles = (0..4).map(|index| loss(Some(Window::tile(index, 2, maps))));
        let (mean, whole) = (tiles.sum::<f64>() / 4.0, loss(None));
        assert!((mean - whole).abs() < 1e-6 * whole, "{mean} {whole}");
    }
}
