//! The commands and their arguments.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand};

use super::audit::AuditCommand;
use super::flags::{InputArgs, JsonArgs, LogArgs, OutputArgs, RunArgs};
use super::inspect::{CheckArgs, ConfigArgs, ListArgs};
use super::period::PeriodArgs;
use super::show::ShowArgs;
use crate::commands::{
    self, CheckpointSigners, CommandError, CompletionsRequest, EnqueueRequest, ManRequest, Options,
    PlanRequest, RehearseRequest, ReportRequest, ResumeRequest, RetryRequest, RunInput, RunRequest,
    RunsRequest, Shell, WorkRequest, World,
};
use crate::config::{ApprovalFlags, CheckpointFlags, PlanFlags, QueueFlags, WorkFlags};
use crate::domain::{ExitStatus, Outcome, Timestamp};
use crate::emulator::Faults;
use crate::report::{Format, RunFormat};

/// Deletes Databrain datasources in bulk, and can prove afterwards what it did.
#[derive(Debug, Parser)]
#[command(name = "decom", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    every target is gone
  1    the run finished, but something else is among the outcomes
  2    usage, configuration or input is wrong; nothing was sent
  3    a guard refused, or nobody confirmed; nothing was sent
  4    stopped early, or could not start for a passing reason; run again, or `decom resume`
  5    the audit log cannot be written or is not sound
  6    `decom audit verify` found nothing to verify
  129  interrupted by SIGHUP, 130 by SIGINT, 143 by SIGTERM; `decom resume` continues

