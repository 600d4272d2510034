//! `decom audit merge`: several logs in one new file, for reports.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::CommandError;
use super::super::context::{Context, Options, World, quoted};
use super::super::output::to_stdout;
use crate::audit::{self, Merged};
use crate::domain::ExitStatus;
use crate::report::{grouped, visible};

/// What `decom audit merge` is asked for.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    pub logs: Vec<PathBuf>,
    pub out: PathBuf,
}

/// Merges the logs, and reports what is in the new file.
///
/// # Errors
/// If a log is not sound, two contradict each other, or the file cannot be written.
pub fn merge(request: &MergeRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    let _context = Context::new(options, world)?;
    let merged = audit::merge(&request.logs, &request.out)?;
    to_stdout(|out| if options.json { as_json(out, &merged) } else { as_text(out, &merged, &request.out) })?;
    Ok(ExitStatus::Done)
}

fn as_json(out: &mut dyn Write, merged: &Merged) -> io::Result<()> {
    let logs: Vec<_> = merged
        .logs
        .iter()
        .map(|log| {
            json!({
                "log_id": log.log_id,
                "path": log.path.to_string_lossy(),
                "records": log.records,
                "head": log.head,
                "predecessor": log.predecessor.as_ref().map(|(log_id, _)| log_id),
            })
        })
        .collect();
    let same: Vec<_> = merged
        .same
        .iter()
        .map(|same| {
            json!({
                "path": same.path.to_string_lossy(),
                "kept": same.kept.to_string_lossy(),
                "records": same.records,
                "beyond": same.beyond,
            })
        })
        .collect();
    let overlaps: Vec<_> = merged
        .overlaps
        .iter()
        .map(|overlap| {
            let logs: Vec<_> =
                overlap.logs.iter().filter_map(|place| logs.get(place.wrapping_sub(1))).collect();
            let logs: Vec<_> = logs.iter().map(|log| &log["log_id"]).collect();
            json!({ "datasource": overlap.datasource, "logs": logs })
        })
        .collect();
    let object = json!({
        "logs": logs,
        "left_out": same,
        "overlapping": merged.overlapping,
        "overlaps": overlaps,
    });
    writeln!(out, "{object}")
}

fn as_text(out: &mut dyn Write, merged: &Merged, path: &Path) -> io::Result<()> {
    let count =
        |n: u64, one: &str| if n == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(n)) };
    let shown = |path: &Path| visible(&path.to_string_lossy()).into_owned();
    let records = |n: i64| count(n.unsigned_abs(), "record");
    let all = merged.logs.iter().map(|log| log.records).sum();
    let logs = count(merged.logs.len() as u64, "log");
    writeln!(out, "Merged {logs} with {} into {}:", records(all), shown(path))?;
    for log in &merged.logs {
        writeln!(out, "  {}  {}  {}", visible(&log.log_id), shown(&log.path), records(log.records))?;
        match &log.predecessor {
            Some((_, true)) => writeln!(out, "    continues where one of the others was closed")?,
            Some((log_id, false)) => writeln!(
                out,
                "    continues where the log {} was closed, which is not among them",
                visible(log_id)
            )?,
            None => {}
        }
    }
    if !merged.same.is_empty() {
        writeln!(out, "\nLeft out, as all of it is in another:")?;
    }
    for same in &merged.same {
        let beyond = match same.beyond {
            0 => "the same".to_owned(),
            more => format!("{} more", records(more)),
        };
        writeln!(out, "  {}  {} has {beyond}", shown(&same.path), shown(&same.kept))?;
    }
    if merged.overlapping > 0 {
        let names = count(merged.overlapping, "datasource");
        let were = if merged.overlapping == 1 { "was" } else { "were" };
        writeln!(out, "\n{names} {were} deleted according to more than one of the logs:")?;
    }
    for overlap in &merged.overlaps {
        let logs: Vec<_> =
            overlap.logs.iter().filter_map(|place| merged.logs.get(place.wrapping_sub(1))).collect();
        let logs: Vec<_> = logs.iter().map(|log| shown(&log.path)).collect();
        writeln!(out, "  {}  {}", visible(&overlap.datasource), logs.join(", "))?;
    }
    let more = merged.overlapping.saturating_sub(merged.overlaps.len() as u64);
    if more > 0 {
        writeln!(out, "  … and {} more", grouped(more))?;
    }
    let runs = ["decom", "runs", "--audit-db"].map(str::to_owned);
    let runs = quoted(&[&runs[..], &[path.display().to_string()]].concat());
    writeln!(out, "\nTo list the runs of all:\n  {runs}")
}
