//! Connected regions of a mask.

/// The 8-connected regions of a row-major mask, each as the positions of its pixels.
pub fn regions(mask: &[bool], width: usize) -> Vec<Vec<usize>> {
    struct Mask<'a> {
        mask: &'a [bool],
        width: usize,
    }
    impl lutz::Image for Mask<'_> {
        fn width(&self) -> u32 {
            self.width as u32
        }
        fn height(&self) -> u32 {
            (self.mask.len() / self.width.max(1)) as u32
        }
        fn has_pixel(&self, x: u32, y: u32) -> bool {
            self.mask[y as usize * self.width + x as usize]
        }
    }
    lutz::lutz::<_, Vec<lutz::Pixel>>(Mask { mask, width })
        .map(|pixels| {
            let position = |p: lutz::Pixel| p.y as usize * width + p.x as usize;
            pixels.into_iter().map(position).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_connect_and_rows_do_not_wrap() {
        let mask: Vec<bool> = "#..#.#.....##..#".chars().map(|c| c == '#').collect();
        let mut areas: Vec<usize> = regions(&mask, 4).iter().map(Vec::len).collect();
        areas.sort_unstable();
        // #..#   the first two pixels on the left touch by a corner,
        // .#..   those on the right do not touch the left ones across the row end
        // ...#
        // #..#
        assert_eq!(areas, [1, 1, 2, 2]);
        assert!(regions(&[], 0).is_empty());
    }
}
