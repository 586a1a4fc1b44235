//! Whether a JPEG file holds all of its image.
//!
//! Decoders of JPEG fill with grey what is missing from a damaged file. Here the entropy-coded data
//! of baseline and progressive files are read once, without computing pixels, to see that every
//! block of every scan is there. ITU-T T.81, annexes B, F and G.

use super::Reason;
use super::huffman::{Bits, Huffman};

const BLOCK: usize = 64;

/// Checks that every block is there, up to the end marker. Files of other kinds (arithmetic coding,
/// lossless) pass; no decoder here reads them.
pub fn check(bytes: &[u8]) -> Result<(), Reason> {
    let mut file = Jpeg::default();
    let mut at = 2;
    loop {
        let marker = next_marker(bytes, &mut at)?;
        match marker {
            0x01 | 0xd0..=0xd8 => continue,
            0xd9 => return file.is_complete(),
            _ => {}
        }
        let length = usize::from(word(bytes, at).ok_or_else(cut)?);
        let segment = bytes.get(at + 2..at + length.max(2)).ok_or_else(cut)?;
        at += length.max(2);
        match marker {
            0xc0..=0xc2 => file.frame(segment, marker == 0xc2, bytes.len())?,
            0xc4 => file.huffman_tables(segment)?,
            0xc3 | 0xc5..=0xcf => return Ok(()),
            0xdd => file.restart_interval = word(segment, 0).ok_or_else(cut)?.into(),
            0xda if file.has_tables() => at = file.scan(segment, bytes, at)?,
            // Frames of motion JPEG, whose tables are the standard's.
            0xda => {
                let mut pairs = bytes[at..].windows(2);
                return pairs
                    .any(|pair| pair == [0xff, 0xd9])
                    .then_some(())
                    .ok_or_else(cut);
            }
            _ => {}
        }
    }
}

