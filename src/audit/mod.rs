//! The audit log: one SQLite file in which every attempt stands before it is sent.
//!
//! Its layers, of which each builds on those before it and on none after it: `record` is the format of
//! a log; `write` and `read` stand side by side on it; `verify` checks a log; `archive` exports,
//! merges and closes logs.

mod archive;
mod error;
mod read;
mod record;
pub mod verify;
mod write;

pub use archive::{Closed, LogPart, Merged, Overlap, Rotated, SameLog, merge, rotate};
pub use error::AuditError;
pub use read::{
    AuditReader, DuePart, GroupMember, LogSeries, Moment, OpenRun, RecordedDefinition, RunOrigin,
    SettledMember,
};
pub use record::{Link, PURPOSE as CHECKPOINT, Statement, chain_hash};
pub use verify::refuse_to_certify;
pub use write::{
    AuditLog, CheckpointOptions, Commit, DEFINITIONS, Definitions, Fact, ListingCheck, LogInspection,
    LogOptions, NewTargets, OnCheckpoint, Recorder, RunEnding, RunOpening, WriteResult, inspect,
};
