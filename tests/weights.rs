//! Weights of teachers: the crate's own, files of PyTorch in the names that are in use, and files
//! that are not as they should be.

use std::io::Write;
use std::path::Path;

use burn::backend::Flex;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Distribution, Tensor};
use hypad::Error;
use hypad::features::weights::{Precision, load_pdn, pretrained_small, save_pdn};
use hypad::features::{Pdn, PdnConfig, PdnSize};
use rand::{Rng, SeedableRng, rngs::StdRng};
use safetensors::SafeTensors;
use zip::write::SimpleFileOptions;

/// Name, shape and bytes (f32) of a tensor.
type Named = (String, Vec<usize>, Vec<u8>);

/// The file that `torch.save` makes of a state dictionary.
fn write_pth(path: &Path, tensors: &[Named]) {
    let text = |text: &str| {
        [
            &b"X"[..],
            &(text.len() as u32).to_le_bytes(),
            text.as_bytes(),
        ]
        .concat()
    };
    let tuple = |values: &[usize]| {
        let mut bytes = b"(".to_vec();
        for value in values {
            bytes.push(b'J');
            bytes.extend((*value as i32).to_le_bytes());
        }
        bytes.push(b't');
        bytes
    };
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut pickle = b"\x80\x02}(".to_vec();
    for (number, (name, shape, bytes)) in tensors.iter().enumerate() {
        zip.start_file(format!("archive/data/{number}"), options)
            .unwrap();
        zip.write_all(bytes).unwrap();
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        pickle.extend(text(name));
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        pickle.extend(text("storage"));
        pickle.extend(b"ctorch\nFloatStorage\n");
        pickle.extend(text(&number.to_string()));
        pickle.extend(text("cpu"));
        pickle.push(b'J');
        pickle.extend(((bytes.len() / 4) as i32).to_le_bytes());
        pickle.extend(b"tQK\x00");
        pickle.extend(tuple(shape));
        pickle.extend(tuple(&strides));
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(b"u.");
    zip.start_file("archive/data.pkl", options).unwrap();
    zip.write_all(&pickle).unwrap();
    zip.start_file("archive/version", options).unwrap();
    zip.write_all(b"3\n").unwrap();
    zip.finish().unwrap();
}

fn tensors(pdn: &Pdn<Flex>, size: PdnSize) -> Vec<Named> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pdn.safetensors");
    save_pdn(pdn, size, &path, Precision::Full).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter();
    tensors
        .map(|(name, view)| {
            (
                name.to_string(),
                view.shape().to_vec(),
                view.data().to_vec(),
            )
        })
        .collect()
}

fn anomalib(name: &str, size: PdnSize) -> String {
    let positions: &[&str] = match size {
        PdnSize::Small => &["0", "3", "6", "8"],
        PdnSize::Medium => &["0", "3", "6", "8", "10", "12"],
    };
    let (position, rest) = name.split_once('.').unwrap();
    let number = positions.iter().position(|p| *p == position).unwrap() + 1;
    format!("conv{number}.{rest}")
}

/// Both sizes in both namings come back as they went, and through our own file.
#[test]
fn published_names_load() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    let image = Tensor::random([1, 3, 40, 40], Distribution::Default, &device);
    for size in [PdnSize::Small, PdnSize::Medium] {
        let config = PdnConfig::new(size, 384);
        let original: Pdn<Flex> = config.init(&device);
        let features = original.forward(image.clone()).into_data();
        let sequential = tensors(&original, size);
        let renamed =
            |(name, shape, bytes): &Named| (anomalib(name, size), shape.clone(), bytes.clone());
        let of_anomalib: Vec<Named> = sequential.iter().map(renamed).collect();
        for (file, tensors) in [("teacher.pth", &sequential), ("conv.pt", &of_anomalib)] {
            let path = folder.path().join(file);
            write_pth(&path, tensors);
            let loaded: Pdn<Flex> = load_pdn(&path, config, &device).unwrap();
            assert_eq!(loaded.forward(image.clone()).into_data(), features);

            let converted = folder.path().join("converted.safetensors");
            save_pdn(&loaded, size, &converted, Precision::Half).unwrap();
            let half: Pdn<Flex> = load_pdn(&converted, config, &device).unwrap();
            let tolerance = burn::tensor::Tolerance::absolute(2e-3);
            let half = half.forward(image.clone()).into_data();
            half.assert_approx_eq::<f32>(&features, tolerance);
        }
    }
}

