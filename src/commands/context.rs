//! What every command begins with: the settings, the log, and the parts wired from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::Rng;

#[cfg(feature = "otlp")]
use super::watching;
use super::watching::Watching;
use super::{CommandError, Interrupts};
use crate::api::{ApiOptions, BaseUrl, RetryOptions};
use crate::audit::{AuditError, AuditLog, CheckpointOptions, LogOptions};
use crate::config::{Environment, Flags, LogFormat, Settings};
use crate::domain::Clock;
use crate::plan::{Guards, Protection};
use crate::run::Limits;
use crate::sshsig::SigningKey;
use crate::terminal::{self, Logging};

/// What the command line gives to every command.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The settings given by flag.
    pub flags: Flags,
    /// The file that holds the token.
    pub token_file: Option<PathBuf>,
    /// Show what would be done, and do nothing.
    pub dry_run: bool,
    /// Do not ask.
    pub yes: bool,
    /// No progress, and warnings only.
    pub quiet: bool,
    /// The end of the run as JSON.
    pub json: bool,
}

/// What is outside: passed in, so that tests own it.
pub struct World {
    /// The environment.
    pub environment: Environment,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether somebody can be asked: stdin and stderr are a terminal.
    pub can_ask: bool,
    /// Whether stderr is a terminal.
    pub stderr_is_terminal: bool,
    /// SIGINT and SIGTERM.
    pub interrupts: Interrupts,
    /// How many threads can do something at once.
    pub threads: usize,
}

/// The settings, the log, and what is wired from them.
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) world: &'a World,
    pub(super) settings: Settings,
    pub(super) logging: Logging,
    pub(super) watching: Watching,
    /// Sends what is left at the end.
    #[cfg(feature = "otlp")]
    _traces: Option<crate::telemetry::Traces>,
}

