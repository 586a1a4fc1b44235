//! Feature maps of the training images that do not change, computed once.

use burn::tensor::{Tensor, TensorData, f16};

use crate::error::Result;
use crate::features::ModelBackend;

/// Feature maps in half precision, as many as a budget allows.
pub struct FeatureCache {
    maps: Vec<Option<TensorData>>,
    /// Bytes left.
    bytes_left: usize,
}

impl FeatureCache {
    /// An empty cache for so many maps and mebibytes.
    pub fn new(maps: usize, mebibytes: usize) -> Self {
        Self {
            maps: vec![None; maps],
            bytes_left: mebibytes << 20,
        }
    }

    /// The map of an index: the one that is kept, or else the one that is computed now, and
    /// kept if memory is left. Both are rounded to half precision, so the budget changes nothing.
    pub fn get<B: ModelBackend>(
        &mut self,
        index: usize,
        device: &B::Device,
        compute: impl FnOnce() -> Result<Tensor<B, 4>>,
    ) -> Result<Tensor<B, 4>> {
        let load = |map: TensorData| Tensor::from_data(map.convert::<f32>(), device);
        if let Some(Some(map)) = self.maps.get(index) {
            return Ok(load(map.clone()));
        }
        let map = compute()?.into_data().convert::<f16>();
        let size = map.bytes.len();
        if let Some(slot) = self.maps.get_mut(index)
            && size <= self.bytes_left
        {
            self.bytes_left -= size;
            *slot = Some(map.clone());
        }
        Ok(load(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn keeps_what_fits_and_returns_the_same_either_way() {
        let device = Default::default();
        let map = |value: f32| Tensor::<Flex, 4>::full([1, 1, 512, 512], value, &device);
        let mut cache = FeatureCache::new(3, 1);
        for image in 0..3 {
            let first = cache
                .get(image, &device, || Ok(map(0.1 + image as f32)))
                .unwrap()
                .into_data();
            let expected = f16::from_f32(0.1 + image as f32).to_f32();
            assert!(first.iter::<f32>().all(|v| v == expected));
        }
        let mut computed = 0;
        for image in 0..3 {
            let found = cache.get::<Flex>(image, &device, || {
                computed += 1;
                Ok(map(0.0))
            });
            assert!(found.is_ok());
        }
        assert_eq!(computed, 1);
    }
}
