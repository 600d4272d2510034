//! `decom audit …`: one file for each subcommand.

mod checkpoint;
mod shown;
mod verify;

pub use checkpoint::{CheckpointRequest, checkpoint};
pub use verify::{VerifyRequest, verify};
