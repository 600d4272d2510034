//! What every command begins with: what it was asked for, its settings, and the log stream.

use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::observers::Observers;
use super::{CommandError, Interrupts};
use crate::api::BaseUrl;
use crate::config::{Environment, Flags, LogFormat, Settings, find_token};
use crate::domain::{Clock, Timestamp, Token, hex};
use crate::plan::{AllowShared, Guards, Protection};
#[cfg(feature = "otlp")]
use crate::telemetry::{ENDPOINTS, Traces};
use crate::terminal::{self, LogOptions, Logging, Progress};

/// What the command line says to every command.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The flags of settings.
    pub flags: Flags,
    /// The file that holds the token.
    pub token_file: Option<PathBuf>,
    /// Globs of shared datasources that may be deleted: only ever a flag.
    pub allow_shared: Vec<String>,
    /// Take along the datamarts that read the datasources: only ever a flag.
    pub with_datamarts: bool,
    /// Show what would be done, and do nothing.
    pub dry_run: bool,
    /// Do not ask.
    pub yes: bool,
    /// No progress, and warnings only.
    pub quiet: bool,
    /// More of what happens, and every name.
    pub verbose: bool,
    /// The result as JSON.
    pub json: bool,
}

/// What is outside: passed in, so that tests own it.
pub struct World {
    pub environment: Environment,
    pub clock: Arc<dyn Clock>,
    /// If a user can be asked on a terminal.
    pub can_ask: bool,
    pub stderr_is_terminal: bool,
    pub interrupts: Interrupts,
}

/// What a command works with from its beginning to its end.
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) world: &'a World,
    pub(super) settings: Settings,
    pub(super) logging: Logging,
    pub(super) observers: Observers,
    /// Sends what is left when it is dropped.
    #[cfg(feature = "otlp")]
    _traces: Option<Traces>,
}

