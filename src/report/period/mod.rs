//! What was deleted in a period: the population as CSV, and a report with its counts, its gaps and a sample.

mod counts;
mod json;
mod population;
mod sample;
mod text;
mod wording;

use std::io::{self, Write};

pub use counts::{GroupCount, PeriodCounts};
pub use population::{POPULATION, PopulationWriter};
pub use sample::{Sample, SampleDraw};
pub(super) use wording::{gaps, missing_log, not_covered, summary};

use super::Format;
use super::claims::Anchoring;
use crate::domain::{LogState, MissingLog, Period, Timestamp, UnsettledRun};

/// What was deleted in a period, as far as the logs at hand hold it.
#[derive(Debug, Clone)]
pub struct PeriodReport {
    pub period: Period,
    pub population: Population,
    pub counts: PeriodCounts,
    /// The logs that were read, the oldest first.
    pub logs: Vec<PeriodLog>,
    /// The logs that are named, and were not at hand.
    pub missing: Vec<MissingLog>,
    pub unsettled: Vec<UnsettledRun>,
    /// All of it was a rehearsal.
    pub rehearsal: bool,
    /// How many targets of rehearsals are left out.
    pub rehearsed: u64,
    pub sample: Option<Sample>,
    /// The organisation that issues it.
    pub organisation: Option<String>,
    pub issued_at: Timestamp,
    /// The version of decom that issues it.
    pub issued_by: String,
    /// The fingerprint of the key that signs the page.
    pub signed_with: Option<String>,
}

/// The CSV file with every target of the period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    pub bytes: u64,
    /// The name of the file beside the page; `None` if none was written.
    pub file: Option<String>,
    /// The command that writes it.
    pub command: String,
}

/// A log that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodLog {
    pub state: LogState,
    pub begun_at: Timestamp,
    /// The file that it is in.
    pub file: String,
    /// What is known of its newest checkpoint.
    pub anchoring: Anchoring,
}

/// Writes the report; the population itself is written by [`PopulationWriter`].
pub fn write_period(out: &mut dyn Write, format: Format, report: &PeriodReport) -> io::Result<()> {
    match format {
        Format::Table => text::table(out, report),
        Format::Markdown => text::markdown_page(out, report),
        Format::Json | Format::Csv => json::object(out, report),
    }
}
