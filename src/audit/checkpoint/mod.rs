//! Checkpoints: signed statements of how many records a log has and what its last hash is, kept
//! where whoever can alter the log cannot reach.
//!
//! The chain shows that nothing in the middle was altered. That its end was not cut off, and that it
//! was not written anew from the beginning, only something outside of it can show.

mod keeper;
mod statement;

pub use keeper::CheckpointOptions;
pub(super) use keeper::Keeper;
pub(super) use statement::{LONGEST_FILE, signature_of};
pub use statement::{Statement, hex};

use crate::sshsig::Purpose;

/// What the signature of a checkpoint is made for.
pub const PURPOSE: Purpose = Purpose { namespace: "decom-audit", thing: "checkpoint", makes: "a checkpoint" };

/// How the file of a checkpoint ends. That of its signature is called the same, with `.sig` behind.
pub(super) const EXTENSION: &str = "checkpoint";
