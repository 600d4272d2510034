//! What was written and what is valid are two types: the rest of the program sees only the latter.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::layers::{FlagValues, lay, wrong_kind};
use super::places::Places;
use super::watch::{WatchSettings, WrittenWatch};
use super::{ConfigError, Environment};
use crate::ratelimit::Rate;

/// Valid settings. Every one is documented in `config/default.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The audit log.
    pub audit: AuditSettings,
    /// How the API is reached.
    pub api: ApiSettings,
    /// How fast.
    pub pace: PaceSettings,
    /// How often.
    pub retry: RetrySettings,
    /// What is refused.
    pub safety: SafetySettings,
    /// Where names come from instead of a file.
    pub queue: QueueSettings,
    /// What a run carries with it.
    pub run: RunSettings,
    /// What reports carry.
    pub report: ReportSettings,
    /// What is logged.
    pub log: LogSettings,
    /// Who is told of a run.
    pub watch: WatchSettings,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// Where it is.
    pub db: PathBuf,
    /// How far the clock may step back.
    pub clock_tolerance: Duration,
    /// What signs checkpoints.
    pub signing_key: Option<PathBuf>,
    /// Where checkpoints are written.
    pub checkpoint_dir: Option<PathBuf>,
    /// After how many records there is another one.
    pub checkpoint_every: u64,
}

/// How the API is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Where it is.
    pub base_url: String,
    /// Private certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether plain HTTP may leave this machine.
    pub allow_http: bool,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long the server may take until its answer begins.
    pub response_timeout: Duration,
    /// How long one attempt may take in all.
    pub attempt_timeout: Duration,
}

/// How fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaceSettings {
    /// How fast requests leave.
    pub rate: Rate,
    /// How many are under way at once, 1 to 1024.
    pub concurrency: usize,
    /// How many workers share the rate, this one included, 1 to 1024.
    pub workers: u32,
    /// The longest pause that the server may ask for.
    pub max_pause: Duration,
}

/// How often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    /// Attempts a target gets, 1 to 20.
    pub max_attempts: u32,
    /// The longest wait before the second.
    pub first_backoff: Duration,
    /// The longest wait between two.
    pub longest_backoff: Duration,
}

/// What is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct SafetySettings {
    /// How many one run may delete.
    pub max_deletes: u64,
    /// How large a share of all that exist, in percent, above 0 to 100.
    pub max_share: f64,
    /// Globs of protected names.
    pub protect: Vec<String>,
    /// Whether "not found" counts as success.
    pub ignore_not_found: bool,
    /// Whether the listing is read after a run.
    pub listing_check: bool,
    /// How many targets are deleted alone at first.
    pub canary: u64,
    /// How long a saved plan may be run.
    pub plan_validity: Duration,
    /// Whether a run needs an approved plan.
    pub require_approval: bool,
    /// Who may approve plans.
    pub allowed_signers: Option<PathBuf>,
    /// Keys that approve nothing any more.
    pub revoked_signers: Option<PathBuf>,
    /// This many failures stop the run …
    pub breaker_failures: usize,
    /// … among this many settled targets.
    pub breaker_window: usize,
}

/// Where names come from instead of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// Where the queue is. It may hold a password, and is shown nowhere as it stands here.
    pub url: Option<String>,
    /// A file that holds that instead.
    pub url_file: Option<PathBuf>,
    /// A worker ends once no message came for so long.
    pub idle: Duration,
    /// How long a message stays with a worker that gives no sign of life.
    pub hold: Duration,
    /// How long the broker may be away until a worker gives up.
    pub max_outage: Duration,
}

/// What a run carries with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSettings {
    /// How long requests in flight may take after a first signal.
    pub grace: Duration,
    /// Who runs it.
    pub operator: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The ticket that asked for it.
    pub ticket: Option<String>,
}

/// What reports carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSettings {
    /// In whose name certificates are issued.
    pub organisation: Option<String>,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// In which form.
    pub format: LogFormat,
    /// What.
    pub level: String,
    /// A folder for log files.
    pub dir: Option<PathBuf>,
}

/// The form of the log on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// Resolves the settings: flag > environment > `file` > defaults.
    ///
    /// # Errors
    /// Where a layer cannot be read, holds an unknown key, or a value that cannot be one.
    pub fn resolve(
        file: Option<&Path>,
        environment: &Environment,
        flags: &FlagValues,
    ) -> Result<Self, ConfigError> {
        let named = environment.get("DECOM_CONFIG")?.filter(|path| !path.is_empty()).map(Path::new);
        let layers = lay(file.or(named), environment, flags)?;
        let written: Written = layers.extract().map_err(|error| wrong_kind(&error))?;
        written.checked(&Places(&layers))
    }
}

/// The settings as they are written.
#[derive(Deserialize)]
struct Written {
    audit: WrittenAudit,
    api: WrittenApi,
    pace: WrittenPace,
    retry: WrittenRetry,
    safety: WrittenSafety,
    queue: WrittenQueue,
    run: WrittenRun,
    report: WrittenReport,
    log: WrittenLog,
    watch: WrittenWatch,
}

#[derive(Deserialize)]
struct WrittenAudit {
    db: String,
    clock_tolerance: String,
    signing_key: String,
    checkpoint_dir: String,
    checkpoint_every: i64,
}

#[derive(Deserialize)]
struct WrittenApi {
    base_url: String,
    ca_file: String,
    allow_http: bool,
    connect_timeout: String,
    response_timeout: String,
    attempt_timeout: String,
}

