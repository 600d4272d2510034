//! The flags that several commands share.
#![expect(clippy::doc_markdown, reason = "the comments are shown as help, where a backtick is one")]

use std::path::PathBuf;

use clap::Args;

use crate::commands::{CommandError, InputRequest, Shared};
use crate::input::{CsvOptions, Input, parse_delimiter};

/// Which log and which configuration.
#[derive(Debug, Clone, Args)]
pub(super) struct LogArgs {
    /// The audit log, one SQLite file [default: decom-audit.db]
    #[arg(long, value_name = "PATH", help_heading = "Settings")]
    audit_db: Option<String>,
    /// A configuration file; `config/default.toml` documents every setting
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// The form of the log on stderr: auto, text or json
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    log_format: Option<String>,
    /// No progress, and warnings only
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

/// How to delete.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Clone, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    log: LogArgs,
    /// Where the API is [default: the public API]
    #[arg(long, value_name = "URL", help_heading = "API")]
    base_url: Option<String>,
    /// A file that holds the service token [default: the environment's DATABRAIN_TOKEN or DATABRAIN_TOKEN_FILE]
    #[arg(long, value_name = "FILE", help_heading = "API")]
    token_file: Option<PathBuf>,
    /// PEM certificates of a private authority, trusted beside the public ones
    #[arg(long, value_name = "FILE", help_heading = "API")]
    ca_file: Option<String>,
    /// Send the token over plain http:// to another machine
    #[arg(long, help_heading = "API")]
    allow_http: bool,
    /// How fast: a ceiling such as 480/2m, `auto` (the server's headers decide) or `unlimited`
    #[arg(long, value_name = "RATE", help_heading = "Pace")]
    rate: Option<String>,
    /// How many requests are under way at once [default: 8]
    #[arg(long, value_name = "N", help_heading = "Pace")]
    concurrency: Option<String>,
    /// How many decoms share the rate and the server's quota, this one included [default: 1]
    #[arg(long, value_name = "N", help_heading = "Pace")]
    workers: Option<String>,
    /// How many attempts a target gets [default: 5]
    #[arg(long, value_name = "N", help_heading = "Pace")]
    max_attempts: Option<String>,
    /// Delete the first N alone; anything but success stops the run before the rest
    #[arg(long, value_name = "N", help_heading = "Safety")]
    canary: Option<String>,
    /// How long requests under way may take after a first signal [default: 25s]
    #[arg(long, value_name = "TIME", help_heading = "Pace")]
    grace: Option<String>,
    /// How many datasources one run may delete [default: 500]
    #[arg(long, value_name = "N", help_heading = "Safety", allow_hyphen_values = true)]
    max_deletes: Option<String>,
    /// How large a share of all that exist one run may delete, in percent [default: 50]
    #[arg(long, value_name = "PERCENT", help_heading = "Safety", allow_hyphen_values = true)]
    max_share: Option<String>,
    /// Names that are never deleted, as a glob; repeatable
    #[arg(long, value_name = "GLOB", help_heading = "Safety")]
    protect: Vec<String>,
    /// Count "not found" as success
    #[arg(long, help_heading = "Safety")]
    ignore_not_found: bool,
    /// Do not hold the listing against the outcomes at the end
    #[arg(long, help_heading = "Safety")]
    no_listing_check: bool,
    /// Show what would be done, and send nothing that deletes
    #[arg(long, help_heading = "Safety")]
    pub(super) dry_run: bool,
    /// Do not ask; required without a terminal
    #[arg(long, short, help_heading = "Safety")]
    yes: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", help_heading = "Audit")]
    reason: Option<String>,
    /// The ticket that asked for it, for the audit log
    #[arg(long, value_name = "ID", help_heading = "Audit")]
    ticket: Option<String>,
    /// Who runs it, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME", help_heading = "Audit")]
    operator: Option<String>,
    /// A private key, without a passphrase, that signs checkpoints of the audit log
    #[arg(long, value_name = "FILE", help_heading = "Audit")]
    signing_key: Option<String>,
    /// A folder for checkpoints, written at the start and at the end and every so many records
    #[arg(long, value_name = "DIR", help_heading = "Audit")]
    checkpoint_dir: Option<String>,
    /// After how many records there is another checkpoint [default: 100000]
    #[arg(long, value_name = "N", help_heading = "Audit")]
    checkpoint_every: Option<String>,
    /// Serve metrics to Prometheus here, with /healthz and /readyz, while it runs
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Watching")]
    metrics_addr: Option<String>,
    /// Write metrics to this file, for the textfile collector of node_exporter
    #[arg(long, value_name = "FILE", help_heading = "Watching")]
    metrics_file: Option<String>,
    /// Push metrics to this push gateway at the end
    #[arg(long, value_name = "URL", help_heading = "Watching")]
    push_gateway: Option<String>,
    /// The form of the result on stdout
    #[arg(long, value_name = "FORM", value_parser = ["table", "json"], default_value = "table", help_heading = "Output")]
    output: String,
}

