//! Damaged image files, masks and maps: none makes a panic, a large allocation or an image with
//! missing pixels. The seed is fixed.

mod files;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use files::jpeg::{self, Kind};
use files::{Page, encode, exif, tiff, webp_with_exif, with_chunk};
use hypad::data::image::{open, size};
use hypad::data::{GroundTruth, TestImage};
use hypad::{ImageSize, ScoreMap};
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Remembers the largest allocation of a thread.
struct Largest;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Largest = Largest;

/// Mutations of each file.
const CASES: usize = 300;

/// The largest allocation that a file may ask for: 64 KiB for each of its bytes, as the most
/// compressed ones need, and the 256 MiB to which the TIFF decoder limits a tag. Lossless WebP can
/// hold an image of one colour of any size in a few bytes.
fn most(file: &[u8]) -> usize {
    match file.get(8..12) == Some(b"WEBP") {
        true => 1100 << 20,
        false => (file.len() << 16) + (260 << 20),
    }
}

/// One file of each kind.
fn originals() -> Vec<(&'static str, Vec<u8>)> {
    let colours = ImageBuffer::from_fn(13, 11, |x, y| {
        Rgb([(19 * x) as u8, (22 * y) as u8, (x * y) as u8])
    });
    let colours = DynamicImage::from(colours);
    let grey = DynamicImage::from(colours.to_luma8());
    let png = encode(&colours, ImageFormat::Png);
    let webp = encode(&colours, ImageFormat::WebP);
    let kind = |progressive, restart, components| Kind {
        progressive,
        restart,
        components,
    };
    let floats: Vec<u8> = (0..12)
        .flat_map(|v| (v as f32 / 7.0).to_le_bytes())
        .collect();
    let mut palette = Page::new([4, 2], 8, 1, vec![0, 1, 2, 3, 3, 2, 1, 0]);
    palette.photometric = 3;
    palette.more.push((320, (0..768).map(|v| v * 85).collect()));
    palette.more.push((274, vec![5]));
    let mut reduced = Page::new([1, 1], 8, 1, vec![9]);
    reduced.more.push((254, vec![1]));
    vec![
        ("PNG of 8 bits", png.clone()),
        ("PNG with EXIF", with_chunk(&png, b"eXIf", &exif(6), false)),
        (
            "PNG of 16 bits",
            encode(&grey.to_luma16().into(), ImageFormat::Png),
        ),
        (
            "PNG with alpha",
            encode(&colours.to_rgba8().into(), ImageFormat::Png),
        ),
        ("PNG of grey", encode(&grey, ImageFormat::Png)),
        ("JPEG by an encoder", encode(&colours, ImageFormat::Jpeg)),
        (
            "JPEG with EXIF",
            jpeg::with_exif(&encode(&grey, ImageFormat::Jpeg), &exif(8)),
        ),
        ("JPEG, baseline", jpeg::file(kind(false, 0, 3), 2, 2)),
        ("JPEG, restarts", jpeg::file(kind(false, 2, 1), 3, 2)),
        ("JPEG, progressive", jpeg::file(kind(true, 0, 3), 2, 1)),
        (
            "JPEG, progressive, restarts",
            jpeg::file(kind(true, 2, 1), 3, 2),
        ),
        ("BMP", encode(&colours, ImageFormat::Bmp)),
        ("TIFF", encode(&colours, ImageFormat::Tiff)),
        (
            "TIFF of 16 bits",
            encode(&grey.to_luma16().into(), ImageFormat::Tiff),
        ),
        (
            "TIFF of floats",
            tiff(&[Page::new([4, 3], 32, 3, floats), reduced]),
        ),
        ("TIFF with a palette", tiff(&[palette])),
        ("WebP", webp.clone()),
        ("WebP with EXIF", webp_with_exif(&webp, [13, 11], &exif(3))),
    ]
}

