//! Weights in safetensors files, read with distrust: a file that is cut short, misses a tensor or
//! holds one of another shape is an error that says so.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{DType, TensorData, backend::Backend};
use burn_store::{ApplyError, ModuleSnapshot, TensorSnapshot};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::pdn::{Pdn, PdnConfig, PdnSize};
use crate::error::{Error, Result};
use crate::files;

/// A safetensors file in memory: tensors as f32 by name, and the free text of its header.
pub(crate) struct TensorFile {
    path: PathBuf,
    pub tensors: BTreeMap<String, TensorData>,
    pub metadata: HashMap<String, String>,
}

impl TensorFile {
    /// Reads a file; f16 and bf16 become f32.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &files::read(path)?)
    }

    /// Parses the content of a file; `path` is for messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let format = |reason: String| Error::Format {
            path: path.to_path_buf(),
            reason,
        };
        let broken = |e| {
            format(format!(
                "not a whole safetensors file (cut short or damaged?): {e}"
            ))
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes).map_err(broken)?.iter() {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F16 => DType::F16,
                Dtype::BF16 => DType::BF16,
                Dtype::F64 => DType::F64,
                other => {
                    let reason = format!("tensor {name} has type {other:?}, not a float type");
                    return Err(format(reason));
                }
            };
            let data = TensorData::from_bytes_vec(view.data().to_vec(), view.shape(), dtype);
            tensors.insert(name.to_string(), data.convert::<f32>());
        }
        Ok(Self {
            path: path.to_path_buf(),
            tensors,
            metadata: header.metadata().clone().unwrap_or_default(),
        })
    }

    /// Fills every parameter of `module` from the tensor of the same path.
    ///
    /// `name` maps the path of a parameter to the name in the file, for the messages. Tensors that
    /// the module has no place for are an error too: they belong to another network.
    pub fn fill<B: Backend, M: Module<B>>(
        self,
        mut module: M,
        name: impl Fn(&str) -> String,
    ) -> Result<M> {
        let snapshots = self.tensors.into_iter().map(|(path, data)| {
            let stack = path.split('.').map(str::to_string).collect();
            TensorSnapshot::from_data(data, stack, Vec::new(), Default::default())
        });
        let result = module.apply(snapshots.collect(), None, None, true);
        let missing = result
            .missing
            .iter()
            .map(|(path, _)| format!("no tensor {}", name(path)));
        let wrong = result.errors.iter().map(|error| match error {
            ApplyError::ShapeMismatch {
                path,
                expected,
                found,
            } => {
                let [expected, found] = [expected, found].map(|shape| shape.to_vec());
                format!("tensor {}: shape {found:?}, not {expected:?}", name(path))
            }
            other => other.to_string(),
        });
        let unused = result
            .unused
            .iter()
            .map(|path| format!("no place for tensor {}", name(path)));
        let problems: Vec<String> = missing.chain(wrong).chain(unused).collect();
        if problems.is_empty() {
            return Ok(module);
        }
        Err(Error::Format {
            path: self.path,
            reason: format!("does not fit the network: {}", problems.join("; ")),
        })
    }
}

/// The parameters of a module and a text as one safetensors file, f32.
pub(crate) fn to_bytes<B: Backend, M: Module<B>>(
    module: &M,
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>> {
    let unwritable = |e: &dyn std::fmt::Display| Error::Format {
        path: PathBuf::from("model"),
        reason: format!("cannot be stored: {e}"),
    };
    let mut tensors = Vec::new();
    for snapshot in module.collect(None, None, true) {
        let data = snapshot
            .to_data()
            .map_err(|e| unwritable(&format!("{e:?}")))?;
        tensors.push((snapshot.full_path(), data.convert::<f32>()));
    }
    let mut views = Vec::new();
    for (name, data) in &tensors {
        let view = TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes());
        views.push((name, view.map_err(|e| unwritable(&e))?));
    }
    safetensors::serialize(views, Some(metadata)).map_err(|e| unwritable(&e))
}

/// A teacher from a safetensors file in PyTorch's `Sequential` naming: `0.weight`, `0.bias`,
/// `3.weight`, …; f32, f16 or bf16.
///
/// # Errors
///
/// [`Error::Io`], or [`Error::Format`] with every missing, misshapen or unknown tensor.
pub fn load_pdn<B: Backend>(
    path: impl AsRef<Path>,
    config: PdnConfig,
    device: &B::Device,
) -> Result<Pdn<B>> {
    from_sequential(TensorFile::read(path.as_ref())?, config, device)
}

/// The PDN-S teacher that comes with the crate.
///
/// Distilled by this project from MobileNet v1 features on natural photographs, a stopgap for
/// quick starts; for the published results bring an ImageNet teacher with [`load_pdn`].
///
/// # Errors
///
/// None expected: the file is compiled in and tested.
pub fn pretrained_small<B: Backend>(device: &B::Device) -> Result<Pdn<B>> {
    const FILE: &[u8] = include_bytes!("../../assets/pdn_s_teacher_f16.safetensors");
    let file = TensorFile::parse(Path::new("pdn_s_teacher_f16.safetensors"), FILE)?;
    from_sequential(file, PdnConfig::new(PdnSize::Small, 384), device)
}

fn from_sequential<B: Backend>(
    mut file: TensorFile,
    config: PdnConfig,
    device: &B::Device,
) -> Result<Pdn<B>> {
    // Positions of the convolutions among the activations and pools of the PyTorch module.
    let positions: &[&str] = match config.size {
        PdnSize::Small => &["0", "3", "6", "8"],
        PdnSize::Medium => &["0", "3", "6", "8", "10", "12"],
    };
    let rename = |name: String| match name.split_once('.') {
        Some((position, rest)) => match positions.iter().position(|p| *p == position) {
            Some(index) => format!("convs.{index}.{rest}"),
            None => name,
        },
        None => name,
    };
    let tensors = std::mem::take(&mut file.tensors).into_iter();
    file.tensors = tensors.map(|(name, data)| (rename(name), data)).collect();
    file.fill(config.init(device), |path| {
        let index = path
            .strip_prefix("convs.")
            .and_then(|rest| rest.split_once('.'));
        match index.and_then(|(i, rest)| Some((positions.get(i.parse::<usize>().ok()?)?, rest))) {
            Some((position, rest)) => format!("{position}.{rest}"),
            None => path.to_string(),
        }
    })
}
