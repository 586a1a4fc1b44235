//! Small JPEG files for tests, written from given coefficients: baseline or progressive, with or
//! without restart markers. All coefficients are from -3 to 3, all quantisation steps 16.

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub progressive: bool,
    /// MCUs between two restart markers, 0 for none.
    pub restart: usize,
    /// 1 (grey) or 3, where the first has twice the resolution of the others (4:2:0).
    pub components: usize,
}

/// Blocks of coefficients in zigzag order.
type Blocks = Vec<[i32; 64]>;

/// Coefficients of a component of blocks in a row and column, the same for the same seed.
fn coefficients(across: usize, down: usize, seed: u32) -> Blocks {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let mut block = || {
        let mut block = [0; 64];
        block[0] = next() as i32 % 4;
        for value in &mut block[1..] {
            // Most are 0, with long runs of them.
            let random = next();
            *value = match random % 11 {
                0 => (random >> 8) as i32 % 7 - 3,
                _ => 0,
            };
        }
        block
    };
    (0..across * down).map(|_| block()).collect()
}

/// A file of MCUs of this number of columns and rows.
pub fn file(kind: Kind, across: usize, down: usize) -> Vec<u8> {
    let sampling = |index: usize| {
        if kind.components == 3 && index == 0 {
            2
        } else {
            1
        }
    };
    let blocks: Vec<Blocks> = (0..kind.components)
        .map(|i| coefficients(across * sampling(i), down * sampling(i), i as u32 + 1))
        .collect();
    let side = 8 * sampling(0);
    let [width, height] = [across * side, down * side].map(|side| (side as u16).to_be_bytes());
    let mut file = vec![0xff, 0xd8];
    let mut steps = vec![0];
    steps.extend([16; 64]);
    segment(&mut file, 0xdb, &steps);
    let mut frame = vec![
        8,
        height[0],
        height[1],
        width[0],
        width[1],
        kind.components as u8,
    ];
    for index in 0..kind.components {
        frame.extend([index as u8 + 1, 0x11 * sampling(index) as u8, 0]);
    }
    segment(
        &mut file,
        if kind.progressive { 0xc2 } else { 0xc0 },
        &frame,
    );
    // Symbols below 240 have codes of 8 bits, in order, so that the code is the symbol; the others,
    // which only AC has, codes of 12 bits.
    for (table, short, long) in [(0x00, 16, 0), (0x10, 240, 16)] {
        let mut counts = [0; 16];
        (counts[7], counts[11]) = (short, long);
        let mut content = vec![table];
        content.extend(counts);
        content.extend((0..=255).take(usize::from(short) + usize::from(long)));
        segment(&mut file, 0xc4, &content);
    }
    let restart = (kind.restart as u16).to_be_bytes();
    segment(&mut file, 0xdd, &restart);

    let all: Vec<usize> = (0..kind.components).collect();
    let mut scans = Vec::new();
    if kind.progressive {
        scans.push((all.clone(), [0, 0, 0, 1]));
        for index in &all {
            scans.push((vec![*index], [1, 5, 0, 1]));
            scans.push((vec![*index], [6, 63, 0, 1]));
        }
        scans.push((all.clone(), [0, 0, 1, 0]));
        scans.extend(all.iter().map(|index| (vec![*index], [1, 63, 1, 0])));
    } else {
        scans.push((all, [0, 63, 0, 0]));
    }
    for (components, [from, to, high, low]) in scans {
        let mut head = vec![components.len() as u8];
        for index in &components {
            head.extend([*index as u8 + 1, 0]);
        }
        head.extend([from as u8, to as u8, (high << 4 | low) as u8]);
        segment(&mut file, 0xda, &head);
        let mut writer = Writer::default();
        let alone = components.len() == 1;
        let mcus: Vec<Vec<(usize, usize)>> = match alone {
            true => (0..blocks[components[0]].len())
                .map(|at| vec![(components[0], at)])
                .collect(),
            false => (0..across * down)
                .map(|mcu| {
                    let (row, column) = (mcu / across, mcu % across);
                    let of = |index: usize| {
                        let s = sampling(index);
                        let place =
                            move |i: usize| (row * s + i / s) * across * s + column * s + i % s;
                        (0..s * s).map(move |i| (index, place(i)))
                    };
                    components.iter().flat_map(|index| of(*index)).collect()
                })
                .collect(),
        };
        let mut predictions = [0; 3];
        for (number, mcu) in mcus.iter().enumerate() {
            if kind.restart > 0 && number > 0 && number % kind.restart == 0 {
                writer.end_band();
                writer.restart((number / kind.restart - 1) % 8);
                predictions = [0; 3];
            }
            for (index, at) in mcu {
                let block = &blocks[*index][*at];
                if from == 0 && high == 0 {
                    // Point transform of DC: arithmetic shift.
                    let value = block[0] >> low;
                    writer.number(value - predictions[*index]);
                    predictions[*index] = value;
                } else if from == 0 {
                    writer.bits((block[0] >> low) as u32 & 1, 1);
                }
                if to > 0 && high == 0 {
                    writer.first(&block[from.max(1)..=to], low as u32, kind.progressive);
                } else if to > 0 {
                    writer.refine(&block[from..=to]);
                }
            }
        }
        writer.end_band();
        file.extend(writer.finish());
    }
    file.extend([0xff, 0xd9]);
    file
}

