//! Image files and maps are read whole, upright and in their depth, or refused by name.

mod files;

use std::path::PathBuf;

use files::jpeg::{self, Kind};
use files::{Page, encode, exif, tiff, webp_with_exif, with_chunk};
use hypad::data::ImageSet;
use hypad::data::image::{MAX_PIXELS, PixelRange, open, size, unit};
use hypad::{Error, ImageSize, ScoreMap};
use image::{DynamicImage, GenericImageView, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb};

/// A folder for files that are read at once.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("file.bin")
    }

    fn open(&self, bytes: &[u8]) -> hypad::Result<DynamicImage> {
        std::fs::write(self.path(), bytes).unwrap();
        let image = open(self.path());
        if let Ok(image) = &image {
            assert_eq!(size(self.path()).unwrap(), ImageSize::of(image));
        }
        image
    }

    /// The message of the error, which must name the file.
    fn refusal(&self, bytes: &[u8]) -> String {
        let error = self.open(bytes).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("file.bin"), "{message}");
        message
    }

    /// Every part of the file from its beginning is refused.
    fn refuses_cuts(&self, bytes: &[u8], what: &str) {
        self.open(bytes).unwrap();
        let file = std::fs::File::options().write(true).open(self.path());
        let file = file.unwrap();
        for length in (0..bytes.len()).rev() {
            file.set_len(length as u64).unwrap();
            assert!(
                open(self.path()).is_err(),
                "{what}: {length} of {}",
                bytes.len()
            );
        }
    }

    fn map(&self, bytes: &[u8]) -> hypad::Result<ScoreMap> {
        std::fs::write(self.path(), bytes).unwrap();
        ScoreMap::read_tiff(self.path())
    }
}

/// 32 × 16 pixels, four areas of one grey each.
fn quarters() -> GrayImage {
    GrayImage::from_fn(32, 16, |x, y| {
        Luma([40 + 70 * (x / 16) as u8 + 120 * (y / 8) as u8])
    })
}

/// The place of an upright pixel in the stored image. EXIF 2.32, tag 274.
fn stored(orientation: u8, [width, height]: [u32; 2], x: u32, y: u32) -> (u32, u32) {
    match orientation {
        2 => (width - 1 - x, y),
        3 => (width - 1 - x, height - 1 - y),
        4 => (x, height - 1 - y),
        5 => (y, x),
        6 => (y, height - 1 - x),
        7 => (width - 1 - y, height - 1 - x),
        8 => (width - 1 - y, x),
        _ => (x, y),
    }
}

#[test]
fn images_are_turned_upright() {
    let folder = Folder::new();
    let image = quarters();
    let dynamic = DynamicImage::from(image.clone());
    let [jpg, png, bmp] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp]
        .map(|format| encode(&dynamic, format));
    let webp = encode(&dynamic.to_rgb8().into(), ImageFormat::WebP);
    for orientation in 0..=9 {
        let tag = exif(orientation);
        let mut page = Page::new([32, 16], 8, 1, image.to_vec());
        page.more.push((274, vec![orientation.into()]));
        let turned = [
            jpeg::with_exif(&jpg, &tag),
            with_chunk(&png, b"eXIf", &tag, false),
            with_chunk(&png, b"eXIf", &tag, true),
            webp_with_exif(&webp, [32, 16], &tag),
            tiff(&[page]),
        ];
        let swapped = (5..=8).contains(&orientation);
        for (index, file) in turned.iter().enumerate() {
            let upright = folder.open(file).unwrap().to_luma8();
            let expected = if swapped { (16, 32) } else { (32, 16) };
            assert_eq!(upright.dimensions(), expected, "{orientation} {index}");
            for (x, y, pixel) in upright.enumerate_pixels() {
                let (x, y) = stored(orientation, [32, 16], x, y);
                let difference = image.get_pixel(x, y).0[0].abs_diff(pixel.0[0]);
                assert!(difference <= 2, "{orientation} {index} {x} {y}");
            }
        }
    }
    for file in [jpg, png, bmp, webp] {
        assert_eq!(folder.open(&file).unwrap().dimensions(), (32, 16));
    }
    // The two of one turn agree through a set, too.
    std::fs::write(
        folder.0.path().join("turned.png"),
        with_chunk(
            &encode(&dynamic, ImageFormat::Png),
            b"eXIf",
            &exif(6),
            false,
        ),
    )
    .unwrap();
    let set = ImageSet::from_files([folder.0.path().join("turned.png")]);
    assert_eq!(set.decode(0).unwrap().dimensions(), (16, 32));
}

