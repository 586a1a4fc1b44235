//! A part of an evaluation as a file: what an [`Evaluator`] has gathered from some of the images of a category.
//! Parts that are merged give the metrics of one evaluation of all images, to the last bit.
//!
//! ```text
//! hypad-partial-1\n                            the format and its version
//! <length: 8 bytes><header: JSON>              categories, kinds, images, regions
//! <u64 …><f32 …>                               anomalous pixels, scores of normal ones; little-endian
//! <CRC-32 of all before: 4 bytes>
//! ```
//!
//! A file takes four bytes for each normal pixel and eight for each anomalous one: exact metrics need them all.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use serde::{Deserialize, Serialize};

use super::evaluation::{Evaluator, Group};
use crate::error::{Error, Result, check};
use crate::files::io_error;
use crate::metrics::{AnomalousPixels, Region};

const MAGIC: &[u8] = b"hypad-partial-1\n";
/// The longest header: 1 GiB.
const LONGEST_HEADER: u64 = 1 << 30;
/// Scores that are read at a time.
const CHUNK: usize = 1 << 16;

/// Which part of how many. Parts are of neighbouring images, so that merged they are in the order of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// How many parts there are.
    pub of: usize,
}

impl Shard {
    /// One of `of` parts, counted from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless `index` is below `of`.
    pub fn new(index: usize, of: usize) -> Result<Self> {
        let rule = "two numbers, the first below the second";
        check(index < of, "shard", format!("{index}/{of}"), rule)?;
        Ok(Self { index, of })
    }

    /// The numbers of its images, of `count` in all.
    pub fn range(&self, count: usize) -> Range<usize> {
        let start =
            |index: usize| (index as u128 * count as u128 / self.of.max(1) as u128) as usize;
        start(self.index)..start(self.index + 1)
    }
}

/// A part of the evaluation of a category.
#[derive(Debug)]
pub struct Partial {
    /// The category.
    pub category: String,
    /// A number that tells it from others; see
    /// [`Category::fingerprint`](crate::data::Category::fingerprint).
    pub fingerprint: u32,
    /// Which part.
    pub shard: Shard,
    /// What was gathered.
    pub evaluator: Evaluator,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    category: String,
    fingerprint: u32,
    shard: Shard,
    groups: Vec<GroupHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupHeader {
    kind: String,
    images: Vec<ImageHeader>,
    regions: Vec<RegionHeader>,
    anomalous_pixels: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageHeader {
    name: String,
    /// The bits of the score, which may be infinite.
    score: u32,
    has_anomalous_pixel: Option<bool>,
    normal_pixels: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionHeader {
    image: usize,
    area: u64,
    score: u32,
    bounds: [usize; 4],
}

impl Partial {
    /// Writes the part, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the file.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let groups = self
            .evaluator
            .groups
            .iter()
            .map(|(kind, group)| group.header(kind));
        let header = Header {
            category: self.category.clone(),
            fingerprint: self.fingerprint,
            shard: self.shard,
            groups: groups.collect(),
        };
        let json = serde_json::to_vec(&header).map_err(|error| format(path, error))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io_error(folder))?;
        }
        let file = AtomicWriteFile::open(path).map_err(io_error(path))?;
        let mut file = Hashing::new(BufWriter::new(file));
        let write = |file: &mut Hashing<_>, bytes: &[u8]| file.write(bytes).map_err(io_error(path));
        write(&mut file, MAGIC)?;
        write(&mut file, &(json.len() as u64).to_le_bytes())?;
        write(&mut file, &json)?;
        for group in self.evaluator.groups.values() {
            for key in group.anomalous.parts().0 {
                write(&mut file, &key.to_le_bytes())?;
            }
            for place in &group.normal {
                for score in self.evaluator.normal.read(place)? {
                    write(&mut file, &score.to_le_bytes())?;
                }
            }
        }
        let crc = file.hasher.finalize();
        let mut inner = file.inner;
        let finish = || {
            inner.write_all(&crc.to_le_bytes())?;
            inner
                .into_inner()
                .map_err(|error| error.into_error())?
                .commit()
        };
        finish().map_err(io_error(path))
    }