/// Which queue.
#[derive(Debug, Clone, Args)]
pub(super) struct QueueArgs {
    /// The queue, such as redis://HOST?queue=NAME, amqp://HOST?queue=NAME or nats://HOST?queue=NAME
    #[arg(long, value_name = "URL", help_heading = "Queue")]
    queue: Option<String>,
    /// A file that holds the queue's URL: for one with a password
    #[arg(long, value_name = "FILE", conflicts_with = "queue", help_heading = "Queue")]
    queue_file: Option<String>,
}

/// Where the names are.
#[derive(Debug, Clone, Args)]
pub(super) struct InputArgs {
    /// A CSV file, or `-` for standard input
    #[arg(value_name = "INPUT")]
    input: Option<Input>,
    /// The column that holds the names [default: datasource_name, datasourceName, datasource or name]
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    column: Option<String>,
    /// The input is a bare list of names, without a header
    #[arg(long, help_heading = "Input")]
    no_header: bool,
    /// What separates the columns: a character, or `tab` [default: ,]
    #[arg(long, value_name = "CHARACTER", help_heading = "Input")]
    delimiter: Option<String>,
}

impl LogArgs {
    pub(super) fn shared(&self) -> Shared {
        let mut shared = Shared { config: self.config.clone(), quiet: self.quiet, ..Shared::default() };
        let given = [("audit-db", &self.audit_db), ("log-format", &self.log_format)];
        for (flag, value) in given {
            if let Some(value) = value {
                shared.flags.push((flag, vec![value.clone()]));
            }
        }
        shared
    }
}

impl RunArgs {
    pub(super) fn shared(&self) -> Shared {
        let mut shared = self.log.shared();
        shared.token_file.clone_from(&self.token_file);
        shared.dry_run = self.dry_run;
        shared.yes = self.yes;
        shared.json = self.output == "json";
        let given = [
            ("base-url", &self.base_url),
            ("ca-file", &self.ca_file),
            ("rate", &self.rate),
            ("concurrency", &self.concurrency),
            ("workers", &self.workers),
            ("max-attempts", &self.max_attempts),
            ("canary", &self.canary),
            ("grace", &self.grace),
            ("max-deletes", &self.max_deletes),
            ("max-share", &self.max_share),
            ("reason", &self.reason),
            ("ticket", &self.ticket),
            ("operator", &self.operator),
            ("signing-key", &self.signing_key),
            ("checkpoint-dir", &self.checkpoint_dir),
            ("checkpoint-every", &self.checkpoint_every),
            ("metrics-addr", &self.metrics_addr),
            ("metrics-file", &self.metrics_file),
            ("push-gateway", &self.push_gateway),
        ];
        for (flag, value) in given {
            if let Some(value) = value {
                shared.flags.push((flag, vec![value.clone()]));
            }
        }
        let switches = [
            ("allow-http", self.allow_http, "true"),
            ("ignore-not-found", self.ignore_not_found, "true"),
            ("listing-check", self.no_listing_check, "false"),
        ];
        for (flag, given, value) in switches {
            if given {
                shared.flags.push((flag, vec![value.to_owned()]));
            }
        }
        if !self.protect.is_empty() {
            shared.flags.push(("protect", self.protect.clone()));
        }
        shared
    }
}

impl QueueArgs {
    pub(super) fn flags(&self) -> impl Iterator<Item = (&'static str, Vec<String>)> {
        let given = [("queue", self.queue.clone()), ("queue-file", self.queue_file.clone())];
        given.into_iter().filter_map(|(flag, value)| Some((flag, vec![value?])))
    }
}

impl InputArgs {
    pub(super) fn request(&self) -> Result<InputRequest, CommandError> {
        Ok(InputRequest {
            input: self.input.clone().ok_or_else(|| {
                CommandError::Usage("no INPUT; name a CSV file, or `-` for standard input".to_owned())
            })?,
            csv: CsvOptions {
                column: self.column.clone(),
                no_header: self.no_header,
                delimiter: self.delimiter.as_deref().map(parse_delimiter).transpose()?,
            },
        })
    }
}
