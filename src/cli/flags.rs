//! The arguments that several commands share, besides the flags of settings.
#![expect(clippy::doc_markdown, reason = "the comments are shown as help, which shows backticks")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::commands::{CommandError, InputRequest, Options};
use crate::config::{ApiFlags, CheckpointFlags, Flags, LogFlags, RunFlags};
use crate::input::{CsvOptions, Input, parse_delimiter};

#[derive(Debug, Clone, Args)]
pub(super) struct LogArgs {
    #[command(flatten)]
    settings: LogFlags,
    /// A configuration file; `decom config` prints every setting with its documentation
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// No progress, and warnings only
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    /// More of what happens, and every name
    #[arg(long, short, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    settings: RunFlags,
    #[command(flatten)]
    checkpoint: CheckpointFlags,
    /// A file that holds the service token [default: the environment's DATABRAIN_TOKEN or DATABRAIN_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = "API")]
    token_file: Option<PathBuf>,
    /// Allow to delete datasources that probably serve several customers (a datamart of tenancy TABLE), by name; repeatable
    #[arg(long, value_name = "GLOB", help_heading = "Safety")]
    allow_shared: Vec<String>,
    /// Delete the datamarts that read the datasources first, each with its definition kept; without it they stay, and so do
    /// their datasources
    #[arg(long, help_heading = "Safety")]
    with_datamarts: bool,
    /// Show what would be done, and send nothing that deletes
    #[arg(long, help_heading = "Safety")]
    dry_run: bool,
    /// Do not ask; required without a terminal
    #[arg(long, short, help_heading = "Safety")]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// How to reach the API, for commands that only ask it.
#[derive(Debug, Clone, Args)]
pub(super) struct ApiArgs {
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    settings: ApiFlags,
    /// A file that holds the service token [default: the environment's DATABRAIN_TOKEN or DATABRAIN_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = "API")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct JsonArgs {
    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct OutputArgs {
    #[command(flatten)]
    json: JsonArgs,
    /// `json` is --json, `table` is text for people
    #[arg(long, value_name = "FORM", value_enum, default_value = "table", hide = true)]
    output: OutputForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputForm {
    Table,
    Json,
}

#[derive(Debug, Clone, Args)]
pub(super) struct InputArgs {
    /// A CSV file, or `-` for standard input
    #[arg(value_name = "INPUT")]
    input: Option<Input>,
    /// The column that holds the names [default: datasource_name, datasourceName, datasource or name]
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    column: Option<String>,
    /// The input is a bare list of names, without a header
    #[arg(long, help_heading = "Input")]
    no_header: bool,
    /// What separates the columns: a character, or `tab` [default: ,]
    #[arg(long, value_name = "CHARACTER", help_heading = "Input")]
    delimiter: Option<String>,
}

impl LogArgs {
    pub(super) fn options(self) -> Options {
        Options {
            flags: Flags { log: self.settings, ..Flags::default() },
            config: self.config,
            quiet: self.quiet,
            verbose: self.verbose,
            ..Options::default()
        }
    }
}

impl RunArgs {
    pub(super) fn options(self) -> Options {
        let log = self.log.options();
        Options {
            flags: Flags { run: self.settings, checkpoint: self.checkpoint, ..log.flags },
            token_file: self.token_file,
            allow_shared: self.allow_shared,
            with_datamarts: self.with_datamarts,
            dry_run: self.dry_run,
            yes: self.yes,
            json: self.output.is_json(),
            ..log
        }
    }
}

impl ApiArgs {
    pub(super) fn options(self) -> Options {
        let log = self.log.options();
        let run = RunFlags { api: self.settings, ..RunFlags::default() };
        Options {
            flags: Flags { run, ..log.flags },
            token_file: self.token_file,
            json: self.json.json,
            ..log
        }
    }
}

impl OutputArgs {
    pub(super) fn is_json(&self) -> bool {
        self.json.json || self.output == OutputForm::Json
    }
}

impl InputArgs {
    pub(super) fn request(self) -> Result<InputRequest, CommandError> {
        Ok(InputRequest {
            input: self.input.ok_or_else(|| {
                CommandError::Usage("no INPUT; name a CSV file, or `-` for standard input".to_owned())
            })?,
            csv: CsvOptions {
                column: self.column,
                no_header: self.no_header,
                delimiter: self.delimiter.as_deref().map(parse_delimiter).transpose()?,
            },
        })
    }
}
