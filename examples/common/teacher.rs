//! Teachers by name.

use burn::module::Module;
use burn::tensor::backend::Backend;
use hypad::Result;
use hypad::features::weights::{load_pdn, pretrained_small};
use hypad::features::{Pdn, PdnConfig, PdnSize};

/// `shipped`, the crate's own PDN-S; `random`, one that has learned nothing; or a file of weights.
pub fn teacher<B: Backend>(
    name: &str,
    config: PdnConfig,
    seed: u64,
    device: &B::Device,
) -> Result<Pdn<B>> {
    match name {
        "shipped" if config.size == PdnSize::Small => pretrained_small(device),
        "shipped" => Err(hypad::Error::Setting {
            name: "teacher",
            value: name.into(),
            rule: "a file, since the crate brings one for PDN-S only",
        }),
        "random" => {
            B::seed(device, seed);
            // As a record the weights are drawn now, not when they are first used.
            let record = config.init::<B>(device).into_record();
            Ok(config.init(device).load_record(record))
        }
        file => load_pdn(file, config, device),
    }
}
