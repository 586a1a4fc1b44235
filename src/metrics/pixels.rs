//! Pixels of many images, counted without keeping them.
//!
//! There are three ways to the same [`PixelRanking`], and the same numbers:
//!
//! - [`PixelRanking::of`], where all images are in memory;
//! - [`AnomalousPixels`] and then [`NormalPixels`], where every image can be shown twice: memory for
//!   the anomalous pixels only, however many images there are;
//! - [`PixelMetrics`], where every image is shown once: four bytes more for each normal pixel.

use std::sync::Arc;

use super::levels::{Counts, sortable_bits};
use super::pro::PixelRanking;
use super::ranking::{Ranking, distinct, reject_nan};
use super::regions::{Connectivity, regions};
use crate::error::{Error, Result};

/// A pixel of a mask: `true`, or any number but 0, is anomalous.
pub trait MaskPixel: Copy + Sync {
    /// Whether the pixel is anomalous.
    fn is_anomalous(self) -> bool;
}

impl MaskPixel for bool {
    fn is_anomalous(self) -> bool {
        self
    }
}

impl MaskPixel for u8 {
    fn is_anomalous(self) -> bool {
        self != 0
    }
}

/// The scores and the truth of an image's pixels, row by row.
#[derive(Clone, Copy, Debug)]
pub struct PixelImage<'a, M = bool> {
    map: &'a [f32],
    mask: &'a [M],
    size: [usize; 2],
}

impl<'a, M: MaskPixel> PixelImage<'a, M> {
    /// An image of `width` × `height` pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless `map` and `mask` hold `width` × `height` values, and
    /// [`Error::NanScore`]. Infinite scores are ordered like any other.
    pub fn new(map: &'a [f32], mask: &'a [M], width: usize, height: usize) -> Result<Self> {
        for (what, found) in [
            ("pixels of the map", map.len()),
            ("pixels of the mask", mask.len()),
        ] {
            if width.checked_mul(height) != Some(found) {
                return Err(Error::Size {
                    what,
                    expected: format!("{width} x {height}"),
                    found: found.to_string(),
                });
            }
        }
        reject_nan(map)?;
        let size = [width, height];
        Ok(Self { map, mask, size })
    }

    /// The scores of pixels that are normal.
    pub(super) fn normal(&self) -> impl Iterator<Item = f32> + use<'a, M> {
        let pixels = self.map.iter().zip(self.mask);
        let normal = pixels.filter(|(_, truth)| !truth.is_anomalous());
        normal.map(|(score, _)| *score)
    }

    /// The scores of those that are not.
    pub(super) fn anomalous(&self) -> impl Iterator<Item = f32> + use<'a, M> {
        let pixels = self.map.iter().zip(self.mask);
        let anomalous = pixels.filter(|(_, truth)| truth.is_anomalous());
        anomalous.map(|(score, _)| *score)
    }

    fn is_normal(&self) -> bool {
        !self.mask.iter().any(|truth| truth.is_anomalous())
    }
}

/// A connected region of the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Region {
    /// Number of its image, in the order in which they were added.
    pub image: usize,
    /// Pixels.
    pub area: u64,
    /// Its highest score.
    pub score: f32,
    /// The smallest rectangle around it: x and y of the first pixel, width, height.
    pub bounds: [usize; 4],
}

impl Region {
    fn new(image: usize, pixels: &[usize], map: &[f32], width: usize) -> Self {
        let range = |part: &dyn Fn(usize) -> usize| {
            let parts = || pixels.iter().map(|at| part(*at));
            let (first, last) = (parts().min().unwrap_or(0), parts().max().unwrap_or(0));
            [first, last - first + 1]
        };
        let [[x, columns], [y, rows]] = [range(&|at| at % width), range(&|at| at / width)];
        let scores = pixels.iter().map(|at| map[*at]);
        Self {
            image,
            area: pixels.len() as u64,
            score: scores.fold(f32::NEG_INFINITY, f32::max),
            bounds: [x, y, columns, rows],
        }
    }
}

/// The anomalous pixels of all images: the first of two passes.
///
/// # Example
///
/// ```
/// use hypad::metrics::{AnomalousPixels, PixelImage};
///
/// let images = [
///     PixelImage::new(&[0.1, 0.9, 0.2, 0.1], &[0_u8, 255, 0, 0], 2, 2)?,
///     PixelImage::new(&[0.0, 0.3, 0.1, 0.2], &[0; 4], 2, 2)?,
/// ];
/// let mut anomalous = AnomalousPixels::new();
/// images.iter().for_each(|image| anomalous.add(image));
/// let mut normal = anomalous.normal_pixels();
/// images.iter().for_each(|image| normal.add(image));
/// let ranking = normal.finish()?;
/// assert_eq!(ranking.aupro(0.3)?, 1.0);
/// assert_eq!(ranking.pixels().auroc()?, 1.0);
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AnomalousPixels {
    connectivity: Connectivity,
    /// Score and region of each pixel, the score as an integer of its order in the upper half.
    pixels: Vec<u64>,
    regions: Vec<Region>,
    images: usize,
}