fn kinds() -> impl Iterator<Item = Kind> {
    let kind = |index: usize| Kind {
        progressive: index & 1 == 1,
        restart: [0, 1][index / 2 % 2],
        components: [1, 3][index / 4],
    };
    (0..8).map(kind)
}

#[test]
fn cut_jpegs_are_refused() {
    let folder = Folder::new();
    for kind in kinds() {
        let file = jpeg::file(kind, 2, 2);
        let whole = folder.open(&file).unwrap();
        let baseline = Kind {
            progressive: false,
            restart: 0,
            ..kind
        };
        assert_eq!(
            whole,
            folder.open(&jpeg::file(baseline, 2, 2)).unwrap(),
            "{kind:?}"
        );
        folder.refuses_cuts(&file, &format!("{kind:?}"));
        // With an end marker after the cut, as a camera might set it.
        let scan = file
            .windows(2)
            .position(|pair| pair == [0xff, 0xda])
            .unwrap();
        for length in (scan + 14..file.len() - 3).step_by(3) {
            let end = [&file[..length], &[0xff, 0xd9]].concat();
            assert!(
                folder.open(&end).is_err(),
                "{kind:?}: {length} of {}",
                file.len()
            );
        }
        let more = [&file, &[0x5a; 1000][..]].concat();
        assert_eq!(folder.open(&more).unwrap(), whole);
    }
    let picture = DynamicImage::from(ImageBuffer::from_fn(50, 37, |x, y| {
        Rgb([(5 * x) as u8, (6 * y) as u8, (x * y) as u8])
    }));
    let file = encode(&picture, ImageFormat::Jpeg);
    folder.refuses_cuts(&file, "encoded");
    // The whole picture of a thumbnail does not stand in for that of the file.
    let mut preview = exif(1);
    preview.extend(encode(&quarters().into(), ImageFormat::Jpeg));
    let with_preview = jpeg::with_exif(&file, &preview);
    assert_eq!(
        folder.open(&with_preview).unwrap(),
        folder.open(&file).unwrap()
    );
    folder.refuses_cuts(&with_preview, "with a thumbnail");
}

#[test]
fn damaged_jpegs_say_where() {
    let folder = Folder::new();
    let kind = Kind {
        progressive: false,
        restart: 0,
        components: 1,
    };
    let file = jpeg::file(kind, 8, 8);
    let cut = [&file[..file.len() * 3 / 4], &[0xff, 0xd9]].concat();
    let message = folder.refusal(&cut);
    assert!(
        message.contains("image ends after") && message.contains('%'),
        "{message}"
    );
    let more = [&file[..file.len() - 2], &[0x12, 0x34, 0xff, 0xd9]].concat();
    assert!(folder.refusal(&more).contains("left over"));
    // Padding is no damage.
    let padded = [&file[..file.len() - 2], &[0, 0, 0xff, 0xff, 0xd9]].concat();
    assert_eq!(folder.open(&padded).unwrap(), folder.open(&file).unwrap());
    // A progressive file whose last scans are missing.
    let progressive = Kind {
        progressive: true,
        ..kind
    };
    let file = jpeg::file(progressive, 4, 4);
    let scans: Vec<usize> = (0..file.len() - 1)
        .filter(|at| file[*at..at + 2] == [0xff, 0xda])
        .collect();
    for start in &scans[1..] {
        let fewer = [&file[..*start], &[0xff, 0xd9]].concat();
        assert!(folder.refusal(&fewer).contains("before all of its image"));
    }
}

