//! Several logs in one file, for reports.
//!
//! A merged file has the tables, indexes and views of a log, so that whatever reads a log reads it
//! too. The records of each log stand in it as one block, moved by one number that the table `log`
//! tells: taking that off gives back each record as it was, with its hash, so that every chain can be
//! checked out of the merged file. It is marked as what it is, and nothing is ever written to it.

mod input;
mod output;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::audit::AuditError;
use crate::audit::verify::refuse_unsound;
use crate::domain::hex;
use input::Input;
use output::Output;
pub use output::Overlap;

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The logs that are in the file, in their order there.
    pub logs: Vec<LogPart>,
    /// The files that were left out, as another holds the same.
    pub same: Vec<SameLog>,
    /// How many datasources went in more than one of the logs.
    pub overlapping: u64,
    /// The first of these.
    pub overlaps: Vec<Overlap>,
}

/// One log in a merged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// Its id.
    pub log_id: String,
    /// The file that it was read from.
    pub path: PathBuf,
    /// How many records it has.
    pub records: i64,
    /// The hash of the last one, in hexadecimal.
    pub head: String,
    /// The id of the log before it, where it is the successor of one, and whether that is here, too.
    pub predecessor: Option<(String, bool)>,
}

/// A file that was left out, as another holds the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SameLog {
    /// The file.
    pub path: PathBuf,
    /// The one that holds the same.
    pub kept: PathBuf,
    /// How many records the file has: all of them are in the other.
    pub records: i64,
    /// How many records the other has beyond these.
    pub beyond: i64,
}

/// Merges the logs at `paths` into a new file at `out`.
///
/// # Errors
/// Where a log cannot be read or is not sound, where two of them contradict each other, or where the
/// file cannot be written or is there already. Nothing is left at `out` then.
pub fn merge(paths: &[PathBuf], out: &Path) -> Result<Merged, AuditError> {
    let mut output = Output::begin(out)?;
    for path in paths {
        refuse_unsound(path)?;
    }
    let (mut inputs, mut same): (Vec<Input>, Vec<SameLog>) = (Vec::new(), Vec::new());
    for path in paths {
        let input = Input::open(path)?;
        match inputs.iter_mut().find(|kept| kept.log_id == input.log_id) {
            None => inputs.push(input),
            Some(kept) => same.push(longer_of(kept, input)?),
        }
    }
    refuse_runs_in_two(&inputs)?;
    let logs = inputs.iter().map(|input| part(input, &inputs)).collect::<Result<_, _>>()?;
    output.fill(&inputs)?;
    let (overlapping, overlaps) = output.overlaps()?;
    output.finish()?;
    Ok(Merged { logs, same, overlapping, overlaps })
}

/// Of two files of one log keeps the longer one, where the other is its beginning.
fn longer_of(kept: &mut Input, other: Input) -> Result<SameLog, AuditError> {
    let common = kept.records.min(other.records);
    if kept.hash_at(common)? != other.hash_at(common)? {
        return Err(AuditError::Fork {
            one: kept.path().to_owned(),
            other: other.path().to_owned(),
            log_id: kept.log_id.clone(),
            seq: kept.parts_from(&other, common)?,
        });
    }
    let shorter = if other.records > kept.records { std::mem::replace(kept, other) } else { other };
    Ok(SameLog {
        path: shorter.path().to_owned(),
        kept: kept.path().to_owned(),
        records: shorter.records,
        beyond: kept.records - shorter.records,
    })
}

fn refuse_runs_in_two(inputs: &[Input]) -> Result<(), AuditError> {
    let mut known: HashMap<String, &Path> = HashMap::new();
    for input in inputs {
        for run_id in input.runs()? {
            if let Some(one) = known.insert(run_id.clone(), input.path()) {
                let (one, other) = (one.to_owned(), input.path().to_owned());
                return Err(AuditError::RunTwice { one, other, run_id });
            }
        }
    }
    Ok(())
}

/// What is told of a log. Where the one before it is among them, it has to be the one that it names.
fn part(input: &Input, inputs: &[Input]) -> Result<LogPart, AuditError> {
    let mut predecessor = None;
    if let Some(named) = &input.predecessor {
        let found = inputs.iter().find(|other| other.log_id == named.log_id);
        if let Some(found) =
            found.filter(|it| (it.records, hex(it.head)) != (named.records, named.head.clone()))
        {
            return Err(AuditError::NotItsPredecessor {
                path: input.path().to_owned(),
                predecessor: found.path().to_owned(),
                records: named.records,
            });
        }
        predecessor = Some((named.log_id.clone(), found.is_some()));
    }
    Ok(LogPart {
        log_id: input.log_id.clone(),
        path: input.path().to_owned(),
        records: input.records,
        head: hex(input.head),
        predecessor,
    })
}