#[derive(Deserialize)]
struct WrittenPace {
    rate: String,
    concurrency: i64,
    workers: i64,
    max_pause: String,
}

#[derive(Deserialize)]
struct WrittenRetry {
    max_attempts: i64,
    first_backoff: String,
    longest_backoff: String,
}

#[derive(Deserialize)]
struct WrittenSafety {
    max_deletes: i64,
    max_share: f64,
    protect: Vec<String>,
    ignore_not_found: bool,
    listing_check: bool,
    canary: i64,
    plan_validity: String,
    require_approval: bool,
    allowed_signers: String,
    revoked_signers: String,
    breaker_failures: i64,
    breaker_window: i64,
}

#[derive(Deserialize)]
struct WrittenQueue {
    url: String,
    url_file: String,
    idle: String,
    hold: String,
    max_outage: String,
}

#[derive(Deserialize)]
struct WrittenRun {
    grace: String,
    operator: String,
    reason: String,
    ticket: String,
}

#[derive(Deserialize)]
struct WrittenReport {
    organisation: String,
}

#[derive(Deserialize)]
struct WrittenLog {
    format: String,
    level: String,
    dir: String,
}

impl Written {
    fn checked(self, places: &Places<'_>) -> Result<Settings, ConfigError> {
        let share = self.safety.max_share;
        if !(share > 0.0 && share <= 100.0) {
            return Err(places.invalid(
                "safety.max_share",
                share,
                "a percentage above 0 and up to 100 is needed",
            ));
        }
        let breaker_window = places.whole("safety.breaker_window", self.safety.breaker_window, 1, 100_000)?;
        Ok(Settings {
            audit: AuditSettings {
                db: places
                    .path(&self.audit.db)
                    .ok_or_else(|| places.invalid("audit.db", "", "it names no file"))?,
                clock_tolerance: places.duration("audit.clock_tolerance", &self.audit.clock_tolerance)?,
                signing_key: places.path(&self.audit.signing_key),
                checkpoint_dir: places.path(&self.audit.checkpoint_dir),
                checkpoint_every: places.whole(
                    "audit.checkpoint_every",
                    self.audit.checkpoint_every,
                    1,
                    i64::MAX,
                )?,
            },
            api: ApiSettings {
                ca_file: places.path(&self.api.ca_file),
                allow_http: self.api.allow_http,
                connect_timeout: places.positive("api.connect_timeout", &self.api.connect_timeout)?,
                response_timeout: places.positive("api.response_timeout", &self.api.response_timeout)?,
                attempt_timeout: places.positive("api.attempt_timeout", &self.api.attempt_timeout)?,
                base_url: self.api.base_url,
            },
            pace: PaceSettings {
                rate: Rate::from_str(&self.pace.rate)
                    .map_err(|error| places.invalid("pace.rate", &self.pace.rate, error))?,
                concurrency: places.whole("pace.concurrency", self.pace.concurrency, 1, 1024)?,
                workers: places.whole("pace.workers", self.pace.workers, 1, 1024)?,
                max_pause: places.positive("pace.max_pause", &self.pace.max_pause)?,
            },
            retry: RetrySettings {
                max_attempts: places.whole("retry.max_attempts", self.retry.max_attempts, 1, 20)?,
                first_backoff: places.positive("retry.first_backoff", &self.retry.first_backoff)?,
                longest_backoff: places.positive("retry.longest_backoff", &self.retry.longest_backoff)?,
            },
            safety: SafetySettings {
                max_deletes: places.whole("safety.max_deletes", self.safety.max_deletes, 0, i64::MAX)?,
                max_share: share,
                protect: self.safety.protect,
                ignore_not_found: self.safety.ignore_not_found,
                listing_check: self.safety.listing_check,
                canary: places.whole("safety.canary", self.safety.canary, 0, i64::MAX)?,
                plan_validity: places.long("safety.plan_validity", &self.safety.plan_validity)?,
                require_approval: self.safety.require_approval,
                allowed_signers: places.path(&self.safety.allowed_signers),
                revoked_signers: places.path(&self.safety.revoked_signers),
                breaker_failures: places.whole(
                    "safety.breaker_failures",
                    self.safety.breaker_failures,
                    1,
                    i64::try_from(breaker_window).unwrap_or(i64::MAX),
                )?,
                breaker_window,
            },
            queue: QueueSettings {
                url: Some(self.queue.url).filter(|url| !url.is_empty()),
                url_file: places.path(&self.queue.url_file),
                idle: places.positive("queue.idle", &self.queue.idle)?,
                hold: places.positive("queue.hold", &self.queue.hold)?,
                max_outage: places.duration("queue.max_outage", &self.queue.max_outage)?,
            },
            run: RunSettings {
                grace: places.duration("run.grace", &self.run.grace)?,
                operator: places.line("run.operator", self.run.operator)?,
                reason: places.line("run.reason", self.run.reason)?,
                ticket: places.line("run.ticket", self.run.ticket)?,
            },
            report: ReportSettings {
                organisation: places.line("report.organisation", self.report.organisation)?,
            },
            log: LogSettings {
                format: match self.log.format.as_str() {
                    "auto" => LogFormat::Auto,
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    other => {
                        return Err(places.invalid("log.format", other, "it is `auto`, `text` or `json`"));
                    }
                },
                level: places.level(self.log.level)?,
                dir: places.path(&self.log.dir),
            },
            watch: self.watch.checked(places, self.api.allow_http)?,
        })
    }
}
