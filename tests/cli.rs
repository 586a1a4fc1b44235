//! The program `hypad` as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use hypad::ScoreMap;
use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;

fn hypad(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hypad"))
        .args(arguments)
        .output()
        .unwrap()
}

/// The standard output of a run that ends with this code.
fn output(arguments: &[&str], code: i32) -> String {
    let output = hypad(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The standard error of a run that ends with this code.
fn message(arguments: &[&str], code: i32) -> String {
    let output = hypad(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    error
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Woven stripes; a white square of 16 pixels where there is a defect.
fn picture(index: u32, defect: bool) -> RgbImage {
    RgbImage::from_fn(96, 80, |x, y| {
        if defect && (40..56).contains(&x) && (30..46).contains(&y) {
            return Rgb([255; 3]);
        }
        let wave = ((x / 4 + y / 4) % 2) * 40 + (x * 7 + y * 13 + index * 3) % 9;
        Rgb([90 + wave, 80 + wave, 70 + wave].map(|v| v as u8))
    })
}

/// A category in the layout of MVTec AD, made once, and a detector of it that was trained for two steps.
struct Trained {
    root: tempfile::TempDir,
}

impl Trained {
    fn get() -> &'static Self {
        static TRAINED: OnceLock<Trained> = OnceLock::new();
        TRAINED.get_or_init(|| {
            let root = tempfile::tempdir().unwrap();
            let thing = root.path().join("data/thing");
            let save = |image: &RgbImage, path: &str| {
                let path = thing.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                image.save(path).unwrap();
            };
            for index in 0..6 {
                save(&picture(index, false), &format!("train/ok/{index:03}.png"));
            }
            for index in 0..3 {
                save(
                    &picture(20 + index, false),
                    &format!("test/ok/{index:03}.png"),
                );
                save(
                    &picture(30 + index, true),
                    &format!("test/nok/{index:03}.png"),
                );
                let mask = GrayImage::from_fn(96, 80, |x, y| {
                    let inside = (40..56).contains(&x) && (30..46).contains(&y);
                    Luma([if inside { 255 } else { 0 }])
                });
                let path = thing.join(format!("ground_truth/nok/{index:03}.png"));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                mask.save(path).unwrap();
            }
            let trained = Self { root };
            let (data, out) = (trained.path("data"), trained.path("out"));
            let maps = trained.path("maps");
            output(
                &[
                    &[
                        "train",
                        text(&data),
                        "--out",
                        text(&out),
                        "--maps",
                        text(&maps),
                    ][..],
                    &TINY,
                ]
                .concat(),
                0,
            );
            trained
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

const TINY: [&str; 6] = ["--steps", "2", "--image-size", "128", "--hold-out", "0.5"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn help_says_what_to_do() {
    let all = output(&["--help"], 0);
    for command in [
        "data",
        "train",
        "predict",
        "evaluate",
        "bench",
        "info",
        "completions",
    ] {
        assert!(all.contains(command));
        let help = output(&[command, "--help"], 0);
        assert!(help.contains("Example: hypad "), "{command}: {help}");
    }
    assert!(output(&["completions", "bash"], 0).contains("--fail-on-defect"));
    for wrong in [
        &[][..],
        &["trian"],
        &["train", "somewhere"],
        &["predict", "model"],
        &["train", "x", "--out", "y", "--threshold", "conformal"],
        &["evaluate", "x", "--maps", "y", "--shard", "2/2"],
    ] {
        message(wrong, 2);
    }
}

#[test]
fn data_says_what_is_there() {
    let trained = Trained::get();
    let data = trained.path("data");
    let said = output(&["data", text(&data)], 0);
    for part in [
        "1 category",
        "6 good images",
        "good 3, nok 3; 3 masks",
        "96 x 80 (12 images)",
        "ready to train",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = json(&output(&["data", text(&data), "--json"], 0));
    assert_eq!(said["categories"][0]["test"]["nok"], 3);
    // A broken training picture is found, and nothing is trained.
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    std::fs::create_dir(&good).unwrap();
    for index in 0..4 {
        picture(index, false)
            .save(good.join(format!("{index}.png")))
            .unwrap();
    }
    std::fs::write(good.join("4.png"), "no image").unwrap();
    let said = output(&["data", text(folder.path())], 1);
    assert!(
        said.contains("problem: ") && said.contains("4.png"),
        "{said}"
    );
    let out = folder.path().join("out");
    let error = message(&["train", text(&good), "--out", text(&out)], 1);
    assert!(
        error.contains("4.png") && !out.join("model.safetensors").exists(),
        "{error}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(message(&["data", text(empty.path())], 1).contains("looked for"));
}

#[test]
fn train_leaves_a_folder_of_results() {
    let trained = Trained::get();
    let out = trained.path("out");
    let report = json(&std::fs::read_to_string(out.join("report.json")).unwrap());
    assert_eq!(
        (&report["category"], &report["steps"]),
        (&"thing".into(), &2.into())
    );
    assert!(report["image"]["auroc"].is_number() && report["aupro"]["0.3"].is_number());
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    for part in [
        "Scores of the test images",
        "data:image/jpeg;base64,",
        "nok/000: score",
        "Recipe of the training",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("http"), "nothing is loaded");
    for file in [
        "tables/images.csv",
        "tables/regions.json",
        "pictures/good/000.png",
        "pictures/nok/002.png",
    ] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let left = std::fs::read_dir(&out).unwrap().count();
    assert_eq!(left, 5, "no checkpoint or temporary file is left");
    // Another run does not write over it.
    let data = trained.path("data");
    let again = [
        &["train", text(&data), "--out", text(&out), "--seed", "7"][..],
        &TINY,
    ]
    .concat();
    let error = message(&again, 1);
    assert!(
        error.contains("results of another run (seed: 42 there, 7 now)"),
        "{error}"
    );
    // Nor one with other tiles, or another rule for the threshold.
    let base = ["train", text(&data), "--out", text(&out)];
    for (flags, part) in [
        (["--tile", "64"], "tiles: null there"),
        (["--threshold", "max"], "threshold_policy: "),
    ] {
        let error = message(&[&base[..], &flags, &TINY].concat(), 1);
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn predict_goes_on_after_a_broken_file() {
    let trained = Trained::get();
    let model = trained.path("out/model.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new");
    std::fs::create_dir_all(new.join("deep")).unwrap();
    picture(50, false).save(new.join("a.png")).unwrap();
    picture(51, true).save(new.join("deep/b.png")).unwrap();
    let out = folder.path().join("found");
    let base = ["predict", text(&model), text(&new), "--json"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    let lines = output(&[&base[..], &["--out", text(&out)]].concat(), 0);
    let lines: Vec<Value> = lines.lines().map(json).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[1]["path"].as_str().unwrap().ends_with("deep/b.png"));
    assert!(lines[1]["score"].as_f64() > lines[0]["score"].as_f64());
    for line in &lines {
        assert!(
            line["threshold"].is_number()
                && line["defect"].is_boolean()
                && line["regions"].is_array()
        );
    }
    let map = ScoreMap::read(out.join("deep/b.tiff")).unwrap();
    assert_eq!(
        f64::from(map.maximum()) as f32,
        lines[1]["score"].as_f64().unwrap() as f32
    );
    assert!(out.join("deep/b.mask.png").is_file() && out.join("a.tiff").is_file());
    // A threshold that everything reaches.
    output(&with(&["--threshold", "-100", "--fail-on-defect"]), 3);
    output(&with(&["--threshold", "1e9", "--fail-on-defect"]), 0);

    std::fs::write(new.join("a2.png"), "no image").unwrap();
    let lines = output(&with(&["--threshold", "-100", "--fail-on-defect"]), 1);
    let lines: Vec<Value> = lines.lines().map(json).collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[1]["error"].as_str().unwrap().contains("a2.png") && lines[1].get("score").is_none()
    );
    // The model is checked before.
    let bytes = std::fs::read(&model).unwrap();
    let broken = folder.path().join("broken.safetensors");
    let mut flipped = bytes;
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    std::fs::write(&broken, flipped).unwrap();
    let error = message(&["predict", text(&broken), text(&new)], 1);
    assert!(error.contains("broken.safetensors"), "{error}");
    assert!(
        message(&["predict", text(&model), "nowhere.png"], 1)
            .contains("0 with defects, 1 could not")
    );
}

#[test]
fn evaluate_in_parts_is_evaluate() {
    let trained = Trained::get();
    let (data, maps) = (trained.path("data"), trained.path("maps"));
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let whole = out("whole");
    let base = ["evaluate", text(&data), "--maps", text(&maps), "--out"];
    let table = output(&[&base[..], &[text(&whole)]].concat(), 0);
    let report = json(&std::fs::read_to_string(trained.path("out/report.json")).unwrap());
    let metrics = json(&std::fs::read_to_string(whole.join("metrics.json")).unwrap());
    assert_eq!(metrics["thing"]["au_pro"], report["aupro"]["0.3"]);
    assert!(table.contains("| thing |"), "{table}");
    let parts = out("parts");
    for shard in ["0/3", "1/3", "2/3"] {
        output(&[&base[..], &[text(&parts), "--shard", shard]].concat(), 0);
    }
    let file = |index: usize| parts.join(format!("thing/part_{index}_of_3"));
    let files = [file(2), file(0), file(1)];
    let merged = out("merged");
    let merge = ["evaluate", "--out", text(&merged), "--merge"];
    let files: Vec<&str> = files.iter().map(|file| text(file)).collect();
    output(&[&merge[..], &files].concat(), 0);
    for name in [
        "metrics.json",
        "categories.csv",
        "thing/images.json",
        "thing/regions.csv",
    ] {
        let [a, b] = [&whole, &merged].map(|folder| std::fs::read(folder.join(name)).unwrap());
        assert_eq!(a, b, "{name}");
    }
    let error = message(&[&merge[..], &files[..2]].concat(), 1);
    assert!(error.contains("parts [0, 2] of 0 to 2"), "{error}");
    // NumPy's arrays are read as well; a missing map is named.
    let copy = out("npy");
    std::fs::create_dir_all(copy.join("thing/test/good")).unwrap();
    std::fs::create_dir_all(copy.join("thing/test/nok")).unwrap();
    for kind in ["good", "nok"] {
        for index in 0..3 {
            let name = format!("thing/test/{kind}/{index:03}");
            let map = ScoreMap::read(maps.join(format!("{name}.tiff"))).unwrap();
            let mut header = format!(
                "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
                map.size().height,
                map.size().width
            );
            while !(header.len() + 11).is_multiple_of(64) {
                header.push(' ');
            }
            header.push('\n');
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.as_bytes());
            map.iter()
                .for_each(|value| bytes.extend(value.to_le_bytes()));
            std::fs::write(copy.join(format!("{name}.npy")), bytes).unwrap();
        }
    }
    let from_npy = out("from_npy");
    let arguments = [
        "evaluate",
        text(&data),
        "--maps",
        text(&copy),
        "--out",
        text(&from_npy),
    ];
    output(&arguments, 0);
    let [a, b] =
        [&whole, &from_npy].map(|folder| std::fs::read(folder.join("metrics.json")).unwrap());
    assert_eq!(a, b);
    std::fs::remove_file(copy.join("thing/test/nok/001.npy")).unwrap();
    assert!(message(&arguments, 1).contains("no such map of"));
}

#[test]
fn info_and_bench() {
    let trained = Trained::get();
    let model = trained.path("out/model.safetensors");
    let said = output(&["info", text(&model)], 0);
    assert!(
        said.contains("3 standard deviations above the mean")
            && said.contains("checksum         right"),
        "{said}"
    );
    let info = json(&output(&["info", text(&model), "--json"], 0));
    assert_eq!(
        (&info["method"], &info["version"]),
        (&"hypad".into(), &6.into())
    );
    let rows = [
        "bench",
        text(&model),
        "--sizes",
        "128,160x128",
        "--repeats",
        "1",
        "--warm-up",
        "0",
        "--json",
    ];
    let rows = json(&output(&rows, 0));
    assert_eq!(rows[1]["size"], "160 x 128");
    assert!(rows[0]["mean_ms"].as_f64() > Some(0.0));
    assert!(message(&["info", "nowhere"], 1).contains("nowhere"));
}

/// A submission for MVTec AD 2: written for one object, and the check that tells what is still missing.
#[test]
fn submissions_are_written_and_checked() {
    let trained = Trained::get();
    let model = trained.path("out/model.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let can = folder.path().join("can");
    for name in [
        "train/good/000_regular.png",
        "train/good/001_regular.png",
        "test_public/good/000_regular.png",
        "test_private/000_regular.png",
        "test_private_mixed/000_mixed.png",
    ] {
        let path = can.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture(1, false).save(path).unwrap();
    }
    let submission = folder.path().join("submission");
    output(
        &[
            "predict",
            text(&model),
            text(&can),
            "--submission",
            text(&submission),
        ],
        0,
    );
    let map = submission.join("anomaly_images/can/test_private/000_regular.tiff");
    assert_eq!(
        ScoreMap::read(&map).unwrap().size(),
        hypad::ImageSize::new(96, 80)
    );
    let check = [
        "evaluate",
        text(folder.path()),
        "--check-submission",
        text(&submission),
    ];
    let error = message(&check, 1);
    assert!(
        error.contains("anomaly_images: no folder fabric") && !error.contains("can/test_private"),
        "{error}"
    );
    std::fs::write(submission.join("notes.txt"), "").unwrap();
    std::fs::remove_file(
        submission.join("anomaly_images_thresholded/can/test_private_mixed/000_mixed.png"),
    )
    .unwrap();
    picture(1, false).to_luma_mask(
        &submission.join("anomaly_images_thresholded/can/test_private/000_regular.png"),
    );
    let error = message(&check, 1);
    for part in [
        "./notes.txt does not belong",
        "can/test_private_mixed/000_mixed has not both",
        "000_regular.png: a value other than 0 and 255",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

trait ToLumaMask {
    fn to_luma_mask(&self, path: &Path);
}

impl ToLumaMask for RgbImage {
    /// Saves the picture in grey, as no mask should be.
    fn to_luma_mask(&self, path: &Path) {
        image::DynamicImage::from(self.clone())
            .to_luma8()
            .save(path)
            .unwrap();
    }
}