Start with `decom rehearse INPUT`: it needs no token and deletes nothing.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List the datasources that exist, as CSV that is valid input
    List(ListArgs),
    /// Check what a run needs: token, API, rate limit, audit log, queue; a line each, with what to do
    Check(CheckArgs),
    /// Print the documented defaults, the values in force, or the schema of the configuration file
    Config(ConfigArgs),
    /// Show what a run would do, and save it with --out; deletes nothing
    #[command(group(ArgGroup::new("what").args(["input", "show"]).required(true)))]
    Plan {
        #[command(flatten)]
        input: InputArgs,
        /// Save the plan, so that exactly it can be reviewed, approved and run
        #[arg(long, value_name = "FILE", conflicts_with = "show")]
        out: Option<PathBuf>,
        /// From when on the saved plan may be run, in RFC 3339: until then owners may object; --valid-for counts from there
        #[arg(long, value_name = "TIME", requires = "out")]
        not_before: Option<Timestamp>,
        /// Show a saved plan
        #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "column", "no_header", "delimiter"])]
        show: Option<PathBuf>,
        /// Do not ask the API: needs no token, and saves nothing
        #[arg(long, conflicts_with_all = ["show", "out"])]
        offline: bool,
        /// Replace the file of --out if it is there
        #[arg(long, requires = "out")]
        force: bool,
        /// Show every name, not only the first and the last few
        #[arg(long, conflicts_with = "show")]
        all: bool,
        #[command(flatten)]
        plan: PlanFlags,
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// Delete the datasources that INPUT, or a saved plan, names
    #[command(group(ArgGroup::new("what").args(["input", "plan"]).required(true)))]
    Run {
        #[command(flatten)]
        input: InputArgs,
        /// Divide INPUT by a stable hash of the names, and take one of N shares: the one that Kubernetes gives an Indexed Job's pod
        #[arg(long, value_name = "N", conflicts_with = "plan", help_heading = "Input")]
        shards: Option<NonZeroU32>,
        /// Which share, from 0, if Kubernetes does not say it
        #[arg(long, value_name = "INDEX", requires = "shards", help_heading = "Input")]
        shard: Option<u32>,
        /// Run exactly what a saved plan lists
        #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "column", "no_header", "delimiter"], help_heading = "Plan")]
        plan: Option<PathBuf>,
        // What belongs to a plan conflicts with an input by itself: if both are named, a `requires` of the plan
        // alone counts as met, as the plan itself conflicts with the input.
        /// The signature of the second person who approved the plan
        #[arg(long, value_name = "FILE", conflicts_with = "input", help_heading = "Plan")]
        approval: Option<PathBuf>,
        #[command(flatten)]
        approvals: ApprovalFlags,
        /// Send also what the audit log knows to be gone, and begin a new run if one was interrupted
        #[arg(long, help_heading = "Safety")]
        again: bool,
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// Continue an interrupted run, also if its plan has expired since
    Resume {
        /// The run, or the beginning of its id [default: the newest that is not finished]
        #[arg(value_name = "RUN")]
        wanted: Option<String>,
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// Make a new run of what failed in an earlier one; what that protected stays protected
    Retry {
        /// The run, or the beginning of its id [default: the newest in which a target ended so]
        #[arg(value_name = "RUN")]
        wanted: Option<String>,
        /// The outcomes to try again
        #[arg(
            long,
            value_name = "OUTCOMES",
            value_delimiter = ',',
            default_value = "failed,unknown,pending"
        )]
        outcome: Vec<Outcome>,
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// Do the whole of `run` against an embedded emulator of the API; needs no token, deletes nothing
    Rehearse(Box<RehearseArgs>),
    /// Take names from a queue and delete them, until it is empty
    Work {
        #[command(flatten)]
        queue: QueueFlags,
        #[command(flatten)]
        work: WorkFlags,
        /// Continue until a signal, also when the queue is empty
        #[arg(long, help_heading = "Queue")]
        follow: bool,
        /// Send also what the audit log knows to be gone
        #[arg(long, help_heading = "Safety")]
        again: bool,
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// Put the names of INPUT on a queue
    #[command(group(ArgGroup::new("what").args(["input"]).required(true)))]
    Enqueue {
        #[command(flatten)]
        input: InputArgs,
        #[command(flatten)]
        queue: QueueFlags,
        /// Show what would be done, and put nothing on the queue
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// List the runs in the audit log
    Runs {
        /// table, csv, json or md
        #[arg(long, value_name = "FORMAT", default_value_t = Format::Table)]
        format: Format,
        #[command(flatten)]
        json: JsonArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Report one run from the audit log
    Report {
        /// The run, or the beginning of its id [default: the newest]
        #[arg(value_name = "RUN")]
        wanted: Option<String>,
        /// table, csv, json, md, or html for a certificate that can be printed
        #[arg(long, value_name = "FORMAT", default_value_t = RunFormat::Plain(Format::Table))]
        format: RunFormat,
        /// Report this one datasource over all runs, as `decom show NAME --kind datasource` does
        #[arg(long, value_name = "NAME", conflicts_with = "wanted")]
        datasource: Option<String>,
        #[command(flatten)]
        period: PeriodArgs,
        /// The file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Replace the file of --out if it is there and holds something else
        #[arg(long, requires = "out")]
        force: bool,
        /// When the certificate is issued, in RFC 3339: the same time gives the same bytes [default: now]
        #[arg(long, value_name = "TIME")]
        issued_at: Option<Timestamp>,
        /// The folder of the log's checkpoints, for the one that the certificate shows
        #[arg(long, value_name = "DIR")]
        checkpoint_dir: Option<String>,
        /// Who may sign checkpoints, so that their signatures are checked: a file of allowed signers (see ssh-keygen)
        #[arg(long, value_name = "FILE")]
        allowed_signers: Option<PathBuf>,
        /// Public keys that sign nothing any more, one a line
        #[arg(long, value_name = "FILE", requires = "allowed_signers")]
        revoked_signers: Option<PathBuf>,
        /// A private key, without a passphrase, that signs the certificate: the signature goes beside it
        #[arg(long, value_name = "FILE")]
        signing_key: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Show all that the audit log knows of one name, over all runs
    Show(ShowArgs),
    /// Check, sign, export, merge or close the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print the script by which a shell completes decom's commands and flags
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell that reads it
        #[arg(value_name = "SHELL", value_enum)]
        shell: Shell,
    },
    /// Print the man page of decom, or write the pages of all commands
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// The folder for one page a command; it is made if it is not there
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  decom completions bash > ~/.local/share/bash-completion/completions/decom
  decom completions fish > ~/.config/fish/completions/decom.fish
  decom completions zsh > ~/.zfunc/_decom    # if ~/.zfunc is in fpath
  eval (decom completions elvish | slurp)    # in rc.elv
  decom completions powershell >> $PROFILE";

const MAN_EXAMPLES: &str = "\
Examples:
  decom man | man -l -
  decom man --out ~/.local/share/man/man1";

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["input"]).required(true)))]
struct RehearseArgs {
    #[command(flatten)]
    input: InputArgs,
    /// What goes wrong, and how often, like http500=5%,drop=1%,slow=2%,in-use=3%,missing=2%; or `none`
    #[arg(long, value_name = "FAULTS", default_value_t = Faults::rehearsal(), help_heading = "Emulator")]
    fault: Faults,
    /// The same seed gives the same faults
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Emulator")]
    seed: u64,
    /// How long the emulator takes for each reply
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = humantime::parse_duration, help_heading = "Emulator")]
    latency: Duration,
    /// Keep to the real API's pace, instead of 60 times faster
    #[arg(long, help_heading = "Emulator")]
    real_time: bool,
    #[command(flatten)]
    run: RunArgs,
}