    /// Reads a part.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Format`] naming a file that is damaged, cut short or of another kind.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(io_error(path))?;
        let length = file.metadata().map_err(io_error(path))?.len();
        let mut file = Hashing::new(BufReader::new(file));
        let short = |_| format(path, "cut short, or not a part of an evaluation by hypad");
        let mut magic = [0; MAGIC.len()];
        file.read(&mut magic).map_err(short)?;
        if magic != MAGIC {
            return Err(format(
                path,
                "not a part of an evaluation by this version of hypad",
            ));
        }
        let mut long = [0; 8];
        file.read(&mut long).map_err(short)?;
        let long = u64::from_le_bytes(long);
        if long > length.min(LONGEST_HEADER) {
            return Err(format(path, "damaged: its header is longer than the file"));
        }
        let mut json = vec![0; long as usize];
        file.read(&mut json).map_err(short)?;
        let header: Header = serde_json::from_slice(&json)
            .map_err(|error| format(path, format_args!("its header cannot be read: {error}")))?;
        let expected = header
            .bytes()
            .and_then(|bytes| bytes.checked_add(MAGIC.len() as u64 + 8 + long + 4));
        if expected != Some(length) {
            return Err(format(
                path,
                "damaged: it is not as long as its header says",
            ));
        }
        let mut evaluator = Evaluator::new();
        for group in header.groups {
            let read = Group::read(&group, &mut evaluator, &mut file, path)?;
            evaluator.groups.insert(group.kind, read);
        }
        let found = file.hasher.clone().finalize();
        let mut crc = [0; 4];
        file.inner.read_exact(&mut crc).map_err(short)?;
        if u32::from_le_bytes(crc) != found {
            return Err(format(
                path,
                "damaged: its checksum is not that of its content",
            ));
        }
        Ok(Self {
            category: header.category,
            fingerprint: header.fingerprint,
            shard: header.shard,
            evaluator,
        })
    }

    /// All parts as one.
    ///
    /// # Errors
    ///
    /// [`Error::Dataset`] unless they are all parts of one evaluation of the same images, each once.
    pub fn merge(mut parts: Vec<Self>) -> Result<Self> {
        parts.sort_by_key(|part| part.shard.index);
        let problem = |problem: String| Error::Dataset {
            path: "parts of an evaluation".into(),
            problems: vec![problem],
        };
        let Some(first) = parts.first() else {
            return Err(problem("none is given".into()));
        };
        let (category, fingerprint, of) =
            (first.category.clone(), first.fingerprint, first.shard.of);
        for part in &parts {
            if (&part.category, part.fingerprint, part.shard.of) != (&category, fingerprint, of) {
                return Err(problem(format!(
                    "part {} of {} of {} is of other images than part {} of {of} of {category}",
                    part.shard.index, part.shard.of, part.category, parts[0].shard.index
                )));
            }
        }
        let found: Vec<usize> = parts.iter().map(|part| part.shard.index).collect();
        if found != (0..of).collect::<Vec<_>>() {
            return Err(problem(format!(
                "{category}: parts {found:?} of 0 to {}",
                of.saturating_sub(1)
            )));
        }
        let mut evaluator = Evaluator::new();
        for part in parts {
            evaluator.merge(part.evaluator)?;
        }
        Ok(Self {
            category,
            fingerprint,
            shard: Shard { index: 0, of: 1 },
            evaluator,
        })
    }
}

impl Header {
    /// Bytes of all pixels; `None` for more than there can be.
    fn bytes(&self) -> Option<u64> {
        let mut total = 0_u64;
        for group in &self.groups {
            total = total.checked_add(group.anomalous_pixels.checked_mul(8)?)?;
            for image in &group.images {
                total = total.checked_add(image.normal_pixels.checked_mul(4)?)?;
            }
        }
        Some(total)
    }
}

impl Group {
    fn header(&self, kind: &str) -> GroupHeader {
        let (pixels, regions) = self.anomalous.parts();
        let image = |at: usize| ImageHeader {
            name: self.names[at].clone(),
            score: self.scores[at].to_bits(),
            has_anomalous_pixel: self.has_anomalous_pixel[at],
            normal_pixels: self.normal[at].end - self.normal[at].start,
        };
        GroupHeader {
            kind: kind.to_string(),
            images: (0..self.names.len()).map(image).collect(),
            regions: regions.iter().map(RegionHeader::new).collect(),
            anomalous_pixels: pixels.len() as u64,
        }
    }

    fn read<R: Read>(
        header: &GroupHeader,
        evaluator: &mut Evaluator,
        file: &mut Hashing<R>,
        path: &Path,
    ) -> Result<Self> {
        let short = |_| format(path, "cut short");
        let mut keys = Vec::new();
        let mut bytes = vec![0; 8 * CHUNK];
        let mut left = header.anomalous_pixels as usize;
        while left > 0 {
            let count = left.min(CHUNK);
            file.read(&mut bytes[..8 * count]).map_err(short)?;
            let (chunks, _) = bytes[..8 * count].as_chunks::<8>();
            keys.extend(chunks.iter().map(|key| u64::from_le_bytes(*key)));
            left -= count;
        }
        let regions = header.regions.iter().map(RegionHeader::region).collect();
        let anomalous = AnomalousPixels::from_parts(keys, regions, header.images.len())
            .ok_or_else(|| format(path, "damaged: its regions do not fit its pixels"))?;
        let mut group = Self {
            anomalous,
            ..Self::default()
        };
        for image in &header.images {
            let score = f32::from_bits(image.score);
            if score.is_nan() {
                return Err(format(
                    path,
                    format_args!("the score of {} is NaN", image.name),
                ));
            }
            group.names.push(image.name.clone());
            group.scores.push(score);
            group.has_anomalous_pixel.push(image.has_anomalous_pixel);
            let mut left = image.normal_pixels as usize;
            let start = evaluator.normal.end();
            while left > 0 {
                let count = left.min(CHUNK);
                file.read(&mut bytes[..4 * count]).map_err(short)?;
                let (chunks, _) = bytes[..4 * count].as_chunks::<4>();
                let scores = chunks.iter().map(|score| f32::from_le_bytes(*score));
                if scores.clone().any(f32::is_nan) {
                    return Err(format(
                        path,
                        format_args!("a score of {} is NaN", image.name),
                    ));
                }
                evaluator.normal.append(scores)?;
                left -= count;
            }
            group.normal.push(start..evaluator.normal.end());
        }
        Ok(group)
    }
}

impl RegionHeader {
    fn new(region: &Region) -> Self {
        Self {
            image: region.image,
            area: region.area,
            score: region.score.to_bits(),
            bounds: region.bounds,
        }
    }

    fn region(&self) -> (usize, u64, f32, [usize; 4]) {
        (
            self.image,
            self.area,
            f32::from_bits(self.score),
            self.bounds,
        )
    }
}

/// Computes the checksum of what passes.
struct Hashing<T> {
    inner: T,
    hasher: crc32fast::Hasher,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            hasher: crc32fast::Hasher::new(),
        }
    }
}

impl<T: Write> Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }
}

impl<T: Read> Hashing<T> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }
}

fn format(path: &Path, reason: impl ToString) -> Error {
    Error::Format {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    }
}