fn cut() -> Reason {
    "the file is cut off: it ends before its end marker".into()
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// Goes beyond the next marker. Bytes before it and fill bytes are passed over, as decoders do.
pub fn next_marker(bytes: &[u8], at: &mut usize) -> Result<u8, Reason> {
    loop {
        let pair = bytes.get(*at..*at + 2).ok_or_else(cut)?;
        *at += 1;
        if pair[0] == 0xff && pair[1] != 0xff && pair[1] != 0 {
            *at += 1;
            return Ok(pair[1]);
        }
    }
}

/// A component of the frame.
#[derive(Default)]
struct Component {
    id: u8,
    horizontal: usize,
    vertical: usize,
    /// Blocks in a row and a column of the component.
    blocks: [usize; 2],
    /// As `blocks`, of whole MCUs.
    padded: [usize; 2],
    /// Coefficients whose last bit has been read, one bit each.
    complete: u64,
    /// Of progressive files: the coefficients of each block that are not 0, one bit each.
    nonzero: Vec<u64>,
}

#[derive(Default)]
struct Jpeg {
    progressive: bool,
    components: Vec<Component>,
    /// MCUs in a row and a column.
    mcus: [usize; 2],
    restart_interval: usize,
    /// DC and AC tables by number.
    tables: [[Option<Huffman>; 4]; 2],
}

impl Jpeg {
    fn is_complete(&self) -> Result<(), Reason> {
        let whole = |component: &Component| component.complete == u64::MAX;
        match !self.components.is_empty() && self.components.iter().all(whole) {
            true => Ok(()),
            false => Err("damaged: it ends before all of its image has come".into()),
        }
    }

    fn has_tables(&self) -> bool {
        self.tables.iter().flatten().any(Option::is_some)
    }

    fn frame(&mut self, segment: &[u8], progressive: bool, length: usize) -> Result<(), Reason> {
        let broken = || "damaged: its frame header is broken".to_string();
        let (height, width) = match (word(segment, 1), word(segment, 3)) {
            (Some(height), Some(width)) => (usize::from(height), usize::from(width)),
            _ => return Err(broken()),
        };
        let count = usize::from(*segment.get(5).ok_or_else(broken)?);
        if !self.components.is_empty() {
            return Err("damaged: it has two frame headers".into());
        }
        let parts = segment.get(6..6 + 3 * count).ok_or_else(broken)?;
        let mut components = Vec::new();
        for part in parts.chunks_exact(3) {
            let [horizontal, vertical] = [part[1] >> 4, part[1] & 15].map(usize::from);
            if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) {
                return Err(broken());
            }
            components.push(Component {
                id: part[0],
                horizontal,
                vertical,
                ..Component::default()
            });
        }
        let most = |of: fn(&Component) -> usize| components.iter().map(of).max();
        let (Some(h), Some(v)) = (most(|c| c.horizontal), most(|c| c.vertical)) else {
            return Err(broken());
        };
        self.mcus = [width.div_ceil(8 * h), height.div_ceil(8 * v)];
        for component in &mut components {
            let across = (width * component.horizontal).div_ceil(h).div_ceil(8);
            let down = (height * component.vertical).div_ceil(v).div_ceil(8);
            component.blocks = [across, down];
            // Every block has a code of at least one bit for its DC coefficient.
            if across * down > 8 * length {
                return Err("the file is cut off: it is too short for its size in pixels".into());
            }
            component.padded = [
                self.mcus[0] * component.horizontal,
                self.mcus[1] * component.vertical,
            ];
            if progressive {
                component.nonzero = vec![0; component.padded[0] * component.padded[1]];
            }
        }
        self.components = components;
        self.progressive = progressive;
        Ok(())
    }

    fn huffman_tables(&mut self, mut segment: &[u8]) -> Result<(), Reason> {
        while let Some((kind, rest)) = segment.split_first() {
            let table = Huffman::new(rest);
            let slot = self.tables.get_mut(usize::from(kind >> 4));
            let slot = slot.and_then(|tables| tables.get_mut(usize::from(kind & 15)));
            let (Some((table, used)), Some(slot)) = (table, slot) else {
                return Err("damaged: a Huffman table is broken".into());
            };
            *slot = Some(table);
            segment = &rest[used..];
        }
        Ok(())
    }

    /// Reads the scan that begins at `at`; returns where it ends.
    fn scan(&mut self, segment: &[u8], bytes: &[u8], at: usize) -> Result<usize, Reason> {
        let broken = || "damaged: a scan header is broken".to_string();
        let count = usize::from(*segment.first().ok_or_else(broken)?);
        let parts = segment.get(1..1 + 2 * count).ok_or_else(broken)?;
        let last = segment.get(1 + 2 * count..4 + 2 * count);
        let last = last.ok_or_else(broken)?;
        let spectral = match self.progressive {
            true => [last[0], last[1]].map(usize::from),
            false => [0, BLOCK - 1],
        };
        let [from, to] = spectral;
        let [high, low] = match self.progressive {
            true => [last[2] >> 4, last[2] & 15],
            false => [0, 0],
        };
        if from > to || to >= BLOCK || count == 0 || (self.progressive && from == 0 && to > 0) {
            return Err(broken());
        }
        let mut chosen = Vec::new();
        for part in parts.chunks_exact(2) {
            let component = self.components.iter().position(|c| c.id == part[0]);
            chosen.push(Chosen {
                component: component.ok_or_else(broken)?,
                dc: usize::from(part[1] >> 4) & 3,
                ac: usize::from(part[1] & 15) & 3,
            });
        }
        let scan = Scan {
            progressive: self.progressive,
            spectral,
            refines: high > 0,
        };
        let mut bits = Bits::new(bytes, at);
        let mut end_of_band = 0;
        let alone = (count == 1).then(|| self.components[chosen[0].component].blocks);
        let [across, down] = alone.unwrap_or(self.mcus);
        let mut left = self.restart_interval;
        for mcu in 0..across * down {
            if self.restart_interval > 0 && left == 0 {
                bits.restart()?;
                end_of_band = 0;
                left = self.restart_interval;
            }
            left = left.saturating_sub(1);
            let (row, column) = (mcu / across, mcu % across);
            let missing = || {
                let part = 100 * mcu / (across * down);
                format!("the file is cut off or damaged: its image ends after {part} %")
            };
            for chosen in &chosen {
                let dc = self.tables[0][chosen.dc].as_ref();
                let ac = self.tables[1][chosen.ac].as_ref();
                let component = &mut self.components[chosen.component];
                let [wide, high] = match alone {
                    Some(_) => [1, 1],
                    None => [component.horizontal, component.vertical],
                };
                for y in 0..high {
                    for x in 0..wide {
                        let at = (row * high + y) * component.padded[0] + column * wide + x;
                        let mut unused = 0;
                        let nonzero = component.nonzero.get_mut(at).unwrap_or(&mut unused);
                        scan.block(&mut bits, [dc, ac], &mut end_of_band, nonzero)
                            .ok_or_else(missing)?;
                    }
                }
            }
        }
        if low == 0 {
            for chosen in &chosen {
                let bits = u64::MAX >> (BLOCK - 1 - to) & u64::MAX << from;
                self.components[chosen.component].complete |= bits;
            }
        }
        bits.finish()
    }
}