impl Cli {
    pub(super) fn execute(self, world: &World) -> Result<ExitStatus, CommandError> {
        match self.command {
            Command::List(args) => args.execute(world),
            Command::Check(args) => args.execute(world),
            Command::Config(args) => args.execute(world),
            Command::Plan { input, out, not_before, show, offline, force, all, plan, run } => {
                let request = match show {
                    Some(path) => PlanRequest::Show(path),
                    None => {
                        PlanRequest::Make { input: input.request()?, out, not_before, offline, all, force }
                    }
                };
                let mut options = run.options();
                options.flags.plan = plan;
                commands::plan(&request, &options, world)
            }
            Command::Run { input, shards, shard, plan, approval, approvals, again, run } => {
                let what = match plan {
                    Some(plan) => RunInput::Plan { plan, approval },
                    None => RunInput::Names { input: input.request()?, shards, shard },
                };
                let mut options = run.options();
                options.flags.approval = approvals;
                commands::run(&RunRequest { what, again }, &options, world)
            }
            Command::Resume { wanted, run } => {
                commands::resume(&ResumeRequest { run: wanted }, &run.options(), world)
            }
            Command::Retry { wanted, outcome, run } => {
                commands::retry(&RetryRequest { run: wanted, outcomes: outcome }, &run.options(), world)
            }
            Command::Rehearse(args) => {
                let request = RehearseRequest {
                    input: args.input.request()?,
                    faults: args.fault,
                    seed: args.seed,
                    latency: args.latency,
                    real_time: args.real_time,
                };
                commands::rehearse(&request, &args.run.options(), world)
            }
            Command::Work { queue, work, follow, again, run } => {
                let mut options = run.options();
                (options.flags.queue, options.flags.work) = (queue, work);
                commands::work(&WorkRequest { follow, again }, &options, world)
            }
            Command::Enqueue { input, queue, dry_run, output, log } => {
                let mut options = Options { dry_run, json: output.is_json(), ..log.options() };
                options.flags.queue = queue;
                commands::enqueue(&EnqueueRequest { input: input.request()? }, &options, world)
            }
            Command::Runs { format, json, log } => {
                let format = if json.json { Format::Json } else { format };
                commands::runs(&RunsRequest { format }, &log.options(), world)
            }
            Command::Report {
                wanted,
                datasource,
                period,
                format,
                out,
                force,
                issued_at,
                checkpoint_dir,
                allowed_signers,
                revoked_signers,
                signing_key,
                json,
                log,
            } => {
                let format = if json.json { RunFormat::Plain(Format::Json) } else { format };
                let mut options = log.options();
                options.flags.checkpoint = CheckpointFlags { signing_key, checkpoint_dir };
                let request = ReportRequest {
                    run: wanted,
                    datasource,
                    period: period.request(),
                    format,
                    out,
                    force,
                    issued_at,
                    signers: CheckpointSigners { allowed: allowed_signers, revoked: revoked_signers },
                };
                commands::report(&request, &options, world)
            }
            Command::Show(args) => args.execute(world),
            Command::Audit(command) => command.execute(world),
            Command::Completions { shell } => {
                commands::completions(CompletionsRequest { shell }, Self::command())
            }
            Command::Man { out } => commands::man(&ManRequest { out }, Self::command()),
        }
    }
}
