//! What stands behind a log from outside: the checkpoint that a report shows, and what is known of it.

use crate::domain::{RecordMark, Timestamp};

/// What was found of checkpoints. One that contradicts the log is not here: nothing is certified from such a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchoring {
    /// No folder of checkpoints was given.
    NotLooked,
    /// The given folder holds none of this log.
    NotFound,
    /// The one that fits the run best.
    Found(Checkpoint),
}

/// A checkpoint that agrees with the log: the record that it names has the hash that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of its file.
    pub file: String,
    /// Its content.
    pub text: String,
    /// The number of records that it covers.
    pub records: u64,
    /// When it says that it was made.
    pub time: Timestamp,
    pub signature: CheckpointSignature,
}

/// What is known of the signature of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointSignature {
    /// There is none beside it.
    Missing,
    /// There is a file for it, and nobody said who may sign.
    NotChecked,
    /// There is one that does not count, for this reason.
    Refused { why: String },
    /// It is good, and its signers are among those who may sign.
    Checked { signers: String },
}

/// How far a checkpoint whose signature was checked confirms a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Confirmation<'a> {
    /// Nothing does.
    None,
    /// Records up to this one, before the run's last.
    Before(&'a Checkpoint),
    /// The whole run, by one that was made when it ended.
    AtEnd(&'a Checkpoint),
    /// The whole run, by one that was made later.
    Later(&'a Checkpoint),
}

impl Anchoring {
    /// How far the run whose last record is `last` is confirmed. Only a signature that was checked confirms anything.
    pub(in crate::report) fn confirms(&self, last: &RecordMark) -> Confirmation<'_> {
        let Self::Found(found) = self else { return Confirmation::None };
        match found.signature {
            CheckpointSignature::Missing
            | CheckpointSignature::NotChecked
            | CheckpointSignature::Refused { .. } => Confirmation::None,
            CheckpointSignature::Checked { .. } if found.records < last.seq => Confirmation::Before(found),
            CheckpointSignature::Checked { .. } if found.is_at(last) => Confirmation::AtEnd(found),
            CheckpointSignature::Checked { .. } => Confirmation::Later(found),
        }
    }
}

impl Checkpoint {
    /// Returns true if it was made together with the record `last`, and of nothing after it.
    fn is_at(&self, last: &RecordMark) -> bool {
        self.records == last.seq && self.time == last.at
    }
}
