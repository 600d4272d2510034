//! What is found to be wrong with a log, or open: each kind with its own name and record.

use crate::domain::{Evidence, Outcome, Timestamp, Verdict};

/// Something that is wrong with a log, or open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// SQLite cannot make sense of the file.
    Corrupt {
        /// What SQLite says.
        why: String,
    },
    /// An index does not hold what the records say.
    Index {
        /// Its name.
        name: &'static str,
    },
    /// The schema has no version that there ever was.
    Version {
        /// The version.
        found: i64,
    },
    /// A table, an index, a trigger or a view is gone.
    SchemaMissing {
        /// `table`, `index`, `trigger` or `view`, and its name.
        what: String,
    },
    /// One is not as decom made it.
    SchemaAltered {
        /// Which.
        what: String,
    },
    /// There is one that decom did not make.
    SchemaAdded {
        /// Which.
        what: String,
    },
    /// There is a table of another program.
    NotCovered {
        /// Which.
        what: String,
    },
    /// The header says that there is a write-ahead log, and there is none.
    WalMissing {
        /// Whether the last record is one after which a writer may have closed the log.
        ended: bool,
    },
    /// A write-ahead log lies beside a file whose header says that there is none: SQLite reads it all the same.
    WalForeign,
    /// Records are missing before this one.
    Gap {
        /// The record.
        seq: i64,
        /// The one that should be there.
        expected: i64,
    },
    /// A record does not match its hash, or does not follow from the one before it.
    Hash {
        /// The record.
        seq: i64,
    },
    /// A value is of another type than its column.
    Type {
        /// The record.
        seq: i64,
        /// The column.
        column: &'static str,
        /// What it holds.
        found: &'static str,
    },
    /// A column is set, or not, that a record of this kind does not have, or needs.
    Shape {
        /// The record.
        seq: i64,
        /// The column.
        column: &'static str,
        /// Whether it is missing, rather than too many.
        missing: bool,
    },
    /// A word that decom does not write.
    Word {
        /// The record.
        seq: i64,
        /// The column.
        column: &'static str,
    },
    /// The time goes back.
    Time {
        /// The record.
        seq: i64,
    },
    /// The first record is not the log's, or another one is.
    Genesis {
        /// The record.
        seq: i64,
    },
    /// A record behind the one that closed the log for good.
    AfterClose {
        /// The record.
        seq: i64,
    },
    /// The table of the logs in a merged file does not fit its records.
    Blocks {
        /// What does not.
        why: String,
    },
    /// A record belongs to a run, or is about a target, that is not there, or is finished.
    Reference {
        /// The record.
        seq: i64,
        /// `run` or `target`.
        column: &'static str,
        /// Where it points.
        to: i64,
    },
    /// The targets of a run are not numbered 1, 2, 3, …
    Numbering {
        /// The record.
        seq: i64,
    },
    /// A target has a second outcome.
    SettledTwice {
        /// The record.
        seq: i64,
        /// The target.
        target: i64,
    },
    /// A request left although its target had an outcome, or with the number of an earlier one.
    Sent {
        /// The record.
        seq: i64,
        /// The target.
        target: i64,
    },
    /// An answer without a request.
    Answer {
        /// The record.
        seq: i64,
        /// The target.
        target: i64,
    },
    /// A verdict contradicts the status or the error code of its reply.
    Verdict {
        /// The record.
        seq: i64,
        verdict: Verdict,
        status: Option<i64>,
    },
    /// An outcome contradicts the verdict of the answer, or the evidence.
    Outcome {
        /// The record.
        seq: i64,
        outcome: Outcome,
        verdict: Option<Verdict>,
        evidence: Option<Evidence>,
    },
    /// A target is recorded as gone in doubt, and no request raised any doubt.
    Doubt {
        /// The record.
        seq: i64,
        /// The target.
        target: i64,
    },
    /// The end of a run counts otherwise than its records.
    Counts {
        /// The `end` record.
        seq: i64,
        /// The outcome.
        outcome: String,
        /// What the end says.
        said: u64,
        /// What the records say.
        found: u64,
    },
    /// The end of a run cannot be read.
    End {
        /// The record.
        seq: i64,
    },
    /// A finished run has targets without an outcome.
    Unsettled {
        /// The `end` record.
        seq: i64,
        /// How many.
        targets: u64,
    },
    /// A run is not finished.
    Unfinished {
        /// The `run` record.
        seq: i64,
        /// Its id.
        run_id: String,
        /// How many targets have no outcome.
        pending: u64,
    },
    /// A request of an unfinished run has no answer: nobody knows what it did.
    AttemptOpen {
        /// The `send` record.
        seq: i64,
    },
    /// A request of a finished run never got an answer; its target was settled in another way.
    AttemptDoubted {
        /// The `send` record.
        seq: i64,
    },
    /// A file that should hold a checkpoint does not.
    CheckpointUnreadable {
        /// The file, and what is wrong with it.
        why: String,
    },
    /// Nobody who may has signed a checkpoint.
    CheckpointUnsigned {
        /// Why.
        why: String,
    },
    /// A checkpoint knows of more records than there are.
    CheckpointAhead {
        /// The file.
        file: String,
        /// How many records it knows of.
        records: u64,
        /// How many there are.
        found: u64,
    },
    /// A checkpoint has another hash for its last record.
    CheckpointDiffers {
        /// The file.
        file: String,
        /// The record.
        records: u64,
    },
    /// A checkpoint names a time at which it cannot have been made.
    CheckpointTime {
        /// The file.
        file: String,
        /// The record.
        records: u64,
        /// What is wrong with the time.
        why: String,
    },
    /// Checkpoints were written for this log, and they are not there.
    CheckpointsMissing {
        /// The `run` record since when there must be one.
        seq: i64,
    },
    /// The checkpoint at the end of a run is not there.
    CheckpointOfEnd {
        /// The `end` record.
        seq: i64,
    },
    /// A checkpoint names one before it that is not there, though older ones are.
    CheckpointRemoved {
        /// The file that names it.
        file: String,
        /// Of how many records it was.
        records: u64,
    },
    /// The oldest checkpoint names one before it that is not there.
    CheckpointsBefore {
        /// The file that names it.
        file: String,
        /// Of how many records it was.
        records: u64,
    },
    /// The end of a run is confirmed by a checkpoint that was not made when it ended.
    EndAnchoredLater {
        /// The `end` record.
        seq: i64,
        run_id: String,
        /// Of how many records the checkpoint is.
        records: u64,
        /// When that was made.
        time: Timestamp,
    },
    /// The checkpoints do not go up to the end of a run.
    EndNotAnchored {
        /// The `end` record.
        seq: i64,
        run_id: String,
        /// Up to which record they go.
        up_to: u64,
    },
    /// Nothing outside of the log vouches for it.
    NotAnchored {
        /// Why.
        why: &'static str,
    },
}