/// Adds a segment.
pub fn segment(file: &mut Vec<u8>, marker: u8, content: &[u8]) {
    file.extend([0xff, marker]);
    file.extend((content.len() as u16 + 2).to_be_bytes());
    file.extend(content);
}

/// The file with a segment of EXIF data after its start marker.
pub fn with_exif(file: &[u8], exif: &[u8]) -> Vec<u8> {
    let mut content = b"Exif\0\0".to_vec();
    content.extend(exif);
    let mut out = file[..2].to_vec();
    segment(&mut out, 0xe1, &content);
    out.extend(&file[2..]);
    out
}

/// Entropy-coded data.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    partial: u32,
    count: u32,
    /// Blocks in the present band of blocks that end.
    band: u32,
    /// Correction bits of the blocks in the band.
    corrections: Vec<u32>,
}

impl Writer {
    fn bits(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            self.partial = self.partial << 1 | (value >> at & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.partial as u8);
                if self.partial == 0xff {
                    self.bytes.push(0);
                }
                (self.partial, self.count) = (0, 0);
            }
        }
    }

    fn symbol(&mut self, symbol: u32) {
        match symbol {
            0..240 => self.bits(symbol, 8),
            _ => self.bits((240 << 4) + (symbol - 240), 12),
        }
    }

    fn magnitude(value: i32) -> u32 {
        32 - value.unsigned_abs().leading_zeros()
    }

    fn value(&mut self, value: i32) {
        let size = Self::magnitude(value);
        let bits = if value < 0 { value - 1 } else { value };
        self.bits(bits as u32 & ((1 << size) - 1), size);
    }

    /// A DC difference.
    fn number(&mut self, value: i32) {
        self.symbol(Self::magnitude(value));
        self.value(value);
    }

    /// AC coefficients for the first time, without their `low` last bits.
    fn first(&mut self, values: &[i32], low: u32, progressive: bool) {
        let values: Vec<i32> = values
            .iter()
            .map(|v| (v.abs() >> low) * v.signum())
            .collect();
        let mut run = 0;
        for value in &values {
            if *value == 0 {
                run += 1;
                continue;
            }
            self.end_band();
            while run > 15 {
                self.symbol(0xf0);
                run -= 16;
            }
            self.symbol(run << 4 | Self::magnitude(*value));
            self.value(*value);
            run = 0;
        }
        if run > 0 {
            match progressive {
                true => self.band += 1,
                false => self.symbol(0),
            }
        }
    }

    /// The last bit of AC coefficients. T.81, figure G.7.
    fn refine(&mut self, values: &[i32]) {
        let mut run = 0;
        let mut corrections = Vec::new();
        let last_new = values.iter().rposition(|v| v.abs() == 1);
        for (at, value) in values.iter().enumerate() {
            if *value == 0 {
                run += 1;
                continue;
            }
            while run > 15 && last_new.is_some_and(|last| at <= last) {
                self.end_band();
                self.symbol(0xf0);
                run -= 16;
                corrections.drain(..).for_each(|bit| self.bits(bit, 1));
            }
            if value.abs() > 1 {
                corrections.push(value.unsigned_abs() & 1);
                continue;
            }
            self.end_band();
            self.symbol(run << 4 | 1);
            self.bits(u32::from(*value > 0), 1);
            corrections.drain(..).for_each(|bit| self.bits(bit, 1));
            run = 0;
        }
        if run > 0 || !corrections.is_empty() {
            self.band += 1;
            self.corrections.extend(corrections);
        }
    }

    /// Writes how many blocks have ended.
    fn end_band(&mut self) {
        if self.band > 0 {
            let size = self.band.ilog2();
            self.symbol(size << 4);
            self.bits(self.band & ((1 << size) - 1), size);
            for bit in std::mem::take(&mut self.corrections) {
                self.bits(bit, 1);
            }
            self.band = 0;
        }
    }

    fn fill(&mut self) {
        if self.count > 0 {
            self.bits(0x7f, 8 - self.count);
        }
    }

    fn restart(&mut self, number: usize) {
        self.fill();
        self.bytes.extend([0xff, 0xd0 + number as u8]);
    }

    fn finish(mut self) -> Vec<u8> {
        self.fill();
        self.bytes
    }
}
