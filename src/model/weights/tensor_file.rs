//! Files of tensors, read with distrust: one that is cut short, misses a tensor or holds one of
//! another shape is an error that says so.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{DType, TensorData, backend::Backend};
#[cfg(feature = "pytorch")]
use burn_store::pytorch::PytorchReader;
use burn_store::{ApplyError, ModuleSnapshot, TensorSnapshot};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::error::{Error, Result};
use crate::files;

/// A safetensors or PyTorch file in memory: tensors as f32 by name, and the free text of its header.
pub(crate) struct TensorFile {
    path: PathBuf,
    pub tensors: BTreeMap<String, TensorData>,
    pub metadata: HashMap<String, String>,
}

/// How a file of `torch.save` begins: as a zip archive, or before PyTorch 1.6 as a pickle.
const PYTORCH: [&[u8]; 2] = [b"PK\x03\x04", b"\x80\x02"];

/// Batch normalisation's count of steps, the only integers of PyTorch's networks; nothing here
/// needs it.
const STEP_COUNT: &str = "num_batches_tracked";

impl TensorFile {
    /// Reads a file, whatever its name says; f16 and bf16 become f32.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        if PYTORCH.iter().any(|start| bytes.starts_with(start)) {
            return Self::pytorch(path);
        }
        Self::parse(path, &bytes)
    }

    /// Parses the content of a safetensors file; `path` is for messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let broken = |e| {
            let reason = "not a whole safetensors or PyTorch file (cut short or damaged?)";
            format(path, format!("{reason}: {e}"))
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes).map_err(broken)?.iter() {
            if name.ends_with(STEP_COUNT) {
                continue;
            }
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F16 => DType::F16,
                Dtype::BF16 => DType::BF16,
                Dtype::F64 => DType::F64,
                other => return Err(not_float(path, name, other)),
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

    /// Reads the state dictionary of a PyTorch file. Its pickle is interpreted as data; no code in
    /// it is run.
    #[cfg(feature = "pytorch")]
    fn pytorch(path: &Path) -> Result<Self> {
        let broken = |e: &dyn std::fmt::Display| {
            let reason = "not a readable PyTorch state dictionary (cut short or damaged?)";
            format(path, format!("{reason}: {e}"))
        };
        let reader = PytorchReader::new(path).map_err(|e| broken(&e))?;
        let mut tensors = BTreeMap::new();
        for (name, snapshot) in reader.into_tensors() {
            if name.ends_with(STEP_COUNT) {
                continue;
            }
            let data = snapshot.to_data();
            let data = data.map_err(|e| broken(&format!("tensor {name}: {e:?}")))?;
            if !data.dtype.is_float() {
                return Err(not_float(path, &name, data.dtype));
            }
            tensors.insert(name, data.convert::<f32>());
        }
        Ok(Self {
            path: path.to_path_buf(),
            tensors,
            metadata: HashMap::new(),
        })
    }

    #[cfg(not(feature = "pytorch"))]
    fn pytorch(path: &Path) -> Result<Self> {
        let reason = "a PyTorch file; hypad was built without its feature \"pytorch\"";
        Err(format(path, reason.into()))
    }

    /// Gives every tensor another name.
    pub fn renamed(self, name: impl Fn(&str) -> String) -> Self {
        let tensors = self.tensors.into_iter();
        Self {
            tensors: tensors.map(|(old, data)| (name(&old), data)).collect(),
            ..self
        }
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
        Err(misfit(&self.path, &problems))
    }

    /// The error of a file whose tensors are not those of the network.
    pub fn misfit(&self, problems: &[String]) -> Error {
        misfit(&self.path, problems)
    }
}

fn format(path: &Path, reason: String) -> Error {
    Error::Format {
        path: path.to_path_buf(),
        reason,
    }
}

fn misfit(path: &Path, problems: &[String]) -> Error {
    let reason = format!("does not fit the network: {}", problems.join("; "));
    format(path, reason)
}

fn not_float(path: &Path, tensor: &str, dtype: impl std::fmt::Debug) -> Error {
    let reason = format!("tensor {tensor} has type {dtype:?}, not a float type");
    format(path, reason)
}

/// The number type of stored weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    Full,
    /// 16 bits (f16).
    Half,
}

/// The parameters of a module and a text as one safetensors file, with the names that `name` makes
/// of their paths.
pub(crate) fn to_bytes<B: Backend, M: Module<B>>(
    module: &M,
    name: impl Fn(&str) -> String,
    precision: Precision,
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>> {
    let unwritable =
        |e: &dyn std::fmt::Display| format(Path::new("model"), format!("cannot be stored: {e}"));
    let mut tensors = Vec::new();
    for snapshot in module.collect(None, None, true) {
        let data = snapshot
            .to_data()
            .map_err(|e| unwritable(&format!("{e:?}")))?;
        let data = match precision {
            Precision::Full => data.convert::<f32>(),
            Precision::Half => data.convert_dtype(DType::F16),
        };
        tensors.push((name(&snapshot.full_path()), data));
    }
    let dtype = match precision {
        Precision::Full => Dtype::F32,
        Precision::Half => Dtype::F16,
    };
    let mut views = Vec::new();
    for (name, data) in &tensors {
        let view = TensorView::new(dtype, data.shape.to_vec(), data.as_bytes());
        views.push((name, view.map_err(|e| unwritable(&e))?));
    }
    safetensors::serialize(views, Some(metadata)).map_err(|e| unwritable(&e))
}
