//! Tensors by name, as a weight file holds them.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{TensorData, backend::Backend};
use burn_store::{ApplyError, ModuleSnapshot, TensorSnapshot};

use crate::error::{self, Error, Result};

/// Tensors by name: the weights of a model on their way into a file and back.
///
/// ```
/// use burn::backend::Flex;
/// use burn::nn::{Linear, LinearConfig};
/// use hypad::features::weights::Tensors;
///
/// # fn main() -> hypad::Result<()> {
/// let device = Default::default();
/// let layer: Linear<Flex> = LinearConfig::new(2, 3).init(&device);
/// let tensors = Tensors::of(&layer)?;
/// assert!(tensors.names().eq(["bias", "weight"]));
/// let other: Linear<Flex> = tensors.fill(LinearConfig::new(2, 3).init(&device))?;
/// assert_eq!(other.weight.val().into_data(), layer.weight.val().into_data());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors(pub(in crate::features) BTreeMap<String, TensorData>);

impl Tensors {
    /// No tensor.
    pub fn new() -> Self {
        Self::default()
    }

    /// The parameters of a module, each under its path.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a parameter that cannot be read from its device.
    pub fn of<B: Backend, M: Module<B>>(module: &M) -> Result<Self> {
        let snapshots = module.collect(None, None, true).into_iter();
        let tensors = snapshots.map(|snapshot| {
            let name = snapshot.full_path();
            let data = snapshot.to_data().map_err(|e| Error::Setting {
                name: "weights",
                value: format!("tensor {name}: {e:?}"),
                rule: "parameters that can be read",
            })?;
            Ok((name, data))
        });
        Ok(Self(tensors.collect::<Result<_>>()?))
    }

    /// How many numbers they hold.
    pub fn count(&self) -> usize {
        let tensors = self.0.values();
        tensors
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum()
    }

    /// Fills every parameter of a module from the tensor with its path.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with every tensor that is missing, has another shape, or belongs to no
    /// parameter.
    pub fn fill<B: Backend, M: Module<B>>(self, module: M) -> Result<M> {
        self.fill_as(module, str::to_string)
            .map_err(|problems| Error::Setting {
                name: "weights",
                value: problems.join("; "),
                rule: "a tensor for each parameter of the network, and no other",
            })
    }

    /// As [`fill`](Self::fill); `name` maps the path of a parameter to the name in the messages, which
    /// are returned in case of an error.
    pub(super) fn fill_as<B: Backend, M: Module<B>>(
        self,
        mut module: M,
        name: impl Fn(&str) -> String,
    ) -> Result<M, Vec<String>> {
        let snapshots = self.0.into_iter().map(|(path, data)| {
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
            Ok(module)
        } else {
            Err(problems)
        }
    }

    /// Adds a tensor, in place of one of this name.
    pub fn insert(&mut self, name: impl Into<String>, data: TensorData) {
        self.0.insert(name.into(), data);
    }

    /// Takes a tensor out.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if there is none of this name.
    pub fn take(&mut self, name: &str) -> Result<TensorData> {
        self.0.remove(name).ok_or_else(|| Error::Setting {
            name: "weights",
            value: format!("no tensor {name}"),
            rule: "a tensor for each parameter of the network, and no other",
        })
    }

    /// Whether all tensors were taken out.
    pub(crate) fn expect_empty(&self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let names = self
            .names()
            .map(|name| format!("no place for tensor {name}"));
        Err(Error::Setting {
            name: "weights",
            value: names.collect::<Vec<_>>().join("; "),
            rule: "a tensor for each parameter of the network, and no other",
        })
    }

    /// Whether all values are finite.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] naming the first tensor with one that is not.
    pub(crate) fn check_finite(&self) -> Result<()> {
        for (name, data) in &self.0 {
            let values: Vec<f32> = data.iter::<f32>().collect();
            let cause = "the weights are damaged, or their training diverged";
            error::check_finite(&values, format_args!("tensor {name}"), cause)?;
        }
        Ok(())
    }

    /// CRC-32 (IEEE 802.3) of names, shapes and values as f32, little-endian.
    pub fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for (name, data) in &self.0 {
            hasher.update(name.as_bytes());
            for size in data.shape.iter() {
                hasher.update(&(*size as u64).to_le_bytes());
            }
            for value in data.iter::<f32>() {
                hasher.update(&value.to_le_bytes());
            }
        }
        hasher.finalize()
    }

    /// Adds all tensors of another set, each with a prefix before its name.
    pub(crate) fn extend(&mut self, prefix: &str, other: Self) {
        let other = other.0.into_iter();
        self.0
            .extend(other.map(|(name, data)| (format!("{prefix}{name}"), data)));
    }

    /// Takes out all tensors whose names begin with a prefix, without it.
    pub(crate) fn take_all(&mut self, prefix: &str) -> Self {
        let names: Vec<String> = self
            .0
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect();
        let taken = names.into_iter().filter_map(|name| {
            let data = self.0.remove(&name)?;
            Some((name[prefix.len()..].to_string(), data))
        });
        Self(taken.collect())
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Gives every tensor another name.
    pub(crate) fn renamed(self, name: impl Fn(&str) -> String) -> Self {
        let tensors = self.0.into_iter();
        Self(tensors.map(|(old, data)| (name(&old), data)).collect())
    }
}