/// A component in a scan, with the numbers of its tables.
struct Chosen {
    component: usize,
    dc: usize,
    ac: usize,
}

/// How the blocks of a scan are coded.
struct Scan {
    progressive: bool,
    spectral: [usize; 2],
    refines: bool,
}

impl Scan {
    /// Reads a block; `None` if the data end or are not valid.
    fn block(
        &self,
        bits: &mut Bits,
        [dc, ac]: [Option<&Huffman>; 2],
        end_of_band: &mut u32,
        nonzero: &mut u64,
    ) -> Option<()> {
        let [from, to] = self.spectral;
        if from == 0 {
            match self.refines {
                true => bits.skip(1)?,
                false => {
                    let size = bits.symbol(dc?)?;
                    bits.skip(u32::from(size))?;
                }
            }
        }
        match (self.progressive, self.refines) {
            (true, _) if from == 0 => Some(()),
            (true, true) => refine(bits, ac?, self.spectral, end_of_band, nonzero),
            _ if *end_of_band > 0 => {
                *end_of_band -= 1;
                Some(())
            }
            _ => {
                let ac = ac?;
                let mut at = from.max(1);
                while at <= to {
                    let symbol = bits.symbol(ac)?;
                    let (run, size) = (symbol >> 4, u32::from(symbol & 15));
                    match (run, size) {
                        (15, 0) => at += 16,
                        (0, 0) => break,
                        (_, 0) if !self.progressive => break,
                        (run, 0) => {
                            *end_of_band = (1 << run) - 1 + bits.take(run.into())?;
                            break;
                        }
                        _ => {
                            at += usize::from(run);
                            if at > to {
                                return None;
                            }
                            bits.skip(size)?;
                            *nonzero |= 1 << at;
                            at += 1;
                        }
                    }
                }
                Some(())
            }
        }
    }
}

/// Reads a block of a scan that refines AC coefficients. T.81, G.1.2.3.
fn refine(
    bits: &mut Bits,
    ac: &Huffman,
    [from, to]: [usize; 2],
    end_of_band: &mut u32,
    nonzero: &mut u64,
) -> Option<()> {
    let mut at = from;
    while *end_of_band == 0 && at <= to {
        let symbol = bits.symbol(ac)?;
        let (mut run, size) = (symbol >> 4, symbol & 15);
        if size == 0 && run < 15 {
            *end_of_band = (1 << run) + bits.take(run.into())?;
            break;
        }
        bits.skip(u32::from(size > 0))?;
        while at <= to {
            if *nonzero >> at & 1 == 1 {
                bits.skip(1)?;
            } else if run == 0 {
                break;
            } else {
                run -= 1;
            }
            at += 1;
        }
        if size > 0 {
            if at > to {
                return None;
            }
            *nonzero |= 1 << at;
        }
        at += 1;
    }
    if *end_of_band > 0 {
        let band = u64::MAX.checked_shl(at as u32).unwrap_or(0) & u64::MAX >> (BLOCK - 1 - to);
        bits.skip((*nonzero & band).count_ones())?;
        *end_of_band -= 1;
    }
    Some(())
}
