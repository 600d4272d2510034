//! Reports of runs and of names for people and machines. They are written while the results are read, so memory does not grow with
//! the run.

mod claims;
mod ending;
mod forecast;
mod groups;
mod guard_line;
mod html;
mod inventory;
mod json;
mod ocsf;
mod period;
mod show;
mod tables;
mod text;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

pub use claims::{Anchoring, Checkpoint, CheckpointSignature};
pub use ending::{EXCEPTIONS, EachResult, Ending, explanation, print_ending};
pub use forecast::{Forecast, InUse, ListingSummary, NameList};
pub use groups::{DatamartSummary, GroupSummary, GroupsSummary, counted};
pub use guard_line::{GuardLine, GuardResult};
pub use html::{
    Annex, CERTIFICATE, Certificate, CustomerCertificate, EachTarget, LONGEST_LIST, Purpose, Statement,
    write_certificate, write_customer_certificate, write_period_page,
};
pub use inventory::{InventoryEntry, write_inventory_csv, write_inventory_json};
pub use json::print_ending_json;
pub use ocsf::{OCSF_VERSION, ocsf_event};
pub use period::{
    GroupCount, POPULATION, PeriodCounts, PeriodLog, PeriodReport, Population, PopulationWriter, Sample,
    SampleDraw, write_period,
};
pub use show::{NameHistory, write_results_json, write_show};
pub use text::{delimited, grouped, rounded, visible};

use crate::domain::{ResultFilter, RunSummary};

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Table,
    /// One row a target, for spreadsheets: no cell is a formula.
    Csv,
    /// One object, with the names of the audit log's views.
    Json,
    /// For a ticket or a wiki.
    Markdown,
}

impl Format {
    /// What a report in this format begins with, about a run or about one datasource. `0` stands for any digit.
    #[must_use]
    pub const fn beginnings(self) -> &'static [&'static str] {
        match self {
            Self::Table => &[" Run            0", "datasource ", "datamart ", "REHEARSAL: "],
            Self::Csv => &["run_id,target,datasource,"],
            Self::Json => &["{\"run\":{\"", "{\"logs\":[", "[{\"approved_by\":", "[]"],
            Self::Markdown => &["# Run 0", "## datasource ", "## datamart ", "## REHEARSAL: "],
        }
    }

    /// The results that a report in this format lists.
    #[must_use]
    pub const fn lists(self) -> ResultFilter<'static> {
        match self {
            Self::Table | Self::Markdown => ResultFilter::AnyOutcome(EXCEPTIONS),
            Self::Csv | Self::Json => ResultFilter::All,
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "table" => Ok(Self::Table),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "md" => Ok(Self::Markdown),
            _ => Err(UnknownFormat { text: text.to_owned(), known: "table, csv, json and md" }),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Markdown => "md",
        })
    }
}

/// The format of a report of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunFormat {
    Plain(Format),
    /// An HTML page that certifies the run.
    Certificate,
}

impl FromStr for RunFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        if text == "html" {
            return Ok(Self::Certificate);
        }
        let known = "table, csv, json, md and html";
        text.parse().map(Self::Plain).map_err(|error: UnknownFormat| UnknownFormat { known, ..error })
    }
}

impl fmt::Display for RunFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(format) => format.fmt(f),
            Self::Certificate => f.write_str("html"),
        }
    }
}

/// A text that is not a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a format; the formats are {known}")]
pub struct UnknownFormat {
    pub text: String,
    pub known: &'static str,
}

/// Writes a report of one run. `results` are those that [`Format::lists`]. With `verbose` a table names also what an
/// earlier run deleted.
pub fn write_report(
    out: &mut dyn Write,
    format: Format,
    run: &RunSummary,
    results: EachResult<'_>,
    verbose: bool,
) -> io::Result<()> {
    match format {
        Format::Table => tables::text(out, run, results, verbose),
        Format::Csv => tables::csv_report(out, run, results),
        Format::Json => json::report(out, run, results),
        Format::Markdown => tables::markdown_report(out, run, results),
    }
}

/// Writes a list of runs.
pub fn write_runs(out: &mut dyn Write, format: Format, runs: &[RunSummary]) -> io::Result<()> {
    match format {
        Format::Table => tables::runs_text(out, runs),
        Format::Csv => tables::runs_csv(out, runs),
        Format::Json => json::runs(out, runs),
        Format::Markdown => tables::runs_markdown(out, runs),
    }
}
