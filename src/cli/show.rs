//! `decom show`: the arguments.

use std::path::PathBuf;

use clap::Args;

use super::flags::{JsonArgs, LogArgs};
use crate::commands::{self, CheckpointSigners, CommandError, ShowRequest, World};
use crate::config::CheckpointFlags;
use crate::domain::{ExitStatus, ResourceKind, Timestamp};
use crate::report::{Format, RunFormat};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The name, exactly as it was
    #[arg(value_name = "NAME")]
    name: String,
    /// Only the datasource, or the datamart, of this name
    #[arg(long, value_name = "KIND")]
    kind: Option<ResourceKind>,
    /// table, csv, json, md, or html for a certificate for this one customer
    #[arg(long, value_name = "FORMAT", default_value_t = RunFormat::Plain(Format::Table))]
    format: RunFormat,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file of --out if it is there and holds something else
    #[arg(long, requires = "out")]
    force: bool,
    /// When the certificate is issued, in RFC 3339: the same time gives the same bytes [default: now]
    #[arg(long, value_name = "TIME")]
    issued_at: Option<Timestamp>,
    /// Who may sign checkpoints, so that their signatures are checked: a file of allowed signers (see ssh-keygen)
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// Public keys that sign nothing any more, one a line
    #[arg(long, value_name = "FILE", requires = "allowed_signers")]
    revoked_signers: Option<PathBuf>,
    #[command(flatten)]
    checkpoint: CheckpointFlags,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    log: LogArgs,
}

impl ShowArgs {
    pub(super) fn execute(self, world: &World) -> Result<ExitStatus, CommandError> {
        let format = if self.json.json { RunFormat::Plain(Format::Json) } else { self.format };
        let request = ShowRequest {
            name: self.name,
            kind: self.kind,
            format,
            out: self.out,
            force: self.force,
            issued_at: self.issued_at,
            signers: CheckpointSigners { allowed: self.allowed_signers, revoked: self.revoked_signers },
            results_only: false,
        };
        let mut options = self.log.options();
        options.flags.checkpoint = self.checkpoint;
        commands::show(&request, &options, world)
    }
}
