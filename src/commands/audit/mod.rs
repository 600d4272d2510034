//! `decom audit …`: one file for each subcommand.

mod verify;

pub use verify::{VerifyRequest, verify};
