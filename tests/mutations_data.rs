//! Damaged lists, maps and parts of evaluations, thousands of them from fixed seeds: each is refused by name or
//! read as what it is; none ends in a panic or leads out of its folder.

use std::path::Path;

use hypad::data::DataSet;
use hypad::report::{Evaluator, Partial, Shard};
use hypad::{ImageSize, ScoreMap};
use image::{GrayImage, Luma, RgbImage};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Flips a bit, changes, removes, repeats or inserts bytes, or cuts the end off; one to four times.
fn mutate(bytes: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..8) {
            0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random(),
            3 => bytes.truncate(at),
            4 => bytes.insert(at, b"\"{}[]',/.\\0:\n"[rng.random_range(0..13)]),
            5 => {
                let piece = bytes[at..bytes.len().min(at + 20)].to_vec();
                let to = rng.random_range(0..bytes.len());
                bytes.splice(to..to, piece);
            }
            6 => drop(bytes.splice(at..at, *b"../")),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Images `good/0.png` to `3.png`, `bad/0.png` and a mask, below `folder`.
fn images(folder: &Path) {
    for name in ["good/0", "good/1", "good/2", "good/3", "bad/0"] {
        let path = folder.join(name).with_extension("png");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::new(4, 4).save(path).unwrap();
    }
    std::fs::create_dir_all(folder.join("mask")).unwrap();
    GrayImage::from_pixel(4, 4, Luma([255]))
        .save(folder.join("mask/0.png"))
        .unwrap();
}

/// Reads a list after so many changes; whatever it gives lies below the root. Returns how often it was
/// refused.
fn lists(root: &Path, list: &Path, content: &str, seed: u64, cases: usize) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut refused = 0;
    let read = || {
        let data = DataSet::open(root)?;
        data.names()
            .iter()
            .map(|name| data.category(name))
            .collect::<hypad::Result<Vec<_>>>()
    };
    write(list, content.as_bytes());
    assert_eq!(read().unwrap()[0].test.len(), 3);
    for case in 0..cases {
        write(list, &mutate(content.as_bytes(), &mut rng));
        match read() {
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
            Ok(categories) => {
                for category in categories {
                    let tested = category.test.iter().map(|test| test.path.as_path());
                    for path in category.train.paths().chain(tested) {
                        let place = path.canonicalize().unwrap();
                        assert!(
                            place.starts_with(root.canonicalize().unwrap()),
                            "{case}: {}",
                            path.display()
                        );
                    }
                }
            }
        }
    }
    refused
}

#[test]
fn damaged_lists_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    // What a path that leaves the root would find.
    images(folder.path());
    let visa = folder.path().join("visa");
    images(&visa.join("nut"));
    let mut csv = "object,split,label,image,mask\r\n".to_string();
    for (split, label, image, mask) in [
        ("train", "normal", "good/0", ""),
        ("train", "normal", "good/1", ""),
        ("test", "normal", "good/2", ""),
        ("test", "normal", "good/3", ""),
        ("test", "anomaly", "bad/0", "nut/mask/0.png"),
    ] {
        csv += &format!("nut,{split},{label},nut/{image}.png,{mask}\r\n");
    }
    let refused = lists(&visa, &visa.join("split_csv/1cls.csv"), &csv, 1, 1500);
    assert!((500..1500).contains(&refused), "{refused}");

    let ader = folder.path().join("ader");
    images(&ader);
    let image = |path: &str, mask: &str, anomaly: u8| {
        format!(
            r#"{{"img_path": "{path}.png", "mask_path": "{mask}", "specie_name": "bent", "anomaly": {anomaly}}}"#
        )
    };
    let train = [image("good/0", "", 0), image("good/1", "", 0)].join(", ");
    let test = [
        image("good/2", "", 0),
        image("good/3", "", 0),
        image("bad/0", "mask/0.png", 1),
    ]
    .join(", ");
    let meta = format!(r#"{{"train": {{"nut": [{train}]}}, "test": {{"nut": [{test}]}}}}"#);
    let refused = lists(&ader, &ader.join("meta.json"), &meta, 2, 1500);
    assert!((500..1500).contains(&refused), "{refused}");

    let real_iad = folder.path().join("real_iad");
    images(&real_iad.join("realiad_256/nut"));
    let image = |class: &str, path: &str, mask: &str| {
        format!(
            r#"{{"anomaly_class": "{class}", "image_path": "{path}.png", "mask_path": {mask}}}"#
        )
    };
    let train = [image("OK", "good/0", "null"), image("OK", "good/1", "null")].join(", ");
    let test = [
        image("OK", "good/2", "null"),
        image("OK", "good/3", "null"),
        image("BX", "bad/0", "\"mask/0.png\""),
    ];
    let split = format!(
        r#"{{"meta": {{"prefix": "nut/", "normal_class": "OK"}}, "train": [{train}], "test": [{}]}}"#,
        test.join(", ")
    );
    let refused = lists(
        &real_iad,
        &real_iad.join("realiad_jsons/nut.json"),
        &split,
        3,
        1500,
    );
    assert!((500..1500).contains(&refused), "{refused}");
}

#[test]
fn damaged_maps_and_parts_are_refused_or_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 6), }".to_string();
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    (0..24).for_each(|at| npy.extend((at as f32).to_le_bytes()));
    let path = folder.path().join("map.npy");
    write(&path, &npy);
    assert_eq!(ScoreMap::read(&path).unwrap().size(), ImageSize::new(6, 4));
    let mut rng = StdRng::seed_from_u64(4);
    for case in 0..3000 {
        write(&path, &mutate(&npy, &mut rng));
        match ScoreMap::read(&path) {
            Ok(map) => assert!(map.iter().all(|value| value.is_finite()), "{case}"),
            Err(error) => assert!(error.to_string().contains("map.npy"), "{error}"),
        }
    }

    let mut evaluator = Evaluator::new();
    let map = ScoreMap::new((0..24).map(|at| at as f32).collect(), ImageSize::new(6, 4)).unwrap();
    let truth: Vec<bool> = (0..24).map(|at| at % 5 == 0).collect();
    evaluator.add("000", "dent", &map, &truth).unwrap();
    evaluator.add("000", "good", &map, &[false; 24]).unwrap();
    let part = Partial {
        category: "nut".into(),
        fingerprint: 1,
        shard: Shard::new(0, 1).unwrap(),
        evaluator,
    };
    let path = folder.path().join("part");
    part.write(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for _ in 0..2000 {
        let changed = mutate(&whole, &mut rng);
        if changed != whole {
            write(&path, &changed);
            let error = Partial::read(&path).unwrap_err();
            assert!(error.to_string().contains("part"), "{error}");
        }
    }
}