#[test]
fn cuts_of_other_formats_are_refused() {
    let folder = Folder::new();
    let colours = ImageBuffer::from_fn(13, 9, |x, y| Rgb([(19 * x) as u8, (28 * y) as u8, 77]));
    let colours = DynamicImage::from(colours);
    for format in [
        ImageFormat::Png,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        folder.refuses_cuts(&encode(&colours, format), &format!("{format:?}"));
    }
    for image in [
        colours.to_luma8().into(),
        colours.to_luma16().into(),
        colours.to_rgba8().into(),
    ] {
        let image: DynamicImage = image;
        folder.refuses_cuts(&encode(&image, ImageFormat::Png), "other PNG");
    }
    let floats = encode(&colours.to_rgb32f().into(), ImageFormat::Tiff);
    folder.refuses_cuts(&floats, "float TIFF");
    let page = Page::new([13, 9], 8, 1, colours.to_luma8().to_vec());
    folder.refuses_cuts(&tiff(&[page]), "TIFF");
    for (bytes, reason) in [
        (&b""[..], "empty"),
        (b"not an image at all", "not an image"),
        (b"GIF89a\x01\0\x01\0\0\0\0", "Gif"),
    ] {
        assert!(folder.refusal(bytes).contains(reason));
    }
    let animation = with_chunk(
        &encode(&colours, ImageFormat::Png),
        b"acTL",
        &[0, 0, 0, 3, 0, 0, 0, 0],
        false,
    );
    assert!(folder.refusal(&animation).contains("3 frames"));
}

