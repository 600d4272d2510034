//! The flags that set something. A field is named like its setting, with the section in front if the name alone
//! is not clear; `long` is only given if the flag is called otherwise. Everything else follows from that:
//! the variable, the place in messages, the command that continues a run.
#![expect(clippy::doc_markdown, reason = "the comments are shown as help, which shows backticks")]

use std::fmt::Display;

use clap::{Args, Command, ValueEnum};
use figment::error::Actual;
use figment::value::{Dict, Empty, Value};
use serde::{Deserialize, Serialize, Serializer};

use super::values::parse_percentage;
use crate::ratelimit::Rate;

/// Every flag that sets something; a command offers some of the groups.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    pub log: LogFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub run: RunFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub checkpoint: CheckpointFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub plan: PlanFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub approval: ApprovalFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub queue: QueueFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub work: WorkFlags,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct LogFlags {
    /// The audit log, one SQLite file [default: decom-audit.db]
    #[arg(long, value_name = "PATH", help_heading = "Settings")]
    pub audit_db: Option<String>,
    /// The form of the log on stderr
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub log_format: Option<LogFormat>,
}

/// The form of the log on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise
    Auto,
    /// Text for people
    Text,
    /// One JSON object a line
    Json,
}

/// How to reach the API, and how fast to ask it.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct ApiFlags {
    /// The URL of the API [default: the public API]
    #[arg(long, value_name = "URL", help_heading = "API")]
    pub base_url: Option<String>,
    /// PEM certificates of a private authority, trusted in addition to the public ones
    #[arg(long, value_name = "FILE", help_heading = "API")]
    pub ca_file: Option<String>,
    /// Send the token over plain http:// to another machine
    #[arg(long, num_args = 0, default_missing_value = "true", help_heading = "API")]
    pub allow_http: Option<bool>,
    /// How fast: a ceiling such as 480/2m, `auto` (the server's headers decide) or `unlimited`
    #[arg(long, value_name = "RATE", help_heading = "Pace")]
    pub rate: Option<Rate>,
}

