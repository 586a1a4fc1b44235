//! Folders of images and masks: what is passed over, refused or warned of. Warnings are read by a
//! logger.

mod files;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use files::{encode, exif, with_chunk};
use hypad::data::{Category, DataSet, ImageSet};
use hypad::{Error, ImageSize};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, RgbImage};

static MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

impl log::Log for Recorder {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        if record.level() == log::Level::Warn {
            MESSAGES.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// A folder whose warnings are recorded.
fn folder() -> tempfile::TempDir {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Recorder).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
    });
    tempfile::tempdir().unwrap()
}

/// The warnings that begin so.
fn warnings(begin: &str) -> Vec<String> {
    let messages = MESSAGES.lock().unwrap();
    messages
        .iter()
        .filter(|m| m.starts_with(begin))
        .cloned()
        .collect()
}

fn write(path: PathBuf, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn png() -> Vec<u8> {
    encode(&RgbImage::new(32, 32).into(), ImageFormat::Png)
}

/// A disc of radius 8 in 32 × 32 pixels.
fn disc() -> GrayImage {
    GrayImage::from_fn(32, 32, |x, y| {
        let (dx, dy) = (x as i32 - 15, y as i32 - 16);
        Luma([if dx * dx + dy * dy < 64 { 255 } else { 0 }])
    })
}

/// A category of two images to train on, one good and `masks` to test.
fn category(root: &Path, name: &str, masks: &[(&str, Vec<u8>)]) -> PathBuf {
    let folder = root.join(name);
    for image in [
        "train/good/000.png",
        "train/good/001.png",
        "test/good/000.png",
    ] {
        write(folder.join(image), &png());
    }
    for (name, mask) in masks {
        let (stem, ending) = name.split_once('.').unwrap();
        write(folder.join(format!("test/{stem}.png")), &png());
        write(
            folder.join(format!("ground_truth/{stem}_mask.{ending}")),
            mask,
        );
    }
    folder
}

fn problems(error: Error) -> Vec<String> {
    match error {
        Error::Dataset { problems, .. } => problems,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_passed_over_is_counted_in_one_line() {
    let root = folder();
    let train = root.path().join("train");
    for name in [
        "000.png",
        "001.JPG",
        "a.txt",
        "b.txt",
        "c.gif",
        "noending",
        ".DS_Store",
        "._000.png",
        "Thumbs.db",
    ] {
        write(train.join(name), &png());
    }
    for name in ["010.png", "other", ".ipynb_checkpoints", "__MACOSX"] {
        write(train.join(name).join("000.png"), &png());
    }
    let set = ImageSet::from_dir(&train).unwrap();
    assert_eq!(set.len(), 2);
    set.check(&|| ()).unwrap();
    let begin = format!("{}: ", train.display());
    assert_eq!(
        warnings(&begin),
        [format!(
            "{begin}11 entries passed over: 4 of other file types (no ending 1, .gif 1, .txt 2), \
             2 folders, 5 hidden or of the system"
        )]
    );
    let plain = root.path().join("plain");
    write(plain.join("000.png"), &png());
    ImageSet::from_dir(&plain).unwrap();
    assert!(warnings(&format!("{}: ", plain.display())).is_empty());
}

#[cfg(unix)]
#[test]
fn links_work_or_are_refused() {
    use std::os::unix::fs::symlink;
    let root = folder();
    let images = root.path().join("images");
    write(images.join("000.png"), &png());
    symlink(images.join("000.png"), images.join("001.png")).unwrap();
    symlink(&images, root.path().join("linked")).unwrap();
    assert_eq!(
        ImageSet::from_dir(root.path().join("linked"))
            .unwrap()
            .len(),
        2
    );
    for name in ["gone.png", "gone"] {
        let link = images.join(name);
        symlink("/nowhere/at/all.png", &link).unwrap();
        let found = problems(ImageSet::from_dir(&images).unwrap_err());
        assert_eq!(
            found,
            [format!(
                "{name} is a link to /nowhere/at/all.png, which does not exist"
            )]
        );
        assert!(ImageSet::from_tree(&images).is_err());
        std::fs::remove_file(link).unwrap();
    }
    // In a category it is one of all problems.
    let thing = category(
        root.path(),
        "linked_thing",
        &[("dent/000.png", encode(&disc().into(), ImageFormat::Png))],
    );
    symlink("/nowhere", thing.join("test/good/009.png")).unwrap();
    symlink("/nowhere", thing.join("ground_truth/dent/009_mask.png")).unwrap();
    write(thing.join("test/hole/000.png"), &png());
    let found = problems(Category::load(root.path(), "linked_thing").unwrap_err());
    let all = found.join("\n");
    for part in [
        "test/good/009.png is a link",
        "ground_truth/dent/009_mask.png is a link",
        "ground_truth/hole",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    // A loop.
    let classes = root.path().join("classes");
    write(classes.join("b/000.png"), &png());
    write(classes.join("a/deep/001.png"), &png());
    write(classes.join("a/.hidden/002.png"), &png());
    write(classes.join("a/notes.txt"), b"");
    symlink(&classes, classes.join("a/up")).unwrap();
    let set = ImageSet::from_tree(&classes).unwrap();
    assert_eq!(set.len(), 2);
    assert_eq!(
        warnings(&format!("{}: ", classes.join("a/up").display())).len(),
        1
    );
    let begin = format!("{}: ", classes.display());
    let expected =
        "2 entries passed over: 1 of other file types (.txt 1), 1 hidden or of the system";
    assert_eq!(warnings(&begin), [format!("{begin}{expected}")]);
    let message = ImageSet::from_dir(&classes).unwrap_err().to_string();
    assert!(
        message.contains("1 of its folders hold images"),
        "{message}"
    );
    std::fs::create_dir(root.path().join("empty")).unwrap();
    assert!(ImageSet::from_tree(root.path().join("empty")).is_err());
}

#[test]
fn a_category_passes_over_hidden_entries() {
    let root = folder();
    let mask = encode(&disc().into(), ImageFormat::Png);
    let thing = category(root.path(), "hidden_thing", &[("dent/000.png", mask)]);
    for hidden in [
        ".ipynb_checkpoints/train/good/000.png",
        "hidden_thing/test/.ipynb_checkpoints/000.png",
        "hidden_thing/test/dent/.ipynb_checkpoints/000.png",
        "hidden_thing/test/dent/._000.png",
        "hidden_thing/ground_truth/dent/._000_mask.png",
        "hidden_thing/ground_truth/__MACOSX/x.png",
        "hidden_thing/test/Thumbs.db",
    ] {
        write(root.path().join(hidden), b"junk");
    }
    write(thing.join("test/stray.png"), &png());
    write(thing.join("train/bad/000.png"), &png());
    assert_eq!(
        DataSet::open(root.path()).unwrap().names(),
        ["hidden_thing"]
    );
    let category = Category::load(root.path(), "hidden_thing").unwrap();
    assert_eq!(category.test.len(), 2);
    category.check(&|| ()).unwrap();
    let warned = |part: &str| warnings(&format!("{}: ", thing.join(part).display()));
    assert!(
        warned("test")[0].ends_with("3 entries passed over: 1 image, 2 hidden or of the system")
    );
    assert!(warned("test/dent")[0].contains("2 hidden"));
    assert!(warned("ground_truth/dent")[0].contains("1 entry passed over: 1 hidden"));
    assert!(warned("train")[0].contains("1 folder"));
    assert!(warned("train/good").is_empty());
}

#[test]
fn names_that_share_outputs_and_odd_layouts_are_refused() {
    let root = folder();
    let mask = encode(&disc().into(), ImageFormat::Png);
    let thing = category(
        root.path(),
        "twins",
        &[("dent/000.png", mask.clone()), ("dent/001.png", mask)],
    );
    write(thing.join("test/good/000.bmp"), &png());
    write(thing.join("ground_truth/dent/001_mask.bmp"), &png());
    write(thing.join("ground_truth/scratch/000_mask.png"), &png());
    let all = problems(Category::load(root.path(), "twins").unwrap_err()).join("\n");
    for part in [
        "test/good: 000.bmp and 000.png would share the outputs of 000",
        "test/dent/001.png has two masks, 001_mask.bmp and 001_mask.png",
        "ground_truth/scratch has no folder test/scratch",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf8_are_kept_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = folder();
    let mask = encode(&disc().into(), ImageFormat::Png);
    let thing = category(root.path(), "bytes", &[("dent/000.png", mask.clone())]);
    let name = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    write(thing.join("test/dent").join(name(b"\xff.png")), &png());
    write(
        thing.join("ground_truth/dent").join(name(b"\xff_mask.png")),
        &mask,
    );
    let category = Category::load(root.path(), "bytes").unwrap();
    assert_eq!(
        category
            .test
            .iter()
            .filter(|test| !test.masks().is_empty())
            .count(),
        2
    );
    category.check(&|| ()).unwrap();
    write(thing.join("test/dent").join(name(b"\xfe.png")), &png());
    write(
        thing.join("ground_truth/dent").join(name(b"\xfe_mask.png")),
        &mask,
    );
    let all = problems(Category::load(root.path(), "bytes").unwrap_err()).join("\n");
    assert!(all.contains("would share the outputs"), "{all}");
    write(
        thing.join("test").join(name(b"\xff\xff")).join("000.png"),
        &png(),
    );
    let all = problems(Category::load(root.path(), "bytes").unwrap_err()).join("\n");
    assert!(all.contains("is not UTF-8"), "{all}");
}

#[test]
fn check_finds_everything_at_once() {
    let root = folder();
    let exact = encode(&disc().into(), ImageFormat::Png);
    let soft = encode(&disc().into(), ImageFormat::Jpeg);
    let empty = encode(&GrayImage::new(32, 32).into(), ImageFormat::Png);
    let thing = category(
        root.path(),
        "checked",
        &[
            ("dent/000.png", exact.clone()),
            ("dent/001.jpg", soft.clone()),
            ("dent/002.jpg", soft),
            ("hole/000.png", empty.clone()),
            ("hole/001.png", exact.clone()),
        ],
    );
    let category = Category::load(root.path(), "checked").unwrap();
    let count = AtomicUsize::new(0);
    let progress = || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    category.check(&progress).unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 6);
    let warned = warnings("checked: ");
    assert_eq!(warned.len(), 2, "{warned:?}");
    assert!(warned[0].contains("soft masks") && warned[0].ends_with(": 2 of 3 masks of dent"));
    assert!(warned[1].contains("empty masks: 1 of 2 images of hole;"));
    assert!(warned[1].contains("by pixels"));
    let anomalous = category.test.iter().filter(|test| test.is_anomalous());
    assert_eq!(anomalous.count(), 5);
    // A soft mask gives the same pixels as the exact one.
    let truth = |at: usize| {
        let truth = category.test[at].truth(ImageSize::new(32, 32));
        truth.unwrap().unwrap()
    };
    assert_eq!(truth(1), truth(0));
    assert_eq!(
        truth(0),
        disc().pixels().map(|p| p.0[0] > 0).collect::<Vec<_>>()
    );
    assert!(!truth(3).contains(&true));

    // Damage beyond the headers, in images and masks, all found.
    let cut = |path: &str| {
        let bytes = std::fs::read(thing.join(path)).unwrap();
        let length = bytes.len();
        // A wrong byte of compressed pixels; the checksum of the chunk tells.
        let mut broken = bytes;
        broken[length - 20] ^= 0x55;
        std::fs::write(thing.join(path), broken).unwrap();
    };
    for path in [
        "test/dent/000.png",
        "ground_truth/hole/001_mask.png",
        "train/good/001.png",
    ] {
        cut(path);
    }
    let category = Category::load(root.path(), "checked").unwrap();
    let found = problems(category.check(&|| ()).unwrap_err());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("dent/000.png") && found[1].contains("001_mask.png"));
    let found = problems(category.train.check(&|| ()).unwrap_err());
    assert!(
        found.len() == 1 && found[0].contains("001.png"),
        "{found:?}"
    );
    let none = |path: &str| std::fs::write(thing.join(path), b"").unwrap();
    none("ground_truth/dent/000_mask.png");
    none("test/hole/000.png");
    let found = problems(Category::load(root.path(), "checked").unwrap_err());
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn sizes_are_compared_upright() {
    let root = folder();
    let stored = encode(&RgbImage::new(32, 20).into(), ImageFormat::Png);
    let turned = with_chunk(&stored, b"eXIf", &exif(6), false);
    let mask = |width, height| encode(&GrayImage::new(width, height).into(), ImageFormat::Png);
    let thing = category(
        root.path(),
        "turned",
        &[
            ("dent/000.png", mask(20, 32)),
            ("dent/001.png", mask(32, 20)),
        ],
    );
    for image in ["000.png", "001.png"] {
        write(thing.join("test/dent").join(image), &turned);
    }
    let found = problems(Category::load(root.path(), "turned").unwrap_err());
    assert_eq!(
        found,
        [
            "ground_truth/dent/001_mask.png is 32 x 20, its image 20 x 32 (turned by EXIF orientation 6)"
        ]
    );
    // A mask with the orientation of its image fits as well.
    let mask = with_chunk(&mask(32, 20), b"eXIf", &exif(8), false);
    write(thing.join("ground_truth/dent/001_mask.png"), &mask);
    let category = Category::load(root.path(), "turned").unwrap();
    let message = category.test[1]
        .truth(ImageSize::new(32, 20))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("20 x 32 (turned by EXIF orientation 8)"),
        "{message}"
    );
    assert_eq!(
        category.test[1]
            .truth(ImageSize::new(20, 32))
            .unwrap()
            .unwrap()
            .len(),
        640
    );
}

/// Masks of every depth, after the way through a file.
#[test]
fn masks_are_read_from_files() {
    let root = folder();
    let expected: Vec<bool> = disc().pixels().map(|p| p.0[0] > 0).collect();
    let grey = DynamicImage::from(disc());
    let ones = DynamicImage::from(GrayImage::from_fn(32, 32, |x, y| {
        Luma([disc().get_pixel(x, y).0[0] / 255])
    }));
    let deep = DynamicImage::ImageLuma16(ones.to_luma8().enumerate_pixels().fold(
        image::ImageBuffer::new(32, 32),
        |mut deep, (x, y, p)| {
            deep.put_pixel(x, y, Luma([u16::from(p.0[0])]));
            deep
        },
    ));
    let small =
        DynamicImage::from(disc()).resize_exact(128, 128, image::imageops::FilterType::Nearest);
    let small = small.resize_exact(32, 32, image::imageops::FilterType::Triangle);
    let masks = [
        ("m/000.png", encode(&grey, ImageFormat::Png)),
        ("m/001.png", encode(&ones, ImageFormat::Png)),
        ("m/002.png", encode(&deep, ImageFormat::Png)),
        (
            "m/003.bmp",
            encode(&grey.to_rgb8().into(), ImageFormat::Bmp),
        ),
        ("m/004.tif", encode(&grey, ImageFormat::Tiff)),
        (
            "m/005.webp",
            encode(&grey.to_rgb8().into(), ImageFormat::WebP),
        ),
        ("m/006.jpg", encode(&grey, ImageFormat::Jpeg)),
        ("m/007.png", encode(&small, ImageFormat::Png)),
        (
            "m/008.tiff",
            encode(&grey.to_rgb32f().into(), ImageFormat::Tiff),
        ),
    ];
    category(root.path(), "masks", &masks);
    let category = Category::load(root.path(), "masks").unwrap();
    category.check(&|| ()).unwrap();
    for test in category.test.iter().filter(|test| test.is_anomalous()) {
        assert_eq!(
            test.truth(ImageSize::new(32, 32)).unwrap().unwrap(),
            expected,
            "{}",
            test.path.display()
        );
    }
    let warned = warnings("masks: ");
    assert!(
        warned.len() == 1 && warned[0].contains("2 of 9"),
        "{warned:?}"
    );

    let thing = root.path().join("masks");
    write(
        thing.join("ground_truth/m/006_mask.jpg"),
        &encode(&ones, ImageFormat::Jpeg),
    );
    let found = problems(category.check(&|| ()).unwrap_err());
    assert!(
        found.len() == 1 && found[0].contains("006_mask.jpg: the mask has small values"),
        "{found:?}"
    );
}