#[test]
fn tiff_floats_palettes_and_pages() {
    let folder = Folder::new();
    let range = PixelRange::default();
    let values: Vec<f32> = (0..12).map(|v| v as f32 / 16.0).collect();
    let f32s = Page::new(
        [4, 3],
        32,
        3,
        values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    );
    let f64s = values
        .iter()
        .flat_map(|v| f64::from(*v).to_le_bytes())
        .collect();
    let f16s = values.iter().flat_map(|v| half(*v).to_le_bytes()).collect();
    let grey: Vec<f32> = values.iter().flat_map(|v| [*v; 3]).collect();
    for page in [
        f32s.clone(),
        Page::new([4, 3], 64, 3, f64s),
        Page::new([4, 3], 16, 3, f16s),
    ] {
        let image = folder.open(&tiff(std::slice::from_ref(&page))).unwrap();
        assert_eq!(unit(&image, &range), grey);
        let map = folder.map(&tiff(&[page])).unwrap();
        assert_eq!(
            map,
            ScoreMap::new(values.clone(), ImageSize::new(4, 3)).unwrap()
        );
    }
    let mut rgb = Page::new(
        [2, 2],
        64,
        3,
        values
            .iter()
            .flat_map(|v| f64::from(*v).to_le_bytes())
            .collect(),
    );
    (rgb.samples, rgb.photometric) = (3, 2);
    assert_eq!(
        unit(&folder.open(&tiff(&[rgb.clone()])).unwrap(), &range),
        values
    );
    assert!(
        folder
            .map(&tiff(&[rgb]))
            .unwrap_err()
            .to_string()
            .contains("one plane")
    );

    let mut palette = Page::new([4, 2], 8, 1, vec![0, 1, 2, 3, 3, 2, 1, 0]);
    palette.photometric = 3;
    let mut colours = vec![0; 768];
    for (index, [r, g, b]) in [[0, 0, 0], [255, 0, 0], [10, 200, 30], [1, 2, 3]]
        .into_iter()
        .enumerate()
    {
        (colours[index], colours[256 + index], colours[512 + index]) = (257 * r, 257 * g, 257 * b);
    }
    palette.more.push((320, colours));
    let image = folder.open(&tiff(&[palette])).unwrap().to_rgb8();
    assert_eq!(image.get_pixel(1, 0).0, [255, 0, 0]);
    assert_eq!(image.get_pixel(1, 1).0, [10, 200, 30]);
    assert_eq!(image.get_pixel(3, 0).0, [1, 2, 3]);
    // 1 bit: two rows of 10 pixels, each with bytes of its own.
    let mut bits = Page::new(
        [10, 2],
        1,
        1,
        vec![0b1000_0001, 0b0100_0000, 0, 0b1000_0000],
    );
    bits.photometric = 3;
    bits.more.push((320, vec![0, 65535, 256, 65535, 0, 256]));
    let image = folder.open(&tiff(&[bits])).unwrap().to_rgb8();
    let light = image
        .enumerate_pixels()
        .filter(|(_, _, p)| p.0[0] == 255)
        .map(|(x, y, _)| (x, y));
    assert_eq!(light.collect::<Vec<_>>(), [(0, 0), (7, 0), (9, 0), (8, 1)]);
    assert_eq!(image.get_pixel(1, 0).0, [0, 1, 0]);

    let nibbles = Page::new([3, 1], 4, 1, vec![0x0f, 0x80]);
    assert_eq!(
        folder.open(&tiff(&[nibbles])).unwrap().to_luma8().as_raw(),
        &[0, 255, 136]
    );
    let mut alpha = Page::new([2, 1], 8, 1, vec![10, 0, 20, 255]);
    alpha.samples = 2;
    alpha.more.push((338, vec![2]));
    assert_eq!(
        folder
            .open(&tiff(&[alpha]))
            .unwrap()
            .to_luma_alpha8()
            .as_raw(),
        &[10, 0, 20, 255]
    );

    let two = tiff(&[f32s.clone(), f32s.clone()]);
    assert!(folder.refusal(&two).contains("2 pages"));
    assert!(
        folder
            .map(&two)
            .unwrap_err()
            .to_string()
            .contains("2 pages")
    );
    // A strip that is longer than what is left of the file.
    let mut longer = tiff(std::slice::from_ref(&f32s));
    let entry = [0x17, 1, 4, 0, 1, 0, 0, 0, 48, 0];
    let at = longer.windows(10).position(|bytes| bytes == entry).unwrap();
    longer[at + 9] = 8;
    assert!(folder.refusal(&longer).contains("beyond its end"));

    let mut reduced = Page::new([1, 1], 8, 1, vec![9]);
    reduced.more.push((254, vec![1]));
    assert_eq!(
        unit(&folder.open(&tiff(&[f32s, reduced])).unwrap(), &range),
        grey
    );

    for (bits, format, reason) in [
        (32, 1, "unsigned integers"),
        (16, 2, "signed integers"),
        (8, 2, "signed"),
    ] {
        let page = Page::new([2, 1], bits, format, vec![1; usize::from(bits) / 4]);
        let message = folder.refusal(&tiff(&[page]));
        assert!(message.contains(reason), "{message}");
    }
}

