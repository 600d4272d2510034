//! `decom audit …`: the commands around the audit log itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::flags::{JsonArgs, LogArgs, OutputArgs};
use crate::commands::{
    self, CheckpointRequest, CommandError, ExportFormat, ExportRequest, MergeRequest, Options, RotateRequest,
    VerifyRequest, World,
};
use crate::config::CheckpointFlags;
use crate::domain::ExitStatus;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Check that the log is what decom wrote; changes nothing
    #[command(after_help = VERIFY_EXIT_CODES)]
    Verify(VerifyArgs),
    /// Write a statement of how many records the log has and what its last hash is, and sign it
    Checkpoint(CheckpointArgs),
    /// Write the records, or the requests, of the log for other programs
    Export(ExportArgs),
    /// Put several logs into one new file, for reports
    Merge(MergeArgs),
    /// Close the log into a read-only file, and begin a new one in its place
    Rotate(RotateArgs),
}

const VERIFY_EXIT_CODES: &str = "\
Exit codes:
  0  intact, and confirmed by checkpoints up to the end of the last run
  1  intact, but not confirmed by checkpoints, or a run is not finished
  2  usage or configuration is wrong
  5  not intact
  6  there is nothing to verify";

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The folder of the log's checkpoints [default: the one of the configuration]
    #[arg(long, value_name = "DIR")]
    checkpoints: Option<PathBuf>,
    /// Who may sign checkpoints: a file of allowed signers (see ssh-keygen)
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// Public keys that sign nothing any more, one a line
    #[arg(long, value_name = "FILE", requires = "allowed_signers")]
    revoked_signers: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckpointArgs {
    /// The file; its signature goes beside it [default: a name of its own in --checkpoint-dir]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    checkpoint: CheckpointFlags,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The run, or the beginning of its id [default: the whole log]
    #[arg(value_name = "RUN")]
    wanted: Option<String>,
    /// jsonl (every record, with its hash) or ocsf (every request, as an event for a SIEM)
    #[arg(long, value_name = "FORMAT", default_value_t = ExportFormat::Jsonl)]
    format: ExportFormat,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file of --out if it is there and holds something else
    #[arg(long, requires = "out")]
    force: bool,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The audit logs
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,
    /// The new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// The closed log [default: beside the log, named after the time of its last record]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    checkpoint: CheckpointFlags,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    log: LogArgs,
}

impl AuditCommand {
    pub(super) fn execute(self, world: &World) -> Result<ExitStatus, CommandError> {
        match self {
            Self::Verify(args) => {
                let options = Options { json: args.output.is_json(), ..args.log.options() };
                let request = VerifyRequest {
                    checkpoints: args.checkpoints,
                    allowed_signers: args.allowed_signers,
                    revoked_signers: args.revoked_signers,
                };
                commands::verify(&request, &options, world)
            }
            Self::Checkpoint(args) => {
                let mut options = Options { json: args.json.json, ..args.log.options() };
                options.flags.checkpoint = args.checkpoint;
                commands::checkpoint(&CheckpointRequest { out: args.out }, &options, world)
            }
            Self::Export(args) => {
                let request =
                    ExportRequest { run: args.wanted, format: args.format, out: args.out, force: args.force };
                commands::export(&request, &args.log.options(), world)
            }
            Self::Merge(args) => {
                let request = MergeRequest { logs: args.logs, out: args.out };
                let options = Options { json: args.json.json, ..Options::default() };
                commands::merge(&request, &options, world)
            }
            Self::Rotate(args) => {
                let mut options = Options { json: args.json.json, ..args.log.options() };
                options.flags.checkpoint = args.checkpoint;
                commands::rotate(&RotateRequest { out: args.out }, &options, world)
            }
        }
    }
}
