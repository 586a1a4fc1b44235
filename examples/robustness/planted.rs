//! Defects planted into good images, at the edge and inside.

use hypad::image::{Rgb, RgbImage};
use rand::{Rng, rngs::StdRng};

/// Where a square is planted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// So many pixels from one of the four edges.
    FromEdge(u32),
    /// Farther from all edges than what an output of the networks sees.
    Inside,
}

impl Place {
    /// Those of the table.
    pub const ALL: [Place; 6] = [
        Place::FromEdge(0),
        Place::FromEdge(4),
        Place::FromEdge(8),
        Place::FromEdge(12),
        Place::FromEdge(16),
        Place::Inside,
    ];

    /// In words, for the table.
    pub fn name(self) -> String {
        match self {
            Place::FromEdge(distance) => format!("{distance} px from an edge"),
            Place::Inside => "inside".into(),
        }
    }
}

/// A square of another shade.
#[derive(Clone, Copy, Debug)]
pub struct Square {
    x: u32,
    y: u32,
}

impl Square {
    /// Its side in pixels.
    pub const SIDE: u32 = 12;

    /// By how much, of 255, it is darker or lighter: towards the middle of the range.
    const SHADE: i32 = 40;

    /// Least distance from the edges of one inside.
    const INSIDE: u32 = 40;

    /// The least side of an image.
    pub const LEAST_IMAGE: u32 = 2 * Self::INSIDE + Self::SIDE;

    /// One at a random position of the place, in an image of at least [`LEAST_IMAGE`](Self::LEAST_IMAGE).
    pub fn random(place: Place, [width, height]: [u32; 2], rng: &mut StdRng) -> Self {
        let free = [width, height].map(|side| side - Self::SIDE);
        match place {
            Place::Inside => {
                let [x, y] = free.map(|free| rng.random_range(Self::INSIDE..=free - Self::INSIDE));
                Self { x, y }
            }
            Place::FromEdge(distance) => {
                let [mut x, mut y] = free.map(|free| rng.random_range(distance..=free - distance));
                match rng.random_range(0..4) {
                    0 => x = distance,
                    1 => y = distance,
                    2 => x = free[0] - distance,
                    _ => y = free[1] - distance,
                }
                Self { x, y }
            }
        }
    }

    /// The image with the square in it.
    pub fn plant(self, image: &RgbImage) -> RgbImage {
        let mut planted = image.clone();
        for (x, y) in self.pixels() {
            let Rgb(values) = planted.get_pixel_mut(x, y);
            *values = values.map(|v| {
                let shade = if v < 128 { Self::SHADE } else { -Self::SHADE };
                (i32::from(v) + shade) as u8
            });
        }
        planted
    }

    /// Columns and rows of its pixels.
    pub fn pixels(self) -> impl Iterator<Item = (u32, u32)> {
        let rows = self.y..self.y + Self::SIDE;
        rows.flat_map(move |y| (self.x..self.x + Self::SIDE).map(move |x| (x, y)))
    }
}
