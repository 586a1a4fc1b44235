//! Connected regions of a mask.

/// Which pixels of a region are neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a side.
    Four,
    /// Those that share a side or a corner, as in the official MVTec AD evaluation.
    #[default]
    Eight,
}

/// The regions of a mask of `width` × `height`, each as the positions of its pixels, row by row.
pub(crate) fn regions(
    anomalous: impl Fn(usize) -> bool,
    [width, height]: [usize; 2],
    connectivity: Connectivity,
) -> Vec<Vec<usize>> {
    match connectivity {
        Connectivity::Eight => label(
            [width, height],
            |x, y| anomalous(y * width + x),
            |x, y| Some(y * width + x),
        ),
        // On a grid of twice the size, with a point for each pixel and one between any two that
        // share a side, neighbours by the corner are two apart.
        Connectivity::Four => {
            let at = |x: usize, y: usize| {
                let ends = [(x / 2, y / 2), (x.div_ceil(2), y.div_ceil(2))];
                (x.is_multiple_of(2) || y.is_multiple_of(2))
                    && ends.iter().all(|(x, y)| anomalous(y * width + x))
            };
            let doubled = [width, height].map(|side| (2 * side).saturating_sub(1));
            label(doubled, at, |x, y| {
                (x.is_multiple_of(2) && y.is_multiple_of(2)).then_some(y / 2 * width + x / 2)
            })
        }
    }
}

/// The 8-connected regions of a picture, as the positions that `position` gives their points.
fn label(
    [width, height]: [usize; 2],
    has_point: impl Fn(usize, usize) -> bool,
    position: impl Fn(usize, usize) -> Option<usize>,
) -> Vec<Vec<usize>> {
    struct Picture<F> {
        size: [u32; 2],
        has_point: F,
    }
    impl<F: Fn(usize, usize) -> bool> lutz::Image for Picture<F> {
        fn width(&self) -> u32 {
            self.size[0]
        }
        fn height(&self) -> u32 {
            self.size[1]
        }
        fn has_pixel(&self, x: u32, y: u32) -> bool {
            (self.has_point)(x as usize, y as usize)
        }
    }
    let size = [width as u32, height as u32];
    lutz::lutz::<_, Vec<lutz::Pixel>>(Picture { size, has_point })
        .map(|points| {
            let positions = points.into_iter();
            positions
                .filter_map(|p| position(p.x as usize, p.y as usize))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas(picture: &str, width: usize, connectivity: Connectivity) -> Vec<usize> {
        let mask: Vec<bool> = picture.chars().map(|c| c == '#').collect();
        let size = [width, mask.len() / width];
        let regions = regions(|at| mask[at], size, connectivity);
        for at in regions.iter().flatten() {
            assert!(mask[*at]);
        }
        let mut areas: Vec<usize> = regions.iter().map(Vec::len).collect();
        areas.sort_unstable();
        areas
    }

    #[test]
    fn corners_connect_and_rows_do_not_wrap() {
        // #..#   the first two pixels on the left touch by a corner,
        // .#..   those on the right do not touch the left ones across the row end
        // ...#
        // #..#
        let picture = "#..#.#.....##..#";
        assert_eq!(areas(picture, 4, Connectivity::Eight), [1, 1, 2, 2]);
        assert_eq!(areas(picture, 4, Connectivity::Four), [1, 1, 1, 1, 2]);
        // ###.
        // #.#.   a ring around a hole, and a corner
        // ####
        // ....
        let ring = "###.#.#.####....";
        for connectivity in [Connectivity::Four, Connectivity::Eight] {
            assert_eq!(areas(ring, 4, connectivity), [9]);
            assert!(regions(|_| true, [0, 0], connectivity).is_empty());
            assert_eq!(regions(|_| true, [3, 2], connectivity)[0].len(), 6);
        }
    }
}
