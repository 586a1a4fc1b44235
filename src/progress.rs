//! Progress of long work on the standard error: a bar on a terminal, plain lines elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Without a terminal: the time until the first line, so that short work prints none.
const FIRST_LINE: Duration = Duration::from_secs(5);
/// The time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// A progress bar on the standard error; lines such as `training: 400/1600, loss 0.31, 5 minutes left`
/// where that is not a terminal.
///
/// ```
/// use hypad::progress::ProgressBar;
///
/// let bar = ProgressBar::new(true, 3, "testing");
/// let squares: Vec<u32> = bar.wrap([1, 2, 3]).map(|x| x * x).collect();
/// # assert_eq!(squares, [1, 4, 9]);
/// ```
///
/// The bar needs feature `cli`; without it there are lines on terminals too.
#[derive(Debug)]
pub struct ProgressBar {
    bar: Bar,
    lines: Option<Mutex<Lines>>,
}

impl ProgressBar {
    /// Starts at 0 of `length`. Unless `shown`, nothing is printed.
    pub fn new(shown: bool, length: usize, what: &str) -> Self {
        let bar = Bar::new(shown, length, what);
        let lines = (shown && bar.is_hidden()).then(|| Mutex::new(Lines::new(what, length)));
        Self { bar, lines }
    }

    /// Begins at `position`, which took no time.
    pub fn start_at(&self, position: usize) {
        self.bar.start_at(position);
        self.with_lines(|lines| lines.start_at(position, Instant::now()));
    }

    /// One more is done.
    pub fn inc(&self) {
        self.bar.inc();
        self.with_lines(|lines| {
            if let Some(line) = lines.inc(Instant::now()) {
                eprintln!("{line}");
            }
        });
    }

    /// Sets the text beside the counts.
    pub fn set_message(&self, message: String) {
        self.with_lines(|lines| lines.message.clone_from(&message));
        self.bar.set_message(&message);
    }

    /// Counts the items of an iterator as they are asked for.
    pub fn wrap<I: IntoIterator>(self, items: I) -> impl Iterator<Item = I::Item> {
        items.into_iter().inspect(move |_| self.inc())
    }

    fn with_lines(&self, change: impl FnOnce(&mut Lines)) {
        if let Some(lines) = &self.lines {
            change(&mut lines.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        self.bar.clear();
    }
}

/// The bar on a terminal.
#[cfg(feature = "cli")]
#[derive(Debug)]
struct Bar(indicatif::ProgressBar);

#[cfg(feature = "cli")]
impl Bar {
    fn new(shown: bool, length: usize, what: &str) -> Self {
        let template = format!("{{bar:30}} {what} {{pos}}/{{len}}{{msg}}, {{eta}} left");
        let bar = match shown {
            true => indicatif::ProgressBar::new(length as u64),
            false => indicatif::ProgressBar::hidden(),
        };
        let style = indicatif::ProgressStyle::with_template(&template);
        Self(bar.with_style(style.unwrap_or(indicatif::ProgressStyle::default_bar())))
    }

    /// indicatif draws on terminals only.
    fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }

    fn start_at(&self, position: usize) {
        self.0.set_position(position as u64);
        self.0.reset_eta();
    }

    fn inc(&self) {
        self.0.inc(1);
    }

    fn set_message(&self, message: &str) {
        self.0.set_message(format!(", {message}"));
    }

    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// No bar.
#[cfg(not(feature = "cli"))]
#[derive(Debug)]
struct Bar;

#[cfg(not(feature = "cli"))]
impl Bar {
    fn new(_: bool, _: usize, _: &str) -> Self {
        Self
    }

    fn is_hidden(&self) -> bool {
        true
    }

    fn start_at(&self, _: usize) {}

    fn inc(&self) {}

    fn set_message(&self, _: &str) {}

    fn clear(&self) {}
}

/// A duration in its largest unit of which there are two or more.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (count, unit) = match seconds {
        s if s < 120.0 => (s, "second"),
        s if s < 7200.0 => (s / 60.0, "minute"),
        s => (s / 3600.0, "hour"),
    };
    match count.round() {
        1.0 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

/// When a line is due, and what it says.
#[derive(Debug)]
struct Lines {
    what: String,
    length: usize,
    position: usize,
    message: String,
    /// Position and time of the start.
    start: (usize, Instant),
    next: Instant,
}

impl Lines {
    fn new(what: &str, length: usize) -> Self {
        let now = Instant::now();
        Self {
            what: what.to_string(),
            length,
            position: 0,
            message: String::new(),
            start: (0, now),
            next: now + FIRST_LINE,
        }
    }

    fn start_at(&mut self, position: usize, now: Instant) {
        self.position = position;
        self.start = (position, now);
    }

    /// Counts one; the line to print, if one is due.
    fn inc(&mut self, now: Instant) -> Option<String> {
        self.position += 1;
        let was_late = self.start.1 + FIRST_LINE <= now;
        let last = was_late && self.position == self.length;
        if now < self.next && !last {
            return None;
        }
        self.next = now + BETWEEN_LINES;
        let mut line = format!("{}: {}/{}", self.what, self.position, self.length);
        if !self.message.is_empty() {
            line += &format!(", {}", self.message);
        }
        let (from, started) = self.start;
        let elapsed = now - started;
        line += &match last {
            true => format!(", done in {}", in_words(elapsed)),
            false => {
                let done = (self.position - from) as f64;
                let rest = self.length.saturating_sub(self.position) as f64;
                format!(", {} left", in_words(elapsed.mul_f64(rest / done)))
            }
        };
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_at_intervals_and_at_the_end() {
        let mut lines = Lines::new("training", 100);
        let start = Instant::now();
        lines.start_at(20, start);
        lines.next = start + FIRST_LINE;
        lines.message = "loss 0.5".into();
        let mut printed = Vec::new();
        for second in 1..=80 {
            printed.extend(lines.inc(start + Duration::from_secs(second)));
        }
        let expected = [
            "training: 25/100, loss 0.5, 75 seconds left",
            "training: 55/100, loss 0.5, 45 seconds left",
            "training: 85/100, loss 0.5, 15 seconds left",
            "training: 100/100, loss 0.5, done in 80 seconds",
        ];
        assert_eq!(printed, expected);
    }

    #[test]
    fn short_work_prints_nothing() {
        let mut lines = Lines::new("reading", 10);
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(lines.inc(start + Duration::from_millis(100)), None);
        }
    }
}
