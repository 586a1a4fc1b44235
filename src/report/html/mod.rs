//! The report of a run for people: one HTML file that needs nothing else.

mod chart;

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use self::chart::{Axes, escape, histograms, line, number};
use super::evaluation::Curves;
use super::json::Report;
use super::table::ImageRow;
use crate::error::Result;

/// Pictures of each kind of result.
const PICTURES: usize = 12;
/// The losses are shown as means of about so many parts of the training.
const LOSSES: usize = 200;
const STYLE: &str = include_str!("style.css");

/// A run's report as an HTML page: figures with their conditions, curves, pictures with the worst mistakes
/// first, settings, times, and how the data were understood.
#[derive(Debug)]
pub struct HtmlReport<'a> {
    /// The figures.
    pub report: &'a Report,
    /// Every test image at the stored thresholds.
    pub images: &'a [ImageRow],
    /// The curves of all images.
    pub curves: Curves,
    /// The loss of every step; empty if it was not trained here.
    pub losses: &'a [f32],
    /// What the reader of the data set noted.
    pub notes: &'a [String],
    /// The lowest and the highest score of the pictures' colours.
    pub colours: (f32, f32),
}

impl HtmlReport<'_> {
    /// The page. `picture` gives the picture of an image as JPEG, or none.
    ///
    /// # Errors
    ///
    /// Those of `picture`.
    pub fn to_html(
        &self,
        picture: &mut dyn FnMut(&ImageRow) -> Result<Option<Vec<u8>>>,
    ) -> Result<String> {
        let report = self.report;
        let title = escape(&format!("{}: {}", report.category, report.method));
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{STYLE}</style>\
             </head><body><h1>{title}</h1>\n"
        );
        page += &self.summary();
        page += "<h2>Curves</h2><div class=\"charts\">";
        page += &self.charts();
        page += "</div>\n";
        self.pictures(&mut page, picture)?;
        page += &self.defects();
        page += &self.settings();
        page += "</body></html>\n";
        Ok(page)
    }

    /// The figures and their conditions.
    fn summary(&self) -> String {
        let (report, found) = (self.report, &self.report.evaluation);
        let [good, defective] = [false, true].map(|anomalous| {
            let images = self
                .images
                .iter()
                .filter(|image| image.anomalous == anomalous);
            let count = images.clone().count();
            (count, images.filter(|image| image.detected).count())
        });
        let trained = match (report.steps, report.seed) {
            (Some(steps), Some(seed)) => format!(", {steps} steps, seed {seed}"),
            _ => String::new(),
        };
        let mut html = format!(
            "<p>Trained on {} good images{trained}; tested on {} good ones and {} with defects; computed by \
             {}.</p>\n",
            report.images.train,
            good.0,
            defective.0,
            escape(&report.device)
        );
        let policy = report.threshold_policy.as_deref().unwrap_or("not known");
        let _ = writeln!(
            html,
            "<p>At the stored threshold {} ({}), <b>{} of {} good images are called defective</b> and \
             <b>{} of {} with defects are missed</b>.</p>",
            number(report.threshold.into()),
            escape(policy),
            good.1,
            good.0,
            defective.0 - defective.1,
            defective.0
        );
        let rows = [
            ("image AUROC", found.image.auroc),
            ("image average precision", found.image.average_precision),
            ("image F1-max", found.image.f1_max),
            ("pixel AUROC", found.pixel.auroc),
            ("pixel average precision", found.pixel.average_precision),
            ("pixel F1-max", found.pixel.f1_max),
            ("pixel F1 at the stored threshold", report.pixel_f1),
            ("AUPRO up to 0.3", found.aupro.at_0_3),
            ("AUPRO up to 0.05", found.aupro.at_0_05),
        ];
        html += "<table><tbody>";
        for (name, value) in rows {
            let _ = write!(html, "<tr><th>{name}</th><td>{}</td></tr>", optional(value));
        }
        html += "</tbody></table>\n";
        if rows.iter().any(|(_, value)| value.is_none()) {
            html += "<p class=\"note\">– is undefined: there are no images of one class, or no masks.</p>\n";
        }
        html
    }

    fn charts(&self) -> String {
        let scores = |anomalous: bool| -> Vec<f64> {
            let images = self
                .images
                .iter()
                .filter(|image| image.anomalous == anomalous);
            images.map(|image| f64::from(image.score)).collect()
        };
        let (good, defective) = (scores(false), scores(true));
        let sets = [("good", &good[..]), ("with defects", &defective[..])];
        let threshold = ("threshold", f64::from(self.report.threshold));
        let mut html = histograms("Scores of the test images", "score", sets, threshold);
        if let Some(held_out) = &self.report.held_out_scores {
            let held_out: Vec<f64> = held_out.iter().map(|score| f64::from(*score)).collect();
            let sets = [("good, held out of the training", &held_out[..]), ("", &[])];
            let title = "Scores that the threshold was chosen from";
            html += &histograms(title, "score", sets, threshold);
        }
        if let Some(curve) = &self.curves.image_roc {
            let axes = Axes {
                title: "ROC of images",
                x: ("false-positive rate", 0.0, 1.0),
                y: ("true-positive rate", 0.0, 1.0),
            };
            html += &line(&axes, &curve.points);
        }
        if let Some(curve) = &self.curves.pro {
            let axes = Axes {
                title: "Overlap with regions (PRO)",
                x: ("false-positive rate of pixels", 0.0, 0.3),
                y: ("mean overlap", 0.0, 1.0),
            };
            let shown = curve.points.partition_point(|point| point[0] <= 0.3) + 1;
            html += &line(&axes, &curve.points[..shown.min(curve.points.len())]);
        }
        if !self.losses.is_empty() {
            html += &self.loss();
        }
        html
    }

    /// The loss by step, as means of neighbouring steps.
    fn loss(&self) -> String {
        let each = self.losses.len().div_ceil(LOSSES);
        let parts = self.losses.chunks(each).enumerate();
        let points: Vec<[f64; 2]> = parts
            .map(|(index, part)| {
                let mean =
                    part.iter().map(|loss| f64::from(*loss)).sum::<f64>() / part.len() as f64;
                [(index * each + part.len()) as f64, mean]
            })
            .collect();
        let most = points.iter().map(|point| point[1]).fold(0.0, f64::max);
        let title = format!("Loss, mean of {each} steps");
        let axes = Axes {
            title: &title,
            x: ("step", 0.0, self.losses.len() as f64),
            y: ("loss", 0.0, most),
        };
        line(&axes, &points)
    }

    /// Misses, false alarms, and of what is right the images nearest to the threshold.
    fn pictures(
        &self,
        page: &mut String,
        picture: &mut dyn FnMut(&ImageRow) -> Result<Option<Vec<u8>>>,
    ) -> Result<()> {
        let of = |anomalous: bool, detected: bool| -> Vec<&ImageRow> {
            let images = self.images.iter();
            let mut images: Vec<&ImageRow> = images
                .filter(|image| image.anomalous == anomalous && image.detected == detected)
                .collect();
            // Misses by the lowest score, false alarms by the highest; what is right the other way round.
            images.sort_by(|a, b| a.score.total_cmp(&b.score));
            if !anomalous {
                images.reverse();
            }
            images
        };
        let groups = [
            (
                "Misses: images with defects below the threshold",
                of(true, false),
            ),
            (
                "False alarms: good images at or above the threshold",
                of(false, true),
            ),
            (
                "Defects that are found, the least certain first",
                of(true, true),
            ),
            (
                "Good images that pass, the least certain first",
                of(false, false),
            ),
        ];
        let (low, high) = self.colours;
        let _ = writeln!(
            page,
            "<h2>Pictures</h2><p>From left to right: image, ground truth (grey where it is not known), \
             predicted mask, anomaly map, overlay. Colours of the map: {} <span class=\"bar\"></span> {}</p>",
            number(low.into()),
            number(high.into())
        );
        for (title, images) in groups {
            let count = images.len();
            let shown = match count > PICTURES {
                true => format!("{count}; the first {PICTURES} are shown"),
                false => count.to_string(),
            };
            let _ = writeln!(page, "<h3>{title} ({shown})</h3>");
            for image in images.into_iter().take(PICTURES) {
                let caption = escape(&format!(
                    "{}/{}: score {}",
                    image.defect,
                    image.image,
                    number(image.score.into())
                ));
                let Some(jpeg) = picture(image)? else {
                    continue;
                };
                let _ = writeln!(
                    page,
                    "<figure class=\"panel\"><img loading=\"lazy\" alt=\"{caption}\" \
                     src=\"data:image/jpeg;base64,{}\"><figcaption>{caption}</figcaption></figure>",
                    BASE64_STANDARD.encode(jpeg)
                );
            }
        }
        Ok(())
    }

    fn defects(&self) -> String {
        if self.report.defects.is_empty() {
            return String::new();
        }
        let mut html = String::from(
            "<h2>Kinds of defects</h2><p>Each among all good images.</p><div class=\"wide\"><table><thead>\
             <tr><th>kind</th><th>images</th><th>image AUROC</th><th>pixel AUROC</th>\
             <th>AUPRO to 0.3</th><th>AUPRO to 0.05</th></tr></thead><tbody>",
        );
        for row in &self.report.defects {
            let _ = write!(
                html,
                "<tr><th>{}</th><td>{}</td>",
                escape(&row.name),
                row.images
            );
            for value in [
                row.image_auroc,
                row.pixel_auroc,
                row.aupro_0_3,
                row.aupro_0_05,
            ] {
                let _ = write!(html, "<td>{}</td>", optional(value));
            }
            html += "</tr>";
        }
        html + "</tbody></table></div>\n"
    }

    fn settings(&self) -> String {
        let (report, seconds) = (self.report, &self.report.seconds);
        let mut html = String::from("<h2>Times, settings, data</h2><ul>");
        if let Some(train) = seconds.train {
            let _ = write!(html, "<li>training: {} s</li>", number(train));
        }
        let _ = write!(
            html,
            "<li>testing, metrics and pictures: {} s; a prediction {} s on average</li>",
            number(seconds.evaluate),
            number(seconds.per_image)
        );
        for (branch, weight) in &report.weights {
            let _ = write!(html, "<li>weight of {}: {weight}</li>", escape(branch));
        }
        for note in self.notes {
            let _ = write!(html, "<li>data: {}</li>", escape(note));
        }
        html += "</ul>\n";
        let mut details = |name: &str, value: &serde_json::Value| {
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            let _ = writeln!(
                html,
                "<details><summary>{name}</summary><pre>{}</pre></details>",
                escape(&text)
            );
        };
        details("Settings of the model", &report.model);
        if let Some(training) = &report.training {
            details("Recipe of the training", training);
        }
        html + "<p class=\"note\">Made by hypad "
            + env!("CARGO_PKG_VERSION")
            + "; all figures with all digits are in report.json and tables/.</p>\n"
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.4}"))
}
