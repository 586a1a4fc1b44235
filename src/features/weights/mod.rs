//! Weights of teachers: the crate's own, and files in the names that are in use elsewhere.

mod tensor_file;
mod tensors;

use std::path::Path;

use burn::tensor::backend::Backend;

pub use tensor_file::Precision;
pub(crate) use tensor_file::{HeaderEntry, TensorFile, check_finite, to_bytes};
pub use tensors::Tensors;

use super::pdn::{Pdn, PdnConfig, PdnSize};
use crate::error::Result;
use crate::files::write_atomic;

/// Loads a teacher from a safetensors or, with feature `pytorch`, a PyTorch (`.pth`) file; f32, f16 or
/// bf16.
///
/// The names are those of PyTorch's `Sequential` (`0.weight`, `0.bias`, `3.weight`, …), as in the
/// widely used `teacher_small.pth` and `teacher_medium.pth`, or anomalib's (`conv1.weight`, …).
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io), or [`Error::Format`](crate::Error::Format) with every missing,
/// misshapen or unknown tensor, and with those that have a NaN or an infinity.
pub fn load_pdn<B: Backend>(
    path: impl AsRef<Path>,
    config: PdnConfig,
    device: &B::Device,
) -> Result<Pdn<B>> {
    from_file(TensorFile::read(path.as_ref())?, config, device)
}

/// Stores a teacher as safetensors in the names of PyTorch's `Sequential`, whole or not at all.
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) naming the file, and [`Error::Format`](crate::Error::Format) for a
/// weight that is not finite, in 16 bits above 65,504.
pub fn save_pdn<B: Backend>(
    pdn: &Pdn<B>,
    size: PdnSize,
    path: impl AsRef<Path>,
    precision: Precision,
) -> Result<()> {
    let name = |path: &str| Names::Sequential.outside(size, path);
    write_atomic(
        path,
        &to_bytes(Tensors::of(pdn)?.renamed(name), precision, None)?,
    )
}

/// The PDN-S teacher that comes with the crate.
///
/// Distilled by this project from MobileNet v1 features on natural photographs; `docs/teacher.md`
/// says how, and how good it is. For the published results bring an ImageNet teacher with
/// [`load_pdn`].
///
/// # Errors
///
/// None expected: the file is compiled in and tested.
pub fn pretrained_small<B: Backend>(device: &B::Device) -> Result<Pdn<B>> {
    const FILE: &[u8] = include_bytes!("../../../assets/pdn_s_teacher_f16.safetensors");
    let file = TensorFile::parse(Path::new("pdn_s_teacher_f16.safetensors"), FILE)?;
    from_file(file, PdnConfig::new(PdnSize::Small, 384), device)
}

fn from_file<B: Backend>(
    file: TensorFile,
    config: PdnConfig,
    device: &B::Device,
) -> Result<Pdn<B>> {
    let known = |name: &str| Names::Anomalib.inside(config.size, name) != name;
    let names = match file.tensors.names().any(known) {
        true => Names::Anomalib,
        false => Names::Sequential,
    };
    file.renamed(|name| names.inside(config.size, name))
        .fill(config.init(device), |path| names.outside(config.size, path))
}

/// How a file calls the convolutions of a PDN.
#[derive(Clone, Copy)]
enum Names {
    /// By their position among activations and pools.
    Sequential,
    /// `conv1`, `conv2`, …
    Anomalib,
}

impl Names {
    fn of(self, size: PdnSize) -> &'static [&'static str] {
        match (self, size) {
            (Names::Sequential, PdnSize::Small) => &["0", "3", "6", "8"],
            (Names::Sequential, PdnSize::Medium) => &["0", "3", "6", "8", "10", "12"],
            (Names::Anomalib, PdnSize::Small) => &["conv1", "conv2", "conv3", "conv4"],
            (Names::Anomalib, PdnSize::Medium) => {
                &["conv1", "conv2", "conv3", "conv4", "conv5", "conv6"]
            }
        }
    }

    /// The path in [`Pdn`] of a tensor of a file; other names stay.
    fn inside(self, size: PdnSize, name: &str) -> String {
        let known = name.split_once('.').and_then(|(layer, rest)| {
            let index = self.of(size).iter().position(|known| *known == layer)?;
            Some(format!("convs.{index}.{rest}"))
        });
        known.unwrap_or_else(|| name.to_string())
    }

    /// The other way.
    fn outside(self, size: PdnSize, path: &str) -> String {
        let known = path.strip_prefix("convs.").and_then(|path| {
            let (index, rest) = path.split_once('.')?;
            let layer = self.of(size).get(index.parse::<usize>().ok()?)?;
            Some(format!("{layer}.{rest}"))
        });
        known.unwrap_or_else(|| path.to_string())
    }
}
