//! Charts as SVG inside the report. Lines take the colours of the page, so that they are seen on light and on
//! dark ground.

use std::fmt::Write;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
/// Room for numbers and names on the left and below, and above and on the right.
const MARGIN: f64 = 44.0;
const EDGE: f64 = 12.0;
/// A curve is drawn with no more points, evenly chosen.
const MOST_POINTS: usize = 500;

/// Names and ranges of the axes.
pub struct Axes<'a> {
    pub title: &'a str,
    pub x: (&'a str, f64, f64),
    pub y: (&'a str, f64, f64),
}

impl Axes<'_> {
    fn place(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        let part = |value: f64, (_, low, high): (&str, f64, f64)| {
            let span = if high > low { high - low } else { 1.0 };
            ((value - low) / span).clamp(0.0, 1.0)
        };
        let (width, height) = (WIDTH - MARGIN - EDGE, HEIGHT - MARGIN - EDGE);
        (
            MARGIN + width * part(x, self.x),
            EDGE + height * (1.0 - part(y, self.y)),
        )
    }

    /// A chart with these marks in it.
    fn around(&self, marks: &str) -> String {
        let (right, bottom) = (WIDTH - EDGE, HEIGHT - MARGIN);
        let title = escape(self.title);
        let mut svg = format!(
            "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{title}\"><path class=\"axis\" d=\"M{MARGIN} {EDGE}V{bottom}H{right}\"/>"
        );
        let ((x_name, x_low, x_high), (y_name, y_low, y_high)) = (self.x, self.y);
        let texts = [
            (MARGIN, bottom + 14.0, "start", number(x_low)),
            (right, bottom + 14.0, "end", number(x_high)),
            (
                (MARGIN + right) / 2.0,
                bottom + 30.0,
                "middle",
                escape(x_name),
            ),
            (MARGIN - 4.0, bottom, "end", number(y_low)),
            (MARGIN - 4.0, EDGE + 8.0, "end", number(y_high)),
        ];
        for (x, y, anchor, text) in texts {
            let _ = write!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
            );
        }
        let middle = (EDGE + bottom) / 2.0;
        let _ = write!(
            svg,
            "<text transform=\"translate(12 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(y_name)
        );
        svg + marks + "</svg></figure>"
    }
}

/// Straight lines through points.
pub fn line(axes: &Axes, points: &[[f64; 2]]) -> String {
    let every = points.len().div_ceil(MOST_POINTS).max(1);
    let last = points
        .last()
        .filter(|_| !(points.len().max(1) - 1).is_multiple_of(every));
    let mut path = String::new();
    for point in points.iter().step_by(every).chain(last) {
        let (x, y) = axes.place(*point);
        let step = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{step}{x:.1} {y:.1}");
    }
    axes.around(&format!("<path class=\"line\" d=\"{path}\"/>"))
}

/// Histograms of two sets of values over the same bins, and a vertical line.
pub fn histograms(title: &str, name: &str, sets: [(&str, &[f64]); 2], mark: (&str, f64)) -> String {
    const BINS: usize = 30;
    let all = || sets.iter().flat_map(|(_, values)| values.iter().copied());
    let marks = mark.1.is_finite().then_some(mark.1);
    let low = all().chain(marks).fold(f64::INFINITY, f64::min);
    let high = all().chain(marks).fold(f64::NEG_INFINITY, f64::max);
    if !(low.is_finite() && high.is_finite()) {
        return String::new();
    }
    let high = if high > low { high } else { low + 1.0 };
    let bin = |value: f64| (((value - low) / (high - low) * BINS as f64) as usize).min(BINS - 1);
    let counts = sets.map(|(_, values)| {
        let mut counts = [0_usize; BINS];
        values.iter().for_each(|value| counts[bin(*value)] += 1);
        counts
    });
    let most = counts.iter().flatten().copied().max().unwrap_or(1).max(1);
    let axes = Axes {
        title,
        x: (name, low, high),
        y: ("images", 0.0, most as f64),
    };
    let mut marks = String::new();
    let width = (high - low) / BINS as f64;
    for (set, counts) in counts.iter().enumerate() {
        for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let left = low + bin as f64 * width;
            let (x, y) = axes.place([left, *count as f64]);
            let (right, bottom) = axes.place([left + width, 0.0]);
            let _ = write!(
                marks,
                "<rect class=\"set{set}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                (right - x - 0.5).max(0.5),
                bottom - y
            );
        }
    }
    if mark.1.is_finite() {
        let (x, top) = axes.place([mark.1, most as f64]);
        let (_, bottom) = axes.place([mark.1, 0.0]);
        let _ = write!(
            marks,
            "<path class=\"mark\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>"
        );
    }
    let mut legend = String::from("<p class=\"legend\">");
    for (set, (name, values)) in sets
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| !name.is_empty())
    {
        let _ = write!(
            legend,
            "<span class=\"key set{set}\"></span>{} ({}) ",
            escape(name),
            values.len()
        );
    }
    let _ = write!(
        legend,
        "<span class=\"key mark\"></span>{}</p>",
        escape(mark.0)
    );
    axes.around(&marks)
        .replace("</figure>", &(legend + "</figure>"))
}

/// A number with three digits that count.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (0.001..10_000.0).contains(&size) => {
            let digits = (2 - size.log10().floor() as i32).max(0) as usize;
            let text = format!("{value:.digits$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
                false => text,
            }
        }
        _ => format!("{value:.2e}"),
    }
}

/// Text as HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.98765, "0.988"),
            (1.0, "1"),
            (12.345, "12.3"),
            (1600.0, "1600"),
            (-0.5, "-0.5"),
            (1.0e-7, "1.00e-7"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn charts_hold_what_they_are_given() {
        let axes = Axes {
            title: "a < b",
            x: ("x", 0.0, 1.0),
            y: ("y", 0.0, 1.0),
        };
        let points: Vec<[f64; 2]> = (0..=2000).map(|i| [i as f64 / 2000.0; 2]).collect();
        let svg = line(&axes, &points);
        assert!(svg.contains("a &lt; b") && svg.matches('L').count() < MOST_POINTS + 2);
        let (x, y) = axes.place([1.0, 1.0]);
        assert!(
            svg.contains(&format!("L{x:.1} {y:.1}\"")),
            "the last point is there"
        );
        let sets = [("good", &[0.1, 0.2][..]), ("defects", &[0.9][..])];
        let svg = histograms("scores", "score", sets, ("threshold", 0.5));
        assert_eq!(svg.matches("<rect class=\"set0\"").count(), 2);
        assert!(svg.contains("good (2)") && svg.contains("class=\"mark\" d="));
        let none = histograms(
            "scores",
            "score",
            [("good", &[]), ("defects", &[])],
            ("", f64::INFINITY),
        );
        assert_eq!(none, "");
    }
}
