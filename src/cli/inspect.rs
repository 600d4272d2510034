//! `decom list`, `decom check` and `decom config`: the commands that only look.

use clap::Args;

use super::flags::{ApiArgs, JsonArgs, LogArgs};
use crate::commands::{self, CommandError, ConfigRequest, ListRequest, Options, World};
use crate::config::{CheckpointFlags, QueueFlags, RunFlags};
use crate::domain::ExitStatus;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only names that this glob matches, such as 'acme-*'; repeatable
    #[arg(long = "match", value_name = "GLOB")]
    globs: Vec<String>,
    /// Only datasources that no datamart reads
    #[arg(long)]
    without_datamarts: bool,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    checkpoint: CheckpointFlags,
    #[command(flatten)]
    queue: QueueFlags,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// Print every value in force, and where it comes from: a flag, the environment, the file or the defaults
    #[arg(long, conflicts_with = "schema")]
    effective: bool,
    /// Print the JSON Schema of the configuration file, for editors
    #[arg(long)]
    schema: bool,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    run: Box<RunFlags>,
    #[command(flatten)]
    checkpoint: CheckpointFlags,
    #[command(flatten)]
    queue: QueueFlags,
    #[command(flatten)]
    log: LogArgs,
}

impl ListArgs {
    pub(super) fn execute(self, world: &World) -> Result<ExitStatus, CommandError> {
        let request = ListRequest { globs: self.globs, without_datamarts: self.without_datamarts };
        commands::list(&request, &self.api.options(), world)
    }
}

impl CheckArgs {
    pub(super) fn execute(self, world: &World) -> Result<ExitStatus, CommandError> {
        let mut options = self.api.options();
        (options.flags.checkpoint, options.flags.queue) = (self.checkpoint, self.queue);
        commands::check(&options, world)
    }
}

impl ConfigArgs {
    pub(super) fn execute(self, world: &World) -> Result<ExitStatus, CommandError> {
        let request = match (self.effective, self.schema) {
            (true, _) => ConfigRequest::Effective,
            (_, true) => ConfigRequest::Schema,
            _ => ConfigRequest::Defaults,
        };
        let mut options = Options { json: self.json.json, ..self.log.options() };
        options.flags.run = *self.run;
        (options.flags.checkpoint, options.flags.queue) = (self.checkpoint, self.queue);
        commands::config(request, &options, world)
    }
}