impl AnomalousPixels {
    /// Starts with no image; regions are 8-connected.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty, with the given connectivity of regions.
    pub fn with_connectivity(connectivity: Connectivity) -> Self {
        Self {
            connectivity,
            ..Self::default()
        }
    }

    /// Adds an image.
    pub fn add<M: MaskPixel>(&mut self, image: &PixelImage<'_, M>) {
        let number = self.images;
        self.images += 1;
        if image.is_normal() {
            return;
        }
        let anomalous = |at: usize| image.mask[at].is_anomalous();
        for region in regions(anomalous, image.size, self.connectivity) {
            let id = self.regions.len() as u64;
            self.regions
                .push(Region::new(number, &region, image.map, image.size[0]));
            let keys = region
                .iter()
                .map(|at| u64::from(sortable_bits(image.map[*at])) << 32 | id);
            self.pixels.extend(keys);
        }
    }

    /// The keys of the pixels, and the regions; see [`from_parts`](Self::from_parts).
    #[cfg(feature = "anomaly")]
    pub(crate) fn parts(&self) -> (&[u64], &[Region]) {
        (&self.pixels, &self.regions)
    }

    /// From what [`parts`](Self::parts) gave of so many images, each region as image, area, score and bounds.
    /// `None` if a pixel is of no region, an area is not the number of its pixels, or an image or score is
    /// none.
    #[cfg(feature = "anomaly")]
    pub(crate) fn from_parts(
        pixels: Vec<u64>,
        regions: Vec<(usize, u64, f32, [usize; 4])>,
        images: usize,
    ) -> Option<Self> {
        let mut areas = vec![0_u64; regions.len()];
        for key in &pixels {
            *areas.get_mut((key & u64::from(u32::MAX)) as usize)? += 1;
        }
        let region = |((image, area, score, bounds), pixels): (&(_, _, f32, _), &u64)| {
            let holds = *image < images && area == pixels && !score.is_nan();
            holds.then_some(Region {
                image: *image,
                area: *area,
                score: *score,
                bounds: *bounds,
            })
        };
        let regions = regions
            .iter()
            .zip(&areas)
            .map(region)
            .collect::<Option<_>>()?;
        Some(Self {
            connectivity: Connectivity::default(),
            pixels,
            regions,
            images,
        })
    }

    /// Adds what was gathered from other images; theirs are numbered after these.
    pub fn merge(&mut self, other: Self) {
        let id = self.regions.len() as u64;
        let keys = other.pixels.into_iter().map(|key| key + id);
        self.pixels.extend(keys);
        let image = self.images;
        let regions = other.regions.into_iter();
        self.regions.extend(regions.map(|region| Region {
            image: region.image + image,
            ..region
        }));
        self.images += other.images;
    }

    /// Begins the second pass.
    pub fn normal_pixels(mut self) -> NormalPixels {
        self.pixels.sort_unstable();
        let (levels, positives) = distinct(self.pixels.iter().map(|key| (key >> 32) as u32));
        NormalPixels {
            counts: Counts::new(Arc::new(levels)),
            images: 0,
            anomalous: Arc::new(Sorted {
                pixels: self.pixels,
                regions: self.regions,
                images: self.images,
                positives,
            }),
        }
    }
}

/// Result of the first pass.
#[derive(Debug)]
struct Sorted {
    pixels: Vec<u64>,
    regions: Vec<Region>,
    images: usize,
    positives: Vec<u64>,
}

/// Counts of the normal pixels among the anomalous ones: the second of two passes.
///
/// All images are added again, those with defects for the normal pixels that they have as well, in
/// any order. [`empty`](Self::empty) makes one for other images, on another thread, to be merged at
/// the end.
#[derive(Clone, Debug)]
pub struct NormalPixels {
    anomalous: Arc<Sorted>,
    counts: Counts,
    images: usize,
}

impl NormalPixels {
    /// Adds an image.
    pub fn add<M: MaskPixel>(&mut self, image: &PixelImage<'_, M>) {
        self.images += 1;
        let mask = image.mask;
        self.counts.add(image.map, |at| !mask[at].is_anomalous());
    }

    /// Adds an image by the scores of its normal pixels, in any order.
    ///
    /// # Errors
    ///
    /// [`Error::NanScore`](crate::Error); nothing is added then.
    pub fn add_normal(&mut self, scores: &[f32]) -> Result<()> {
        reject_nan(scores)?;
        self.images += 1;
        self.counts.add(scores, |_| true);
        Ok(())
    }

    /// Another count, of no image yet, that can be merged with this one.
    pub fn empty(&self) -> Self {
        Self {
            anomalous: self.anomalous.clone(),
            counts: Counts::new(self.counts.levels().clone()),
            images: 0,
        }
    }