#[test]
fn broken_pytorch_files_are_refused_by_name() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("teacher.pth");
    let config = PdnConfig::new(PdnSize::Small, 384);
    let load = || {
        load_pdn::<Flex>(&path, config, &device)
            .unwrap_err()
            .to_string()
    };
    let teacher = pretrained_small(&device).unwrap();
    let mut tensors = tensors(&teacher, PdnSize::Small);

    write_pth(&path, &tensors);
    let whole = std::fs::read(&path).unwrap();
    for length in [4, 300, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(load().contains("teacher.pth"), "{}", load());
    }
    // The directory and the pickle, which come last.
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..300 {
        let mut bytes = whole.clone();
        let at = rng.random_range(whole.len() - 3000..whole.len());
        bytes[at] ^= rng.random_range(1..=255_u8);
        std::fs::write(&path, bytes).unwrap();
        if let Err(error) = load_pdn::<Flex>(&path, config, &device) {
            assert!(error.to_string().contains("teacher.pth"), "{error}");
        }
    }
    let mut broken = tensors.clone();
    broken[2].2[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    write_pth(&path, &broken);
    let message = load();
    let name = format!("tensor {}: 1 of", broken[2].0);
    assert!(message.contains(&name), "{message}");

    for junk in [
        &b"\x80\x02}q"[..],
        b"\x80\x02K\x01.",
        b"PK\x03\x04PK\x05\x06",
    ] {
        std::fs::write(&path, junk).unwrap();
        assert!(load().contains("teacher.pth"), "{}", load());
    }
    for tensor in &mut tensors {
        tensor.0 = anomalib(&tensor.0, PdnSize::Small);
    }
    // The rest of the names tells whose they are, whichever layer is missing.
    tensors.sort_by(|a, b| b.0.cmp(&a.0));
    let dropped = tensors.pop().unwrap().0;
    tensors.last_mut().unwrap().0 = "head.weight".into();
    write_pth(&path, &tensors);
    let message = load();
    assert!(
        message.contains(&format!("no tensor {dropped}")),
        "{message}"
    );
    assert!(
        message.contains("no place for tensor head.weight"),
        "{message}"
    );
}

#[test]
fn the_teacher_of_the_crate_loads() {
    let teacher: Pdn<Flex> = pretrained_small(&Default::default()).unwrap();
    assert_eq!(teacher.num_params(), 2_694_144);
}

/// Multiplies all weights by 10⁷.
struct Enlarge;

impl ModuleMapper<Flex> for Enlarge {
    fn map_float<const D: usize>(
        &mut self,
        parameter: Param<Tensor<Flex, D>>,
    ) -> Param<Tensor<Flex, D>> {
        parameter.map(|tensor| tensor * 1e7)
    }
}

/// The crate's file has the names of a PyTorch `Sequential`; broken copies of it are refused.
#[test]
fn broken_weights_are_refused_by_name() {
    let device = Default::default();
    let load = |path: &Path, size, channels| {
        load_pdn::<Flex>(path, PdnConfig::new(size, channels), &device)
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pdn_s_teacher_f16.safetensors");
    assert!(load(&file, PdnSize::Small, 384).is_ok());

    let message = load(&file, PdnSize::Small, 100).unwrap_err().to_string();
    assert!(
        message.contains("tensor 8.weight: shape [384, 256, 4, 4]"),
        "{message}"
    );
    let message = load(&file, PdnSize::Medium, 384).unwrap_err().to_string();
    assert!(message.contains("no tensor 12.weight"), "{message}");

    let folder = tempfile::tempdir().unwrap();
    // Weights that 16 bits do not hold.
    let large: Pdn<Flex> = load(&file, PdnSize::Small, 384).unwrap();
    let large = large.map(&mut Enlarge);
    let path = folder.path().join("large.safetensors");
    let half = save_pdn(&large, PdnSize::Small, &path, Precision::Half);
    let message = half.unwrap_err().to_string();
    assert!(message.contains("NaN or infinite"), "{message}");
    assert!(!path.exists());
    save_pdn(&large, PdnSize::Small, &path, Precision::Full).unwrap();

    let cut = folder.path().join("cut.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    for length in [0, 7, 300, bytes.len() - 1] {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        let message = load(&cut, PdnSize::Small, 384).unwrap_err().to_string();
        assert!(message.contains("cut.safetensors"), "{message}");
    }
    let error = load(&folder.path().join("none"), PdnSize::Small, 384).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
}
