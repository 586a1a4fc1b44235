//! `hypad data`: what was understood of a folder.

use std::path::PathBuf;

use hypad::Result;
use hypad::data::{DataSet, Survey};
use hypad::progress::ProgressBar;
use serde::Serialize;

use super::{Outcome, json, logger, print};

/// Say what a folder holds, and everything a training on it would stumble over.
///
/// Decodes every image and mask. Reads the layouts of MVTec AD and the sets that follow it (AD 2, LOCO,
/// 3D-AD, BTAD, MPDD, VAD, AutoVI), VisA, Real-IAD, ADer's meta.json, KolektorSDD2, and any folder with good images
/// in good/ (or ok/, normal/) and others beside it, or of good images alone. Exit code 1 if training could not
/// start.
///
/// Example: hypad data photos
#[derive(clap::Args)]
pub struct Args {
    /// A data set's folder, one of its categories, or any folder of images
    path: PathBuf,
    /// These categories alone, with commas between them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    category: Vec<String>,
    /// Print JSON, with every problem
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    path: &'a PathBuf,
    layout: String,
    categories: Vec<Survey>,
    warnings: Vec<String>,
}

pub fn run(args: &Args) -> Result<Outcome> {
    let data = DataSet::open(&args.path)?;
    let names = match args.category.is_empty() {
        true => data.names().to_vec(),
        false => args.category.clone(),
    };
    if !args.json {
        let count = names.len();
        let categories = if count == 1 {
            "1 category"
        } else {
            &format!("{count} categories")
        };
        print(&format!(
            "{}: {}, {categories}\n",
            args.path.display(),
            data.layout()
        ))?;
    }
    let mut surveys = Vec::new();
    for name in &names {
        let bar = std::sync::OnceLock::new();
        let begin = |images| {
            let _ = bar.set(ProgressBar::new(true, images, &format!("reading {name}")));
        };
        let survey = Survey::of(&data, name, begin, &|| {
            if let Some(bar) = bar.get() {
                bar.inc();
            }
        });
        drop(bar);
        if !args.json {
            print(&survey.to_string())?;
        }
        surveys.push(survey);
    }
    let ready = surveys.iter().all(Survey::is_ready);
    if args.json {
        let report = Report {
            path: &args.path,
            layout: data.layout().to_string(),
            categories: surveys,
            warnings: logger::warnings(),
        };
        print(&json(&report, true)?)?;
    }
    Ok(if ready {
        Outcome::Fine
    } else {
        Outcome::Failed
    })
}