    /// Adds the counts of other images.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] for counts that began with other anomalous pixels.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.counts.merge(&other.counts)?;
        self.images += other.images;
        Ok(())
    }

    /// The counts of all pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] unless both passes have seen as many images.
    pub fn finish(self) -> Result<PixelRanking> {
        let anomalous = self.anomalous;
        if self.images != anomalous.images {
            return Err(Error::Size {
                what: "images of the second pass",
                expected: anomalous.images.to_string(),
                found: self.images.to_string(),
            });
        }
        let ranking = Ranking::from_counts(&anomalous.positives, &self.counts);
        let anomalous = Arc::try_unwrap(anomalous);
        let (pixels, regions) = match anomalous {
            Ok(sorted) => (sorted.pixels, sorted.regions),
            Err(shared) => (shared.pixels.clone(), shared.regions.clone()),
        };
        Ok(PixelRanking::new(ranking, pixels, regions))
    }
}

/// One pass over images that are shown once.
///
/// Keeps the scores of normal pixels, four bytes each, and eight for each anomalous one.
///
/// # Example
///
/// ```
/// use hypad::metrics::{PixelImage, PixelMetrics};
///
/// let mut metrics = PixelMetrics::new();
/// let mask = [false, true, false, false];
/// metrics.add(&PixelImage::new(&[0.1, 0.9, 0.2, 0.1], &mask, 2, 2)?);
/// assert_eq!(metrics.ranking()?.aupro(0.3)?, 1.0);
/// # Ok::<(), hypad::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PixelMetrics {
    anomalous: AnomalousPixels,
    normal: Vec<f32>,
    /// Where the scores of each image end among `normal`.
    ends: Vec<usize>,
}

impl PixelMetrics {
    /// Starts with no image; regions are 8-connected.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty, with the given connectivity of regions.
    pub fn with_connectivity(connectivity: Connectivity) -> Self {
        Self {
            anomalous: AnomalousPixels::with_connectivity(connectivity),
            ..Self::default()
        }
    }

    /// Adds an image.
    pub fn add<M: MaskPixel>(&mut self, image: &PixelImage<'_, M>) {
        self.anomalous.add(image);
        self.normal.extend(image.normal());
        self.ends.push(self.normal.len());
    }

    /// The counts of all pixels so far.
    ///
    /// # Errors
    ///
    /// None, with what [`add`](Self::add) lets in.
    pub fn ranking(&self) -> Result<PixelRanking> {
        Self::ranking_of(&[self])
    }

    /// The counts of the pixels of several sets of images; the images of each are numbered after
    /// those of the sets before it.
    ///
    /// # Errors
    ///
    /// As [`ranking`](Self::ranking).
    pub fn ranking_of(sets: &[&Self]) -> Result<PixelRanking> {
        let mut anomalous = AnomalousPixels::default();
        for set in sets {
            anomalous.merge(set.anomalous.clone());
        }
        let mut normal = anomalous.normal_pixels();
        for set in sets {
            normal.counts.add(&set.normal, |_| true);
            normal.images += set.ends.len();
        }
        normal.finish()
    }

    /// Number of images so far.
    pub fn images(&self) -> usize {
        self.ends.len()
    }

    /// The normal pixels of each image with score ≥ `threshold`: its false positives.
    pub fn false_positives(&self, threshold: f32) -> Vec<u64> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let images = starts.zip(&self.ends);
        images
            .map(|(start, end)| {
                let found = |score: &&f32| **score >= threshold;
                self.normal[*start..*end].iter().filter(found).count() as u64
            })
            .collect()
    }
}

impl PixelRanking {
    /// The counts of images that are all in memory, on as many threads as `threads` says; the
    /// numbers do not depend on it.
    ///
    /// # Errors
    ///
    /// None, with what [`PixelImage::new`] lets in.
    pub fn of<M: MaskPixel>(
        images: &[PixelImage<'_, M>],
        connectivity: Connectivity,
        threads: usize,
    ) -> Result<Self> {
        let per_thread = images.len().div_ceil(threads.max(1)).max(1);
        let mut anomalous = AnomalousPixels::with_connectivity(connectivity);
        let parts = in_parallel(images, per_thread, |images| {
            let mut part = AnomalousPixels::with_connectivity(connectivity);
            images.iter().for_each(|image| part.add(image));
            part
        });
        for part in parts {
            anomalous.merge(part);
        }
        let mut normal = anomalous.normal_pixels();
        let parts = in_parallel(images, per_thread, |images| {
            let mut part = normal.empty();
            images.iter().for_each(|image| part.add(image));
            part
        });
        for part in parts {
            normal.merge(&part)?;
        }
        normal.finish()
    }
}

fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    per_thread: usize,
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    if items.len() <= per_thread {
        return vec![work(items)];
    }
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = items
            .chunks(per_thread)
            .map(|part| scope.spawn(move || work(part)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, R>| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}