/// Changes some bits or bytes, removes or inserts some, or joins the file with another one.
fn mutate(file: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut file = file.to_vec();
    // Most of what matters is at the beginning.
    let place = |file: &[u8], rng: &mut StdRng| match rng.random_bool(0.5) {
        true => rng.random_range(0..file.len().min(64)),
        false => rng.random_range(0..file.len()),
    };
    for _ in 0..rng.random_range(1..4) {
        if file.is_empty() {
            break;
        }
        let at = place(&file, rng);
        match rng.random_range(0..7) {
            0 | 1 => file[at] ^= 1 << rng.random_range(0..8),
            2 => file[at] = rng.random(),
            3 => {
                file[at] = *[0, 1, 0x7f, 0x80, 0xfe, 0xff]
                    .get(rng.random_range(0..6))
                    .unwrap()
            }
            4 => {
                let end = (at + rng.random_range(1..9)).min(file.len());
                file.drain(at..end);
            }
            5 => {
                let more: Vec<u8> = (0..rng.random_range(1..9)).map(|_| rng.random()).collect();
                file.splice(at..at, more);
            }
            _ => {
                let from = rng.random_range(0..other.len());
                file.truncate(at);
                file.extend(&other[from..]);
            }
        }
    }
    file
}

/// Reads a file as image, mask and map.
fn read(path: &Path, file: &[u8], what: &str) -> Option<DynamicImage> {
    std::fs::write(path, file).unwrap();
    LARGEST.set(0);
    let (image, found) = (open(path).ok(), size(path).ok());
    let largest = LARGEST.get();
    assert!(largest < most(file), "{what}: {largest} bytes asked for");
    if let Some(image) = &image {
        assert_eq!(found, Some(ImageSize::of(image)), "{what}");
    }
    let path = path.to_path_buf();
    let masks = GroundTruth::Masks(vec![path.clone()]);
    let test = TestImage::new(path.clone(), "dent", masks);
    let size = found.unwrap_or(ImageSize::square(1));
    if let Ok(truth) = test.truth(size) {
        assert_eq!(truth.unwrap().len(), size.area(), "{what}");
    }
    if let Ok(map) = ScoreMap::read_tiff(&path) {
        assert_eq!(map.len(), map.size().area(), "{what}");
        assert!(map.iter().all(|value| value.is_finite()), "{what}");
    }
    image
}

/// A third of the kinds, so that the parts of the test run side by side.
fn mutations(part: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mutated.png");
    let originals = originals();
    for (index, (name, file)) in originals.iter().enumerate().filter(|(i, _)| i % 3 == part) {
        read(&path, file, name).unwrap();
        let mut rng = StdRng::seed_from_u64(1000 + index as u64);
        for case in 0..CASES {
            let (_, from) = &originals[rng.random_range(0..originals.len())];
            let mutated = mutate(file, from, &mut rng);
            read(&path, &mutated, &format!("{name}, case {case}"));
        }
    }
}

#[test]
fn mutated_files_1() {
    mutations(0);
}

#[test]
fn mutated_files_2() {
    mutations(1);
}

#[test]
fn mutated_files_3() {
    mutations(2);
}

/// The beginning of a file is never taken for all of it.
#[test]
fn beginnings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.png");
    for (name, file) in originals() {
        let whole = read(&path, &file, name).unwrap();
        for length in 0..file.len() {
            if let Some(image) = read(&path, &file[..length], name) {
                assert_eq!(image, whole, "{name}: {length} of {}", file.len());
            }
        }
    }
}

/// As a damaged disk leaves them: a part of zeros, or of another file.
#[test]
fn blocks_that_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lost.png");
    let picture = ImageBuffer::from_fn(96, 64, |x, y| {
        Rgb([(2 * x) as u8, (3 * y) as u8, (x * y) as u8])
    });
    let picture = DynamicImage::from(picture);
    // JPEG has no checksum: by chance as many blocks are there without some of the data.
    for (format, most) in [(ImageFormat::Png, 0), (ImageFormat::Jpeg, 50)] {
        let file = encode(&picture, format);
        let mut rng = StdRng::seed_from_u64(5);
        let mut accepted = 0;
        for _ in 0..100 {
            let mut file = file.clone();
            let at = rng.random_range(file.len() / 2..file.len() - 40);
            let end = (at + 30).min(file.len());
            file[at..end].fill(0);
            std::fs::write(&path, &file).unwrap();
            accepted += usize::from(open(&path).is_ok());
        }
        assert!(accepted <= most, "{format:?}: {accepted} of 100");
    }
}