impl Finding {
    /// Its name, for machines.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "corrupt",
            Self::Index { .. } => "index",
            Self::Version { .. } => "schema_version",
            Self::SchemaMissing { .. } => "schema_missing",
            Self::SchemaAltered { .. } => "schema_altered",
            Self::SchemaAdded { .. } => "schema_added",
            Self::NotCovered { .. } => "not_covered",
            Self::WalMissing { .. } => "wal_missing",
            Self::WalForeign => "wal_foreign",
            Self::Gap { .. } => "records_missing",
            Self::Hash { .. } => "hash",
            Self::Type { .. } => "type",
            Self::Shape { .. } => "shape",
            Self::Word { .. } => "word",
            Self::Time { .. } => "time",
            Self::Genesis { .. } => "genesis",
            Self::AfterClose { .. } => "after_close",
            Self::Blocks { .. } => "merged_logs",
            Self::Reference { .. } => "reference",
            Self::Numbering { .. } => "numbering",
            Self::SettledTwice { .. } => "settled_twice",
            Self::Sent { .. } => "sent",
            Self::Answer { .. } => "answer_without_send",
            Self::Verdict { .. } => "verdict",
            Self::Outcome { .. } => "outcome",
            Self::Doubt { .. } => "doubt",
            Self::Counts { .. } => "counts",
            Self::End { .. } => "end",
            Self::Unsettled { .. } => "unsettled",
            Self::Unfinished { .. } => "unfinished",
            Self::AttemptOpen { .. } => "attempt_open",
            Self::AttemptDoubted { .. } => "attempt_doubted",
            Self::CheckpointUnreadable { .. } => "checkpoint_unreadable",
            Self::CheckpointUnsigned { .. } => "checkpoint_unsigned",
            Self::CheckpointAhead { .. } => "checkpoint_ahead",
            Self::CheckpointDiffers { .. } => "checkpoint_differs",
            Self::CheckpointTime { .. } => "checkpoint_time",
            Self::CheckpointsMissing { .. } => "checkpoints_missing",
            Self::CheckpointOfEnd { .. } => "checkpoint_of_end_missing",
            Self::CheckpointRemoved { .. } => "checkpoint_removed",
            Self::CheckpointsBefore { .. } => "checkpoints_before",
            Self::EndAnchoredLater { .. } => "end_anchored_later",
            Self::EndNotAnchored { .. } => "end_not_anchored",
            Self::NotAnchored { .. } => "not_anchored",
        }
    }

    /// The record that it is about.
    #[must_use]
    pub fn record(&self) -> Option<i64> {
        match self {
            Self::Gap { seq, .. }
            | Self::Hash { seq }
            | Self::Type { seq, .. }
            | Self::Shape { seq, .. }
            | Self::Word { seq, .. }
            | Self::Time { seq }
            | Self::Genesis { seq }
            | Self::AfterClose { seq }
            | Self::Reference { seq, .. }
            | Self::Numbering { seq }
            | Self::SettledTwice { seq, .. }
            | Self::Sent { seq, .. }
            | Self::Answer { seq, .. }
            | Self::Verdict { seq, .. }
            | Self::Outcome { seq, .. }
            | Self::Doubt { seq, .. }
            | Self::Counts { seq, .. }
            | Self::End { seq }
            | Self::Unsettled { seq, .. }
            | Self::Unfinished { seq, .. }
            | Self::AttemptOpen { seq }
            | Self::AttemptDoubted { seq }
            | Self::CheckpointsMissing { seq }
            | Self::CheckpointOfEnd { seq }
            | Self::EndAnchoredLater { seq, .. }
            | Self::EndNotAnchored { seq, .. } => Some(*seq),
            Self::CheckpointDiffers { records, .. } | Self::CheckpointTime { records, .. } => {
                i64::try_from(*records).ok()
            }
            Self::CheckpointAhead { found, .. } => i64::try_from(*found).ok().map(|found| found + 1),
            _ => None,
        }
    }
}
