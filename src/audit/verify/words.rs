//! The findings in words, for people.

use std::fmt;

use super::Finding;
use crate::domain::Evidence;

impl fmt::Display for Finding {
    #[expect(clippy::too_many_lines, reason = "one message for each kind of finding")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { why } => write!(f, "the file is damaged: {why}"),
            Self::Index { name } => {
                write!(f, "the index `{name}` does not hold what the records say: what is looked up by it is wrong")
            }
            Self::Version { found } => write!(f, "there never was a schema version {found}"),
            Self::SchemaMissing { what } => write!(f, "the {what} is gone"),
            Self::SchemaAltered { what } => write!(f, "the {what} is not as decom made it"),
            Self::SchemaAdded { what } => write!(f, "decom made no {what}"),
            Self::NotCovered { what } => write!(f, "the {what} is another program's: what it holds is not covered"),
            Self::WalMissing { ended: false } => f.write_str(
                "the file was copied while it was written to, or its -wal was taken away: the last records may be missing",
            ),
            Self::WalMissing { ended: true } => f.write_str(
                "the log was last closed by another program than decom, or is a copy without its -wal: what is here ends with the end of a run",
            ),
            Self::WalForeign => f.write_str(
                "a -wal lies beside the log, and the log says that it has none: what SQLite shows is not what decom wrote. Move the -wal and the -shm away, and verify the log again",
            ),
            Self::Gap { seq, expected } => write!(f, "record {expected} should be here, and record {seq} is"),
            Self::Hash { seq } => {
                write!(f, "record {seq} does not match its hash: it, or the hash before it, was altered")
            }
            Self::Type { seq, column, found } => write!(f, "record {seq}: `{column}` holds {found}"),
            Self::Shape { seq, column, missing: true } => write!(f, "record {seq}: `{column}` is missing"),
            Self::Shape { seq, column, missing: false } => {
                write!(f, "record {seq}: `{column}` is set, and a record of this kind has none")
            }
            Self::Word { seq, column } => write!(f, "record {seq}: `{column}` holds a word that decom does not write"),
            Self::Time { seq } => write!(f, "record {seq} is earlier than the one before it"),
            Self::Genesis { seq: 1 } => f.write_str("record 1 is not the beginning of a log"),
            Self::Genesis { seq } => write!(f, "record {seq} begins a log for a second time"),
            Self::AfterClose { seq } => write!(f, "record {seq} was added behind the record that closed the log"),
            Self::Blocks { why } => write!(f, "the table of the merged logs does not fit the records: {why}"),
            Self::Reference { seq, column, to } => {
                write!(f, "record {seq}: `{column}` points to record {to}, which is none, or is finished")
            }
            Self::Numbering { seq } => write!(f, "record {seq}: the target's number is not the next one of its run"),
            Self::SettledTwice { seq, target } => write!(f, "record {seq}: a second outcome of target {target}"),
            Self::Sent { seq, target } => write!(
                f,
                "record {seq}: a request for target {target}, which has an outcome, or for the same attempt again"
            ),
            Self::Answer { seq, target } => {
                write!(f, "record {seq}: an answer for target {target}, and no request before it")
            }
            Self::Verdict { seq, verdict, status: Some(status) } => {
                write!(f, "record {seq}: the verdict `{verdict}` contradicts the reply, HTTP {status}")
            }
            Self::Verdict { seq, verdict, status: None } => {
                write!(f, "record {seq}: the verdict is `{verdict}`, and there was no reply")
            }
            Self::Outcome { seq, outcome, verdict: Some(verdict), .. } => {
                write!(f, "record {seq}: the outcome `{outcome}` contradicts the verdict `{verdict}` or its evidence")
            }
            Self::Outcome { seq, outcome, verdict: None, evidence } => {
                let evidence = evidence.map_or("nothing", Evidence::as_str);
                write!(f, "record {seq}: the outcome `{outcome}` contradicts its evidence, `{evidence}`")
            }
            Self::Doubt { seq, target } => write!(
                f,
                "record {seq}: target {target} is said to have gone in doubt, and no request for its name raised any"
            ),
            Self::Counts { seq, outcome, said, found } => {
                write!(f, "record {seq}: the end of the run says {said} {outcome}, and the records say {found}")
            }
            Self::End { seq } => write!(f, "record {seq}: the end of the run cannot be read"),
            Self::Unsettled { seq, targets } => {
                write!(f, "record {seq}: the run is finished, and {targets} of its targets have no outcome")
            }
            Self::Unfinished { seq, run_id, pending } => write!(
                f,
                "run {run_id} (record {seq}) is not finished: {pending} of its targets have no outcome yet; `decom resume {run_id}` continues it"
            ),
            Self::AttemptOpen { seq } => {
                write!(f, "record {seq}: a request without an answer yet; nobody knows what it did")
            }
            Self::AttemptDoubted { seq } => {
                write!(f, "record {seq}: a request that never got an answer; its target was settled in another way")
            }
            Self::CheckpointUnreadable { why } => write!(f, "no checkpoint: {why}"),
            Self::CheckpointUnsigned { why } => write!(f, "a checkpoint confirms nothing: {why}"),
            Self::CheckpointAhead { file, records, found } => write!(
                f,
                "{file}: this checkpoint was made of {records} records, and the log has {found}: its end was cut off, or this is an older copy"
            ),
            Self::CheckpointDiffers { file, records } => write!(
                f,
                "{file}: record {records} has another hash than this checkpoint says: the log was rewritten, or is a copy that was continued by itself"
            ),
            Self::CheckpointTime { file, records, why } => {
                write!(f, "{file}: this checkpoint of {records} records names a time at which it cannot have been made: {why}")
            }
            Self::CheckpointsMissing { seq } => write!(
                f,
                "checkpoints were written for this log, by the run of record {seq} too, and none of then or later is here: were they removed?"
            ),
            Self::CheckpointOfEnd { seq } => write!(
                f,
                "the run that ended with record {seq} wrote checkpoints, and none of then or later is here: it could not be written, or was removed"
            ),
            Self::CheckpointRemoved { file, records } => write!(
                f,
                "{file}: this checkpoint names one of {records} records before it, which is not here though older ones are: it was removed, or is kept elsewhere"
            ),
            Self::CheckpointsBefore { file, records } => write!(
                f,
                "{file}: this checkpoint names one of {records} records before it, which is not here, and neither is any older one"
            ),
            Self::EndAnchoredLater { seq, run_id, records, time } => write!(
                f,
                "run {run_id} ended with record {seq}, which is confirmed by a checkpoint of a later time: of {records} records, made at {time}"
            ),
            Self::EndNotAnchored { seq, run_id, up_to } => write!(
                f,
                "run {run_id} ended with record {seq}, and the newest checkpoint goes up to record {up_to}: nothing confirms what comes after it"
            ),
            Self::NotAnchored { why } => f.write_str(why),
        }
    }
}
