//! The program `hypad`: detectors of anomalies from a folder of good images. It parses, calls the library and
//! prints; results go to the standard output, progress and warnings to the standard error.

mod bench;
mod data;
mod device;
mod evaluate;
mod info;
mod logger;
mod policy;
mod predict;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use hypad::{Error, Result};

/// Learn from good images what is normal, find what is not.
///
/// Exit codes: 0 fine, 1 an error, 2 wrong use, 3 a defect was found (predict --fail-on-defect).
#[derive(Parser)]
#[command(name = "hypad", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Data(data::Args),
    Train(Box<train::Args>),
    Predict(predict::Args),
    Evaluate(evaluate::Args),
    Bench(bench::Args),
    Info(info::Args),
    /// Print a script that completes commands and flags in a shell.
    ///
    /// Example: hypad completions bash > /etc/bash_completion.d/hypad
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What a command ends with.
enum Outcome {
    Fine,
    /// It has done what it could, and told of what it could not.
    Failed,
    Defect,
}

fn main() -> ExitCode {
    logger::start();
    let result = match Cli::parse().command {
        Command::Data(args) => data::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "hypad", &mut std::io::stdout());
            Ok(Outcome::Fine)
        }
    };
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Ok(Outcome::Defect) => ExitCode::from(3),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line of results. A reader that has gone away, as `head` does, is no error.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(|source| Error::Io {
            path: "standard output".into(),
            source,
        }),
    }
}

/// A value as a line of JSON, or indented.
fn json(value: &impl serde::Serialize, indented: bool) -> Result<String> {
    let text = match indented {
        true => serde_json::to_string_pretty(value),
        false => serde_json::to_string(value),
    };
    text.map(|text| text + "\n").map_err(|error| Error::Format {
        path: "standard output".into(),
        reason: error.to_string(),
    })
}
