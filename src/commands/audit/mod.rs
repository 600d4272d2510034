//! `decom audit …`: one file for each subcommand.

mod checkpoint;
mod export;
mod merge;
mod rotate;
mod verify;
mod view;

pub use checkpoint::{CheckpointRequest, checkpoint};
pub use export::{ExportFormat, ExportRequest, UnknownExportFormat, export};
pub use merge::{MergeRequest, merge};
pub use rotate::{RotateRequest, rotate};
pub use verify::{VerifyRequest, verify};
