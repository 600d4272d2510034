//! The population: one row for each target that got its outcome in the period.

use std::io::{self, Write};

use crate::domain::SettledTarget;
use crate::report::tables::{ROWS, io_error};
use crate::report::text::cell;

/// The columns. None of them is one that an input takes its names from: a population is not a list of what to delete.
const COLUMNS: [&str; 26] = [
    "log_id",
    "run_id",
    "target",
    "kind",
    "resource",
    "dependant_of",
    "outcome",
    "evidence",
    "finished_at",
    "first_attempt_at",
    "attempts",
    "http_status",
    "error_code",
    "datasource_id",
    "operator",
    "ticket",
    "reason",
    "target_ticket",
    "target_reason",
    "customer",
    "requested_at",
    "plan_digest",
    "approved_by",
    "base_url",
    "rehearsal",
    ROWS,
];

/// How the file of a population begins.
pub const POPULATION: &[&str] = &["log_id,run_id,target,kind,resource,"];

/// Writes the rows of a population, the header first.
pub struct PopulationWriter<W: Write> {
    csv: csv::Writer<W>,
    /// How many rows the file has, in each of them.
    rows: String,
}

impl<W: Write> PopulationWriter<W> {
    /// Begins a file of so many rows.
    pub fn new(out: W, rows: u64) -> io::Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(COLUMNS).map_err(io_error)?;
        Ok(Self { csv, rows: rows.to_string() })
    }

    /// Writes one row.
    pub fn add(&mut self, target: &SettledTarget) -> io::Result<()> {
        let (run, result, request) = (&target.run, &target.result, &target.request);
        let text = |text: Option<&str>| cell(text.unwrap_or_default()).into_owned();
        let cells = [
            target.log_id.to_string(),
            run.run_id.clone(),
            result.target.to_string(),
            result.kind.to_string(),
            cell(&result.name).into_owned(),
            text(result.dependant_of.as_deref()),
            result.outcome.to_string(),
            text(result.evidence.as_deref()),
            text(result.finished_at.as_deref()),
            text(result.first_attempt_at.as_deref()),
            result.attempts.to_string(),
            result.http_status.map(|status| status.to_string()).unwrap_or_default(),
            text(result.error_code.as_deref()),
            text(result.datasource_id.as_deref()),
            text(run.operator.as_deref()),
            text(run.ticket.as_deref()),
            text(run.reason.as_deref()),
            text(result.target_ticket.as_deref()),
            text(result.target_reason.as_deref()),
            text(request.customer.as_deref()),
            text(request.requested_at.as_deref()),
            text(run.plan_digest.as_deref()),
            text(run.approved_by.as_deref()),
            text(Some(&run.base_url)),
            u8::from(run.rehearsal).to_string(),
            self.rows.clone(),
        ];
        self.csv.write_record(cells).map_err(io_error)
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.csv.flush()
    }
}