/// How to delete.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct RunFlags {
    #[command(flatten)]
    #[serde(flatten)]
    pub api: ApiFlags,
    /// How many requests are under way at once [default: 8]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Pace")]
    pub concurrency: Option<i64>,
    /// How many decom processes share the rate and the server's quota, with this one [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Pace")]
    pub workers: Option<i64>,
    /// How many attempts a target gets [default: 5]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Pace")]
    pub max_attempts: Option<i64>,
    /// Delete the first N alone; anything but success stops the run before the rest
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Safety")]
    pub canary: Option<i64>,
    /// How long requests under way may take after a first signal [default: 25s]
    #[arg(long, value_name = "TIME", help_heading = "Pace")]
    #[serde(serialize_with = "as_text")]
    pub grace: Option<humantime::Duration>,
    /// How many datasources and datamarts one run may delete [default: 500]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Safety")]
    pub max_deletes: Option<i64>,
    /// How many targets all runs of an audit log may delete in any 24 hours [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Safety")]
    pub max_deletes_per_day: Option<i64>,
    /// How large a share of all that exist one run may delete, such as 50 or 50% [default: 50]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percentage, allow_negative_numbers = true, help_heading = "Safety")]
    pub max_share: Option<f64>,
    /// Names that are never deleted, as a glob; repeatable
    #[arg(long, value_name = "GLOB", help_heading = "Safety")]
    pub protect: Vec<String>,
    /// Names that must not be deleted for now: a CSV file with the header `name,reason,until`
    #[arg(long, value_name = "FILE", help_heading = "Safety")]
    pub holds: Option<String>,
    /// Datamarts that are never deleted, as a glob, and with them their datasource and its other datamarts; repeatable
    #[arg(long, value_name = "GLOB", help_heading = "Safety")]
    pub protect_datamart: Vec<String>,
    /// Count "not found" as success
    #[arg(long, num_args = 0, default_missing_value = "true", help_heading = "Safety")]
    pub ignore_not_found: Option<bool>,
    /// Do not compare the outcomes with the listing at the end
    #[arg(long = "no-listing-check", num_args = 0, default_missing_value = "false", help_heading = "Safety")]
    pub listing_check: Option<bool>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", help_heading = "Audit")]
    pub reason: Option<String>,
    /// The ticket that asked for it, for the audit log
    #[arg(long, value_name = "ID", help_heading = "Audit")]
    pub ticket: Option<String>,
    /// Who runs it, for the audit log [default: the login name]
    #[arg(long, value_name = "NAME", help_heading = "Audit")]
    pub operator: Option<String>,
    /// After how many records another checkpoint is written [default: 100000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Audit")]
    pub checkpoint_every: Option<i64>,
    /// Serve metrics to Prometheus here, with /healthz and /readyz, while it runs
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Watching")]
    pub metrics_addr: Option<String>,
    /// Write metrics to this file, for the textfile collector of node_exporter
    #[arg(long, value_name = "FILE", help_heading = "Watching")]
    pub metrics_file: Option<String>,
    /// Push metrics to this push gateway at the end
    #[arg(long, value_name = "URL", help_heading = "Watching")]
    pub push_gateway: Option<String>,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct CheckpointFlags {
    /// A private key, without a passphrase, that signs checkpoints of the audit log
    #[arg(long, value_name = "FILE", help_heading = "Audit")]
    pub signing_key: Option<String>,
    /// A folder for checkpoints
    #[arg(long, value_name = "DIR", help_heading = "Audit")]
    pub checkpoint_dir: Option<String>,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct PlanFlags {
    /// How long the saved plan may be run [default: 24h]
    #[arg(long = "valid-for", value_name = "TIME", conflicts_with = "show")]
    #[serde(serialize_with = "as_text")]
    pub plan_validity: Option<humantime::Duration>,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct ApprovalFlags {
    /// Who may approve: a file of allowed signers
    #[arg(long, value_name = "FILE", conflicts_with = "input", help_heading = "Plan")]
    pub allowed_signers: Option<String>,
    /// Public keys that approve nothing any more, one a line; not a revocation list (KRL)
    #[arg(long, value_name = "FILE", conflicts_with = "input", help_heading = "Plan")]
    pub revoked_signers: Option<String>,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct QueueFlags {
    /// The queue, such as redis://HOST?queue=NAME, amqp://HOST?queue=NAME or nats://HOST?queue=NAME
    #[arg(long = "queue", value_name = "URL", help_heading = "Queue")]
    pub queue_url: Option<String>,
    /// A file that holds the queue's URL, for one with a password
    #[arg(long = "queue-file", value_name = "FILE", conflicts_with = "queue_url", help_heading = "Queue")]
    pub queue_url_file: Option<String>,
}

#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct WorkFlags {
    /// End after no message came for this long [default: 30s]
    #[arg(long, value_name = "TIME", conflicts_with = "follow", help_heading = "Queue")]
    #[serde(serialize_with = "as_text")]
    pub idle: Option<humantime::Duration>,
}

/// Flags whose value is in the log by the time that a run is continued, or that only its beginning needs.
const ONCE: [&str; 3] = ["reason", "ticket", "canary"];

/// A flag that was given.
pub(super) struct GivenFlag {
    /// The name of its setting.
    pub(super) name: String,
    /// As it is written, without the dashes.
    pub(super) flag: String,
    pub(super) value: Value,
}

impl Flags {
    /// The flags that were given, in the order of the help.
    pub(super) fn given(&self) -> impl Iterator<Item = GivenFlag> {
        let given = Value::serialize(self).ok().and_then(Value::into_dict);
        let mut given: Dict = given.unwrap_or_default();
        flag_names().into_iter().filter_map(move |(name, flag)| {
            let value = given.remove(&name)?;
            let is_given = match &value {
                Value::Empty(_, Empty::None | Empty::Unit) => false,
                Value::Array(_, items) => !items.is_empty(),
                _ => true,
            };
            is_given.then_some(GivenFlag { name, flag, value })
        })
    }

    /// The flags with which another command continues a run: those that lead it to the same log and API, under
    /// the same limits.
    #[must_use]
    pub fn repeated(&self) -> Vec<String> {
        let shared = Self {
            log: LogFlags { log_format: None, ..self.log.clone() },
            run: self.run.clone(),
            checkpoint: self.checkpoint.clone(),
            ..Self::default()
        };
        let given = shared.given().filter(|given| !ONCE.contains(&given.name.as_str()));
        given.flat_map(|GivenFlag { flag, value, .. }| words(&flag, &value)).collect()
    }
}

/// A flag and its value, as they are written.
fn words(flag: &str, value: &Value) -> Vec<String> {
    let flag = format!("--{flag}");
    match (value, value.to_actual()) {
        (Value::Array(_, items), _) => {
            items.iter().filter_map(Value::as_str).map(|item| format!("{flag}={item}")).collect()
        }
        (_, Actual::Str(text)) => vec![flag, text],
        (_, Actual::Signed(number)) => vec![flag, number.to_string()],
        (_, Actual::Float(number)) => vec![flag, number.to_string()],
        // A switch.
        _ => vec![flag],
    }
}

/// The name of each setting that has a flag, and the flag without its dashes.
pub(super) fn flag_names() -> Vec<(String, String)> {
    let command = Flags::augment_args(Command::new("decom"));
    let named = |arg: &clap::Arg| Some((arg.get_id().to_string(), arg.get_long()?.to_owned()));
    command.get_arguments().filter_map(named).collect()
}

#[expect(clippy::ref_option, reason = "this is how serde passes a field")]
fn as_text<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