/// The version of decom.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl<'a> Context<'a> {
    /// Resolves the settings and starts the log.
    pub(super) fn new(options: &'a Options, world: &'a World) -> Result<Self, CommandError> {
        let settings = Settings::resolve(options.config.as_deref(), &world.environment, &options.flags)?;
        let json = match settings.log.format {
            LogFormat::Auto => !world.stderr_is_terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        let filter = if options.quiet { "warn" } else { &settings.log.level };
        let log_options =
            terminal::LogOptions { json, filter, dir: settings.log.dir.as_deref(), dry_run: options.dry_run };
        #[cfg(feature = "otlp")]
        let traces = watching::traces(&world.environment, &settings, VERSION)?;
        #[cfg(feature = "otlp")]
        let others = traces.iter().map(crate::telemetry::Traces::layer).collect();
        #[cfg(not(feature = "otlp"))]
        let others = Vec::new();
        let logging = terminal::start(log_options, others)?;
        Ok(Self {
            options,
            world,
            settings,
            logging,
            watching: Watching::default(),
            #[cfg(feature = "otlp")]
            _traces: traces,
        })
    }

    /// Where the API is.
    pub(super) fn base_url(&self) -> Result<BaseUrl, CommandError> {
        Ok(BaseUrl::new(&self.settings.api.base_url, self.settings.api.allow_http)?)
    }

    /// How the API at `base_url` is reached.
    pub(super) fn api(&self, base_url: BaseUrl) -> ApiOptions {
        let api = &self.settings.api;
        ApiOptions {
            base_url,
            ca_file: api.ca_file.clone(),
            connect_timeout: api.connect_timeout,
            response_timeout: api.response_timeout,
            attempt_timeout: api.attempt_timeout,
            connections: self.settings.pace.concurrency,
        }
    }

    /// How often a target is tried.
    pub(super) const fn retry(&self) -> RetryOptions {
        let retry = &self.settings.retry;
        RetryOptions {
            max_attempts: retry.max_attempts,
            first_backoff: retry.first_backoff,
            longest_backoff: retry.longest_backoff,
        }
    }

    /// The limits of a run.
    pub(super) const fn limits(&self) -> Limits {
        let (safety, pace) = (&self.settings.safety, &self.settings.pace);
        Limits {
            concurrency: pace.concurrency,
            threads: self.world.threads,
            canary: safety.canary,
            grace: self.settings.run.grace,
            breaker_failures: safety.breaker_failures,
            breaker_window: safety.breaker_window,
            listing_check: safety.listing_check,
            ignore_not_found: safety.ignore_not_found,
        }
    }

    /// The guards.
    pub(super) const fn guards(&self) -> Guards {
        let safety = &self.settings.safety;
        Guards { max_deletes: safety.max_deletes, max_share: safety.max_share }
    }

    /// The patterns of names that are never deleted: those of the settings, and these.
    pub(super) fn protect(&self, besides: &[String]) -> Vec<String> {
        let mut patterns = self.settings.safety.protect.clone();
        patterns.extend(besides.iter().filter(|one| !self.settings.safety.protect.contains(one)).cloned());
        patterns
    }

    /// The names that are never deleted.
    pub(super) fn protection(&self) -> Result<Protection, CommandError> {
        Ok(Protection::new(&self.settings.safety.protect)?)
    }

    /// Opens the audit log at `path` for writing; `None` in a dry run.
    ///
    /// This is what keeps a dry run from deleting: what deletes is built by `run::execute` alone,
    /// out of a log that is open for writing, and this is the only place where one is opened.
    pub(super) fn open_log(&self, path: &Path) -> Result<Option<AuditLog>, CommandError> {
        if self.options.dry_run {
            return Ok(None);
        }
        Ok(Some(AuditLog::open(path, &self.log_options()?)?))
    }

    /// How a log is opened for writing, and what a new one begins with.
    pub(super) fn log_options(&self) -> Result<LogOptions, CommandError> {
        let at = self.world.clock.timestamp();
        Ok(LogOptions {
            holder: format!("process {} on {}, since {at}", std::process::id(), host()),
            new_log_id: random_hex(16),
            tool_version: VERSION.to_owned(),
            at,
            clock_tolerance: self.settings.audit.clock_tolerance,
            checkpoints: self.checkpoints()?,
        })
    }

    /// Where checkpoints go, where any are written.
    fn checkpoints(&self) -> Result<Option<CheckpointOptions>, CommandError> {
        let audit = &self.settings.audit;
        match (&audit.checkpoint_dir, &audit.signing_key) {
            (None, None) => Ok(None),
            (None, Some(_)) => {
                tracing::warn!(
                    "there is a signing key and no audit.checkpoint_dir: no checkpoints are written"
                );
                Ok(None)
            }
            (Some(dir), None) => Err(CommandError::Usage(format!(
                "checkpoints are to be written to {}, and nothing signs them: set audit.signing_key too (--signing-key FILE)",
                dir.display()
            ))),
            (Some(dir), Some(key)) => {
                let key = SigningKey::read(key).map_err(AuditError::from)?;
                Ok(Some(CheckpointOptions {
                    dir: dir.clone(),
                    key: Arc::new(key),
                    every: audit.checkpoint_every,
                }))
            }
        }
    }

    /// Who runs this.
    pub(super) fn operator(&self) -> Result<String, CommandError> {
        match &self.settings.run.operator {
            Some(operator) => Ok(operator.clone()),
            None => self.login(),
        }
    }

    /// Who is logged in, whoever they say they are.
    pub(super) fn login(&self) -> Result<String, CommandError> {
        for variable in ["USER", "LOGNAME"] {
            if let Some(name) = self.world.environment.get(variable)?.filter(|name| !name.is_empty()) {
                return Ok(name.to_owned());
            }
        }
        Ok(format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// Whether somebody will be asked before `due` datasources are deleted.
    pub(super) const fn will_ask(&self, due: u64) -> bool {
        self.world.can_ask && !self.options.yes && !self.options.dry_run && due > 0
    }

    /// A fresh id for a run: the time, and enough at random that two machines never meet.
    pub(super) fn new_run_id(&self) -> String {
        format!("{}-{}", self.world.clock.timestamp().compact(), random_hex(4))
    }

    /// The command `decom WORDS`, with the flags that lead it to the same log and API, under the same
    /// limits.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let mut all: Vec<String> = vec!["decom".to_owned()];
        all.extend(words.iter().map(|word| (*word).to_owned()));
        let paths = [("--config", &self.options.config), ("--token-file", &self.options.token_file)];
        for (flag, path) in paths {
            if let Some(path) = path {
                all.extend([flag.to_owned(), path.display().to_string()]);
            }
        }
        all.extend(self.options.flags.repeated());
        quoted(&all)
    }
}

/// Words as a shell takes them.
pub(super) fn quoted(words: &[String]) -> String {
    // A word with NUL, which alone cannot be quoted, is no path.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// The name of the machine.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

pub(super) fn random_hex(bytes: usize) -> String {
    use std::fmt::Write;
    let mut random = rand::rng();
    (0..bytes).fold(String::new(), |mut hex, _| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{:02x}", random.random::<u8>());
        hex
    })
}