/// The 16-bit float of a value that has one.
fn half(value: f32) -> u16 {
    if value == 0.0 {
        return 0;
    }
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 255) as i32 - 127 + 15;
    (bits >> 16 & 0x8000) as u16 | (exponent as u16) << 10 | (bits >> 13 & 1023) as u16
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let folder = Folder::new();
    for (value, reason) in [
        (f32::NAN, "of its values are NaN or infinite"),
        (f32::INFINITY, "NaN or infinite"),
        (f32::NEG_INFINITY, "NaN or infinite"),
        (-0.25, "least value is -0.25"),
    ] {
        let values = [0.1, value, 0.3, 0.4];
        let page = Page::new(
            [2, 2],
            32,
            3,
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        );
        let file = tiff(&[page]);
        assert!(folder.refusal(&file).contains(reason));
        match value.is_finite() {
            true => assert_eq!(folder.map(&file).unwrap().into_values(), values),
            false => {
                let message = folder.map(&file).unwrap_err().to_string();
                assert!(message.contains("file.bin") && message.contains("NaN or infinite"));
            }
        }
        let memory = ImageBuffer::from_pixel(2, 2, Rgb([0.5, value, 0.5]));
        let set = ImageSet::from_images([DynamicImage::ImageRgb32F(memory)]);
        assert!(set.decode(0).is_err() && set.check(&|| ()).is_err());
    }
    let infinite = Page::new([1, 1], 16, 3, vec![0, 0x7c]);
    assert!(folder.map(&tiff(&[infinite])).is_err());
}

#[test]
fn depth_is_kept_up_to_the_values() {
    let folder = Folder::new();
    let deep = ImageBuffer::from_fn(64, 2, |x, y| Luma([(x * 51 + y * 7) as u16]));
    let file = encode(&DynamicImage::ImageLuma16(deep.clone()), ImageFormat::Png);
    std::fs::write(folder.path(), file).unwrap();
    let set = ImageSet::from_files([folder.path()]);
    let range = PixelRange {
        white_16bit: 4095,
        ..PixelRange::default()
    };
    let image = set.decode(0).unwrap();
    let resized = |width| hypad::data::image::resize(&image, ImageSize::new(width, 2)).unwrap();
    let values = unit(&resized(64), &range);
    let expected = deep.pixels().flat_map(|p| [f32::from(p.0[0]) / 4095.0; 3]);
    assert!(values.iter().copied().eq(expected));
    // A resize keeps more levels than 8 bits have.
    let small = resized(40);
    let mut levels: Vec<u16> = small.to_luma16().to_vec();
    levels.sort();
    levels.dedup();
    assert!(levels.len() > 70, "{} levels", levels.len());
    let floats = DynamicImage::from(deep).to_rgb32f();
    let small = hypad::data::image::resize(&floats.clone().into(), ImageSize::new(64, 1)).unwrap();
    let mean = |x| (floats.get_pixel(x, 0).0[0] + floats.get_pixel(x, 1).0[0]) / 2.0;
    for (x, value) in small.to_rgb32f().pixels().enumerate() {
        assert!((value.0[0] - mean(x as u32)).abs() < 1e-7);
    }
}

#[test]
fn too_many_pixels_are_refused_by_the_header() {
    let folder = Folder::new();
    let mut png = encode(&DynamicImage::new_luma8(1, 1), ImageFormat::Png);
    let mut resized = |width: u32, height: u32| {
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = files::crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        png.clone()
    };
    let message = folder.refusal(&resized(16001, 16000));
    assert!(
        message.contains("16001 x 16000") && message.contains("256 megapixels"),
        "{message}"
    );
    assert!(size(folder.path()).is_err());
    // As many as allowed, but not in so few bytes.
    assert!(
        folder
            .refusal(&resized(16000, 16000))
            .contains("cannot hold")
    );
    assert_eq!(size(folder.path()).unwrap(), ImageSize::square(16000));
    assert!(u64::from(16000_u32) * 12000 <= MAX_PIXELS);
}

#[test]
fn the_largest_images_are_read() {
    let folder = Folder::new();
    let mut pixels = vec![0; 2000 * 12000];
    *pixels.last_mut().unwrap() = 1;
    let file = tiff(&[Page::new([16000, 12000], 1, 1, pixels)]);
    let read = folder.open(&file).unwrap();
    assert_eq!(read.dimensions(), (16000, 12000));
    assert_eq!(read.get_pixel(15999, 11999).0, [255; 4]);
    assert_eq!(read.get_pixel(15998, 11999).0, [0, 0, 0, 255]);
}
