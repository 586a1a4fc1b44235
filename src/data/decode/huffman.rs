//! Huffman codes of JPEG files: tables, and the bits of entropy-coded data. ITU-T T.81, annex C.

use super::Reason;
use super::jpeg::next_marker;

/// Bits of the lookup table.
const FAST: u32 = 9;

/// A Huffman table.
pub struct Huffman {
    /// Length and symbol of codes of up to [`FAST`] bits, by the next bits; length 0 for longer ones.
    fast: Vec<(u8, u8)>,
    /// By length: the first code beyond those of this length, shifted to 16 bits, and what to add to
    /// a code for the index of its symbol.
    longer: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// From a segment: the numbers of codes of 1 to 16 bits, then their symbols. With the number of
    /// bytes read.
    pub fn new(segment: &[u8]) -> Option<(Self, usize)> {
        let counts = segment.get(..16)?;
        let total = counts
            .iter()
            .map(|count| usize::from(*count))
            .sum::<usize>();
        let symbols = segment.get(16..16 + total)?.to_vec();
        let mut fast = vec![(0, 0); 1 << FAST];
        let mut longer = [(0, 0); 17];
        let (mut code, mut index) = (0_u32, 0);
        for length in 1..=16_u32 {
            let count = usize::from(counts[length as usize - 1]);
            longer[length as usize].1 = index as i32 - code as i32;
            for _ in 0..count {
                if code >= 1 << length {
                    return None;
                }
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    fast[first..first + (1 << (FAST - length))]
                        .fill((length as u8, symbols[index]));
                }
                code += 1;
                index += 1;
            }
            longer[length as usize].0 = code << (16 - length);
            code <<= 1;
        }
        let table = Self {
            fast,
            longer,
            symbols,
        };
        Some((table, 16 + total))
    }
}

/// The bits of entropy-coded data, up to the next marker.
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest on.
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            buffer: 0,
            count: 0,
        }
    }

    /// The next byte; `None` at a marker and at the end.
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte == 0xff {
            if self.bytes.get(self.at + 1) != Some(&0) {
                return None;
            }
            self.at += 1;
        }
        self.at += 1;
        Some(byte)
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(byte) = self.byte() else { break };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Passes over bits; `None` if there are not as many.
    pub fn skip(&mut self, count: u32) -> Option<()> {
        if self.count < count {
            self.fill();
            if self.count < count {
                return None;
            }
        }
        self.buffer = self.buffer.checked_shl(count).unwrap_or(0);
        self.count -= count;
        Some(())
    }

    /// The next bits as a number.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        self.fill();
        let value = match count {
            0 => 0,
            count => (self.buffer >> (64 - count)) as u32,
        };
        self.skip(count)?;
        Some(value)
    }

    /// The symbol of the next code.
    pub fn symbol(&mut self, table: &Huffman) -> Option<u8> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.fast[(self.buffer >> (64 - FAST)) as usize];
        if length > 0 {
            self.skip(length.into())?;
            return Some(symbol);
        }
        let next = (self.buffer >> 48) as u32;
        let mut lengths = FAST + 1..=16;
        let length = lengths.find(|length| next < table.longer[*length as usize].0)?;
        let index = (next >> (16 - length)) as i32 + table.longer[length as usize].1;
        self.skip(length)?;
        table.symbols.get(usize::try_from(index).ok()?).copied()
    }

    /// Goes to the next marker. Bytes of 0 before it are padding.
    pub fn finish(&mut self) -> Result<usize, Reason> {
        self.skip(self.count % 8);
        loop {
            while self.count >= 8 {
                if self.take(8) != Some(0) {
                    return Err("damaged: data are left over after its image".into());
                }
            }
            match self.byte() {
                None => return Ok(self.at),
                Some(0) => {}
                Some(_) => return Err("damaged: data are left over after its image".into()),
            }
        }
    }

    /// Goes beyond a restart marker.
    pub fn restart(&mut self) -> Result<(), Reason> {
        let mut at = self.finish()?;
        match next_marker(self.bytes, &mut at)? {
            0xd0..=0xd7 => {
                self.at = at;
                Ok(())
            }
            _ => Err("the file is cut off or damaged: a restart marker is missing".into()),
        }
    }
}
