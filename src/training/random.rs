//! Random numbers that depend on the seed, on what they are for and on the place in the run alone:
//! the same however a run came there, without a break or from a checkpoint.

use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};

/// Purpose of random numbers.
#[derive(Clone, Copy)]
pub enum Purpose {
    Split = 1,
    Order,
    Crop,
    Step,
    Dropout,
    Tiles,
}

/// Random numbers for one purpose and place.
pub fn rng(seed: u64, purpose: Purpose, index: usize) -> StdRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8] = purpose as u8;
    bytes[16..24].copy_from_slice(&(index as u64).to_le_bytes());
    StdRng::from_seed(bytes)
}

/// Indices from 0, in an order that is drawn anew for every round.
pub struct Shuffler {
    seed: u64,
    count: usize,
    /// The number of a round and its order.
    order: Option<(usize, Vec<usize>)>,
}

impl Shuffler {
    /// Indices below `count`, which is at least 1.
    pub fn new(seed: u64, count: usize) -> Self {
        Self {
            seed,
            count,
            order: None,
        }
    }

    /// The index of draw number `draw`, counted from 0.
    pub fn at(&mut self, draw: usize) -> usize {
        let (round, place) = (draw / self.count, draw % self.count);
        let order = self.order.take().filter(|(of, _)| *of == round);
        let (_, order) = self.order.insert(order.unwrap_or_else(|| {
            let mut order: Vec<usize> = (0..self.count).collect();
            order.shuffle(&mut rng(self.seed, Purpose::Order, round));
            (round, order)
        }));
        order[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_holds_everything_once_wherever_one_begins() {
        let mut rounds = Shuffler::new(3, 7);
        let drawn: Vec<usize> = (0..21).map(|draw| rounds.at(draw)).collect();
        for round in drawn.chunks(7) {
            let mut round = round.to_vec();
            round.sort();
            assert_eq!(round, [0, 1, 2, 3, 4, 5, 6]);
        }
        assert_ne!(drawn[..7], drawn[7..14]);
        assert_eq!(Shuffler::new(3, 7).at(17), drawn[17]);
        assert_ne!(
            (0..7)
                .map(|d| Shuffler::new(4, 7).at(d))
                .collect::<Vec<_>>(),
            drawn[..7]
        );
    }
}
