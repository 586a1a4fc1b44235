//! Tables: rows of one kind as CSV, as JSON and as text.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::evaluation::Evaluation;
use crate::error::{Error, Result};
use crate::files::write_atomic;

/// A connected region of the truth.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegionRow {
    /// Name of its image.
    pub image: String,
    /// Kind of defect.
    pub defect: String,
    /// Number within the image, from 0.
    pub region: usize,
    /// Pixels.
    pub area: u64,
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns from the first to the last.
    pub width: usize,
    /// Rows from the first to the last.
    pub height: usize,
    /// Highest score.
    pub score: f32,
    /// The part of it with score ≥ the threshold of pixels.
    pub overlap: f64,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ImageRow {
    /// Name of the image.
    pub image: String,
    /// Kind of defect, or `good`.
    pub defect: String,
    /// Whether it has an anomalous pixel.
    pub anomalous: bool,
    /// Highest score of the map.
    pub score: f32,
    /// Whether the score reaches the threshold of images.
    pub detected: bool,
    /// Number of connected regions of the truth; `None`, as below, where there is no truth.
    pub regions: Option<u64>,
    /// Number of anomalous pixels.
    pub anomalous_pixels: Option<u64>,
    /// Anomalous pixels with score ≥ the threshold of pixels.
    pub found_pixels: Option<u64>,
    /// Normal pixels with score ≥ the threshold of pixels.
    pub false_pixels: Option<u64>,
}

/// The metrics of a kind of defect, of a category, or a mean over categories; empty where undefined.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MetricsRow {
    /// Of what.
    pub name: String,
    /// How many images, the good ones that a kind of defect is compared with not counted.
    pub images: usize,
    /// Image AUROC.
    pub image_auroc: Option<f64>,
    /// Image average precision.
    pub image_ap: Option<f64>,
    /// Image area under the precision–recall curve by the trapezoid rule.
    pub image_aupr: Option<f64>,
    /// Image F1-max.
    pub image_f1: Option<f64>,
    /// Pixel AUROC.
    pub pixel_auroc: Option<f64>,
    /// Pixel average precision.
    pub pixel_ap: Option<f64>,
    /// Pixel area under the precision–recall curve by the trapezoid rule.
    pub pixel_aupr: Option<f64>,
    /// Pixel F1-max.
    pub pixel_f1: Option<f64>,
    /// AUPRO up to false-positive rate 0.05.
    #[serde(rename = "aupro_0.05")]
    pub aupro_0_05: Option<f64>,
    /// AUPRO up to 0.3.
    #[serde(rename = "aupro_0.3")]
    pub aupro_0_3: Option<f64>,
    /// AUPRO over the whole curve.
    #[serde(rename = "aupro_1.0")]
    pub aupro_1: Option<f64>,
}

impl MetricsRow {
    /// A row of metrics.
    pub fn new(name: &str, images: usize, metrics: &Evaluation) -> Self {
        let Evaluation {
            image,
            pixel,
            aupro,
        } = metrics;
        Self {
            name: name.to_string(),
            images,
            image_auroc: image.auroc,
            image_ap: image.average_precision,
            image_aupr: image.aupr,
            image_f1: image.f1_max,
            pixel_auroc: pixel.auroc,
            pixel_ap: pixel.average_precision,
            pixel_aupr: pixel.aupr,
            pixel_f1: pixel.f1_max,
            aupro_0_05: aupro.at_0_05,
            aupro_0_3: aupro.at_0_3,
            aupro_1: aupro.at_1,
        }
    }
}

/// Rows of one kind. Displayed, it is a Markdown table, with four decimals and `-` for what is
/// undefined; the files have all digits.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<R> {
    rows: Vec<R>,
}

impl Table<MetricsRow> {
    /// The metrics of categories, each with its name and number of images, and their means if there are
    /// several.
    pub fn of_categories(categories: &[(String, usize, Evaluation)]) -> Self {
        let rows = categories.iter();
        let mut rows: Vec<_> = rows
            .map(|(name, images, evaluation)| MetricsRow::new(name, *images, evaluation))
            .collect();
        if categories.len() > 1 {
            let all: Vec<_> = categories.iter().map(|category| category.2).collect();
            let images = categories.iter().map(|category| category.1).sum();
            rows.push(MetricsRow::new("mean", images, &Evaluation::mean(&all)));
        }
        Self::new(rows)
    }
}

impl<R: Serialize> Table<R> {
    /// A table of these rows.
    pub fn new(rows: Vec<R>) -> Self {
        Self { rows }
    }

    /// Writes the table as `<stem>.csv` and `<stem>.json` (an array of objects), each whole or not
    /// at all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the file.
    pub fn write(&self, stem: impl AsRef<Path>) -> Result<()> {
        let path = |ending| stem.as_ref().with_added_extension(ending);
        let (csv, json) = (path("csv"), path("json"));
        let failed = |path: &Path, reason: String| Error::Format {
            path: path.to_path_buf(),
            reason,
        };
        let bytes = self.csv().map_err(|e| failed(&csv, e.to_string()))?;
        write_atomic(&csv, &bytes)?;
        let mut bytes =
            serde_json::to_vec_pretty(&self.rows).map_err(|e| failed(&json, e.to_string()))?;
        bytes.push(b'\n');
        write_atomic(&json, &bytes)
    }

    fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(row)?;
        }
        writer.into_inner().map_err(|e| e.into_error().into())
    }

    /// The table as Markdown, in columns of one width.
    fn markdown(&self) -> Result<String, csv::Error> {
        let csv = self.csv()?;
        let mut reader = csv::Reader::from_reader(csv.as_slice());
        let mut rows: Vec<Vec<String>> =
            vec![reader.headers()?.iter().map(str::to_string).collect()];
        for record in reader.records() {
            rows.push(record?.iter().map(cell).collect());
        }
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..rows[0].len()).filter_map(width).collect();
        let line = |row: &[String]| {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| match column {
                    0 => format!(" {cell:<width$} |"),
                    _ => format!(" {cell:>width$} |"),
                });
            format!("|{}\n", cells.collect::<String>())
        };
        let rule: String = widths
            .iter()
            .map(|width| "-".repeat(width + 2) + "|")
            .collect();
        let body: String = rows[1..].iter().map(|row| line(row)).collect();
        Ok(format!("{}|{rule}\n{body}", line(&rows[0])))
    }
}

impl<R: Serialize> fmt::Display for Table<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.markdown().map_err(|_| fmt::Error)?;
        f.write_str(&table)
    }
}

fn cell(field: &str) -> String {
    match field.parse::<f64>() {
        _ if field.is_empty() => "-".to_string(),
        Ok(number) if field.contains(['.', 'e', 'E']) => format!("{number:.4}"),
        _ => field.to_string(),
    }
}
