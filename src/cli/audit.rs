//! `decom audit …`: the commands around the audit log itself.

use clap::{Args, Subcommand};

use super::flags::LogArgs;
use crate::commands::{self, CommandError, VerifyRequest, World};
use crate::vocabulary::ExitStatus;

/// What is done with the log.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Check that nobody has altered the log; changes nothing
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    log: LogArgs,
}

impl AuditCommand {
    pub(super) fn execute(self, world: &World) -> Result<ExitStatus, CommandError> {
        match self {
            Self::Verify(args) => commands::verify(&VerifyRequest {}, &args.log.shared(), world),
        }
    }
}
