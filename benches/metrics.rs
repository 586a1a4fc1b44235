//! All pixel metrics of a data set from scratch, images in memory.
//!
//! The folder that `HYPAD_METRICS_DATA` names holds `<case>_scores.npy` (f32) and `<case>_masks.npy`
//! (u8), both `[images, height, width]`; without it, maps are made here: smooth noise, and a fifth
//! of the images with a bright disk.

mod memory;

use std::path::{Path, PathBuf};

use criterion::{Criterion, criterion_group, criterion_main};
use hypad::metrics::{Connectivity, PixelImage, PixelRanking};
use memory::peak;
use rand::{Rng, SeedableRng, rngs::StdRng};

struct Data {
    name: String,
    size: [usize; 2],
    scores: Vec<f32>,
    masks: Vec<u8>,
}

fn read<T: npyz::Deserialize>(path: &Path) -> (Vec<u64>, Vec<T>) {
    let bytes = std::fs::read(path).expect("a file of the data folder");
    let array = npyz::NpyFile::new(&bytes[..]).expect("an npy file");
    (array.shape().to_vec(), array.into_vec().expect("its type"))
}

fn stored(folder: &Path) -> Vec<Data> {
    let files = std::fs::read_dir(folder).expect("the data folder");
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.strip_suffix("_scores.npy")?.to_string()))
        .collect();
    names.sort();
    let load = |name: String| {
        let (shape, scores) = read(&folder.join(format!("{name}_scores.npy")));
        let (_, masks) = read(&folder.join(format!("{name}_masks.npy")));
        let size = [shape[2] as usize, shape[1] as usize];
        Data {
            name,
            size,
            scores,
            masks,
        }
    };
    names.into_iter().map(load).collect()
}

fn made(images: usize, side: usize) -> Data {
    let mut random = StdRng::seed_from_u64(1);
    let (mut scores, mut masks) = (Vec::new(), Vec::new());
    for image in 0..images {
        let [fx, fy, phase] = [0.05, 0.05, 6.0].map(|scale| scale * random.random::<f32>());
        let [x, y] = [0; 2].map(|_| random.random_range(0..side) as f32);
        let radius = side as f32 / 16.0;
        for at in 0..side * side {
            let (u, v) = ((at % side) as f32, (at / side) as f32);
            let inside = image % 5 == 0 && (u - x).hypot(v - y) < radius;
            let base = (fx * u + phase).sin() + (fy * v).cos() + random.random::<f32>();
            scores.push(base + if inside { 1.5 } else { 0.0 });
            masks.push(u8::from(inside));
        }
    }
    Data {
        name: format!("made_{images}x{side}"),
        size: [side, side],
        scores,
        masks,
    }
}

fn count(data: &Data, threads: usize) -> hypad::Result<PixelRanking> {
    let [width, height] = data.size;
    let maps = data.scores.chunks(width * height);
    let images: Vec<_> = maps
        .zip(data.masks.chunks(width * height))
        .map(|(map, mask)| PixelImage::new(map, mask, width, height))
        .collect::<Result<_, _>>()?;
    PixelRanking::of(&images, Connectivity::Eight, threads)
}

fn all_metrics(data: &Data, threads: usize) -> hypad::Result<[f64; 7]> {
    let found = count(data, threads)?;
    let pixels = found.pixels();
    Ok([
        pixels.auroc()?,
        pixels.average_precision()?,
        pixels.aupr()?,
        pixels.f1_max()?.value,
        pixels.iou_max()?.value,
        found.aupro(0.3)?,
        found.aupro(0.05)?,
    ])
}

fn pixel_metrics(criterion: &mut Criterion) {
    let data = match std::env::var_os("HYPAD_METRICS_DATA") {
        Some(folder) => stored(&PathBuf::from(folder)),
        None => vec![made(83, 256), made(40, 900)],
    };
    for data in &data {
        let mut group = criterion.benchmark_group(&data.name);
        group.sample_size(10);
        for threads in [1, 2] {
            let above = peak(|| all_metrics(data, threads).expect("both classes"));
            let above = above as f64 / f64::from(1 << 20);
            println!(
                "{}, {threads} threads: {above:.1} MiB above the input",
                data.name
            );
            group.bench_function(format!("all pixel metrics, {threads} threads"), |bencher| {
                bencher.iter(|| all_metrics(data, threads))
            });
            group.bench_function(format!("AUPRO alone, {threads} threads"), |bencher| {
                bencher.iter(|| count(data, threads)?.aupro(0.3))
            });
        }
        group.finish();
    }
}

criterion_group!(benches, pixel_metrics);
criterion_main!(benches);
