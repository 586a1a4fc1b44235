//! Files of tensors, read with distrust: one that is cut short, misses a tensor, or holds one of
//! another shape, a NaN or an infinity, is an error that says so.
//!
//! A file that [`to_bytes`] wrote with a header entry has the CRC-32 of all its bytes in that entry, so
//! that any flipped bit is found. The eight hexadecimal digits of the checksum itself count as zeros.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{DType, TensorData, backend::Backend};
#[cfg(feature = "pytorch")]
use burn_store::pytorch::PytorchReader;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::tensors::Tensors;
use crate::error::{Error, Result};
use crate::files;

/// A safetensors or PyTorch file in memory: tensors as f32 by name, and the free text of its header.
pub(crate) struct TensorFile {
    path: PathBuf,
    pub tensors: Tensors,
    pub metadata: HashMap<String, String>,
    /// Whether the file has a checksum, which then is right.
    pub has_checksum: bool,
}

/// The checksum in the header: a field of a JSON object that is itself the text of a JSON string.
const CHECKSUM: &str = r#"\"crc32\":\""#;
/// The digits of a checksum that is not computed yet.
const NO_CHECKSUM: &str = "00000000";
/// Bytes of the length of the header, with which a safetensors file begins.
const LENGTH_BYTES: usize = 8;

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
        let has_checksum = verify_checksum(path, bytes)?;
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
        reject_non_finite(path, &tensors)?;
        Ok(Self {
            path: path.to_path_buf(),
            tensors: Tensors(tensors),
            metadata: header.metadata().clone().unwrap_or_default(),
            has_checksum,
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
        reject_non_finite(path, &tensors)?;
        Ok(Self {
            path: path.to_path_buf(),
            tensors: Tensors(tensors),
            metadata: HashMap::new(),
            has_checksum: false,
        })
    }

    #[cfg(not(feature = "pytorch"))]
    fn pytorch(path: &Path) -> Result<Self> {
        let reason = "a PyTorch file, which hypad reads if it is built with `--features pytorch`; or save the \
                      weights as .safetensors";
        Err(format(path, reason.into()))
    }

    /// Gives every tensor another name.
    pub fn renamed(self, name: impl Fn(&str) -> String) -> Self {
        Self {
            tensors: self.tensors.renamed(name),
            ..self
        }
    }

    /// [`Tensors::fill`]; `name` maps the path of a parameter to the name in the file, for the messages.
    pub fn fill<B: Backend, M: Module<B>>(
        self,
        module: M,
        name: impl Fn(&str) -> String,
    ) -> Result<M> {
        let filled = self.tensors.fill_as(module, name);
        filled.map_err(|problems| misfit(&self.path, &problems))
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
#[non_exhaustive]
pub enum Precision {
    /// 32 bits.
    #[default]
    Full,
    /// 16 bits (f16).
    Half,
}

/// [`Error::Format`] with every tensor that has a NaN or an infinity.
fn reject_non_finite(path: &Path, tensors: &BTreeMap<String, TensorData>) -> Result<()> {
    let damage = (tensors.iter()).filter_map(|(name, data)| non_finite(name, data));
    let damage: Vec<String> = damage.collect();
    match damage.is_empty() {
        true => Ok(()),
        false => Err(format(path, format!("damaged: {}", damage.join("; ")))),
    }
}

/// Message about a tensor with a NaN or an infinity.
fn non_finite(name: &str, data: &TensorData) -> Option<String> {
    let count = data.iter::<f32>().filter(|v| !v.is_finite()).count();
    let total = data.num_elements();
    (count > 0).then(|| format!("tensor {name}: {count} of {total} values are NaN or infinite"))
}

/// Whether all parameters of a module are finite.
///
/// # Errors
///
/// [`Error::NotFinite`] naming the first that is not.
pub(crate) fn check_finite<B: Backend, M: Module<B>>(module: &M) -> Result<()> {
    Tensors::of(module)?.check_finite()
}

/// Whether the file has a checksum in its header.
///
/// # Errors
///
/// [`Error::Format`] if it has another one than its content.
fn verify_checksum(path: &Path, bytes: &[u8]) -> Result<bool> {
    let Some(place) = checksum_place(bytes) else {
        return Ok(false);
    };
    match checksum(bytes, &place).as_bytes() == &bytes[place] {
        true => Ok(true),
        false => {
            let reason = "damaged: its checksum is not that of its content".into();
            Err(format(path, reason))
        }
    }
}

/// The digits of the checksum in a safetensors file, if it has one.
fn checksum_place(bytes: &[u8]) -> Option<Range<usize>> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let header = &rest[..length.min(rest.len())];
    let key = CHECKSUM.as_bytes();
    let found = header.windows(key.len()).position(|part| part == key)?;
    let start = LENGTH_BYTES + found + key.len();
    let place = start..start + NO_CHECKSUM.len();
    (place.end <= bytes.len()).then_some(place)
}

/// CRC-32 (IEEE 802.3) of the bytes with zeros for the digits at `place`.
fn checksum(bytes: &[u8], place: &Range<usize>) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..place.start]);
    hasher.update(NO_CHECKSUM.as_bytes());
    hasher.update(&bytes[place.end..]);
    format!("{:08x}", hasher.finalize())
}

/// An entry of the header of a file: its key, and a JSON object.
pub(crate) struct HeaderEntry<'a> {
    pub key: &'a str,
    pub json: String,
}

/// Tensors as one safetensors file. With a header entry, the file has a checksum.
///
/// # Errors
///
/// [`Error::Format`] for a value that is not finite in this precision.
pub(crate) fn to_bytes(
    tensors: Tensors,
    precision: Precision,
    header: Option<HeaderEntry>,
) -> Result<Vec<u8>> {
    let unwritable =
        |e: &dyn std::fmt::Display| format(Path::new("model"), format!("cannot be stored: {e}"));
    let mut stored = Vec::new();
    for (name, data) in tensors.0 {
        let data = match precision {
            Precision::Full => data.convert::<f32>(),
            Precision::Half => data.convert_dtype(DType::F16),
        };
        if let Some(damage) = non_finite(&name, &data) {
            return Err(unwritable(&damage));
        }
        stored.push((name, data));
    }
    let dtype = match precision {
        Precision::Full => Dtype::F32,
        Precision::Half => Dtype::F16,
    };
    let mut views = Vec::new();
    for (name, data) in &stored {
        let view = TensorView::new(dtype, data.shape.to_vec(), data.as_bytes());
        views.push((name, view.map_err(|e| unwritable(&e))?));
    }
    let metadata = header.map(|HeaderEntry { key, json }| {
        let fields = json.strip_prefix('{').unwrap_or(&json);
        let text = format!(r#"{{"crc32":"{NO_CHECKSUM}",{fields}"#);
        HashMap::from([(key.to_string(), text)])
    });
    let mut bytes = safetensors::serialize(views, metadata).map_err(|e| unwritable(&e))?;
    if let Some(place) = checksum_place(&bytes) {
        let checksum = checksum(&bytes, &place);
        bytes[place].copy_from_slice(checksum.as_bytes());
    }
    Ok(bytes)
}