/// What reports the hashes of the audit log.
const HASHES: &str = "decom::audit::write::head_publisher";

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl<'a> Context<'a> {
    /// Resolves the settings and starts the log stream.
    pub(super) fn new(options: &'a Options, world: &'a World) -> Result<Self, CommandError> {
        check_clock(world.clock.timestamp())?;
        let settings = Settings::resolve(options.config.as_deref(), &world.environment, &options.flags)?;
        let log = LogOptions {
            json: match settings.log.format {
                LogFormat::Auto => !world.stderr_is_terminal,
                LogFormat::Text => false,
                LogFormat::Json => true,
            },
            filter: match (options.quiet, options.verbose) {
                (true, _) => Targets::new().with_default(LevelFilter::WARN),
                (_, true) => settings.log.level.clone().with_target("decom", LevelFilter::DEBUG),
                _ => settings.log.level.clone(),
            },
            hidden_in_text: (!options.verbose).then_some(HASHES),
            dir: settings.log.dir.as_deref(),
            dry_run: options.dry_run,
        };
        #[cfg(feature = "otlp")]
        let traces = traces(&world.environment, &settings)?;
        #[cfg(feature = "otlp")]
        let others = traces.iter().map(Traces::layer).collect();
        #[cfg(not(feature = "otlp"))]
        let others = Vec::new();
        let logging = terminal::start(&log, others)?;
        Ok(Self {
            options,
            world,
            settings,
            logging,
            observers: Observers::default(),
            #[cfg(feature = "otlp")]
            _traces: traces,
        })
    }

    pub(super) fn base_url(&self) -> Result<BaseUrl, CommandError> {
        Ok(BaseUrl::new(&self.settings.api.base_url, self.settings.api.allow_http)?)
    }

    /// The service token, if one is given: for a command that sends none, and must not record it either.
    pub(super) fn token(&self) -> Option<Token> {
        find_token(self.options.token_file.as_deref(), &self.world.environment).ok()
    }

    pub(super) const fn guards(&self) -> Guards {
        let safety = &self.settings.safety;
        Guards { max_deletes: safety.max_deletes, max_share: safety.max_share }
    }

    /// The patterns of names that are never deleted: those of the settings, and `more`.
    pub(super) fn protect(&self, more: &[String]) -> Vec<String> {
        let mut patterns = self.settings.safety.protect.clone();
        patterns.extend(more.iter().filter(|one| !self.settings.safety.protect.contains(one)).cloned());
        patterns
    }

    /// The shared datasources that the command line allows to delete.
    pub(super) fn allow_shared(&self) -> Result<AllowShared, CommandError> {
        Ok(AllowShared::new(&self.options.allow_shared)?)
    }

    /// The patterns of datamarts that are never deleted: those of the settings, and `more`.
    pub(super) fn protect_datamart(&self, more: &[String]) -> Vec<String> {
        let own = &self.settings.safety.protect_datamart;
        own.iter().chain(more.iter().filter(|one| !own.contains(one))).cloned().collect()
    }

    pub(super) fn protection(&self) -> Result<Protection, CommandError> {
        Ok(Protection::new(&self.settings.safety.protect)?)
    }

    /// Who runs this, as the settings say, or else the login name.
    pub(super) fn operator(&self) -> Result<String, CommandError> {
        match &self.settings.run.operator {
            Some(operator) => Ok(operator.clone()),
            None => self.login(),
        }
    }

    /// Who is logged in, whatever the settings say.
    pub(super) fn login(&self) -> Result<String, CommandError> {
        for variable in ["USER", "LOGNAME"] {
            if let Some(name) = self.world.environment.get(variable)? {
                return Ok(name.to_owned());
            }
        }
        Ok(match rustix::process::getuid().as_raw() {
            0 => "root (uid 0)".to_owned(),
            uid => format!("uid {uid}"),
        })
    }

    /// Returns true if the user will be asked before `due` datasources are deleted.
    pub(super) const fn will_ask(&self, due: u64) -> bool {
        self.world.can_ask && !self.options.yes && !self.options.dry_run && due > 0
    }

    /// Shows how far a run is, on a terminal as a bar.
    pub(super) fn progress(&self) -> Progress {
        if self.options.quiet {
            Progress::none()
        } else if self.world.stderr_is_terminal {
            Progress::bar(&self.logging.bars())
        } else {
            Progress::lines()
        }
    }

    /// The command `decom WORDS`, with the flags that lead it to the same log and API, under the same limits.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let mut all: Vec<_> = ["decom"].iter().chain(words).map(|word| (*word).to_owned()).collect();
        let paths = [("--config", &self.options.config), ("--token-file", &self.options.token_file)];
        for (flag, path) in paths {
            if let Some(path) = path {
                all.extend([flag.to_owned(), path.display().to_string()]);
            }
        }
        all.extend(self.options.flags.repeated());
        all.extend(self.options.allow_shared.iter().map(|glob| format!("--allow-shared={glob}")));
        quoted(&all)
    }
}

/// Spans to a collector, if the environment names one.
#[cfg(feature = "otlp")]
fn traces(environment: &Environment, settings: &Settings) -> Result<Option<Traces>, CommandError> {
    for variable in ENDPOINTS {
        if environment.get(variable)?.is_some() {
            return Ok(Some(Traces::start(settings.api.ca_file.as_deref(), VERSION)?));
        }
    }
    Ok(None)
}

/// Refuses a time that no record can have.
fn check_clock(now: Timestamp) -> Result<(), CommandError> {
    if now.is_valid() {
        return Ok(());
    }
    Err(CommandError::Usage(
        "this machine's clock is outside the years 1970 to 9999; set the clock right; nothing was sent"
            .to_owned(),
    ))
}

/// Words as a shell takes them.
pub(super) fn quoted(words: &[String]) -> String {
    // Only a word with NUL cannot be quoted, and no path holds one.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// The name of the machine.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

pub(super) fn random_hex(bytes: usize) -> String {
    hex((0..bytes).map(|_| rand::random()).collect::<Vec<u8>>())
}
