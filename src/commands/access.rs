//! Access to the API: where it is, the token, and one pace for everything that is asked of it, the look before a
//! run included.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::CommandError;
use super::context::Context;
use crate::api::{ApiOptions, BaseUrl, Lister, ServerObservation};
use crate::config::{check_proxies, find_token};
use crate::domain::{Credentials, ReadToken, Token};
use crate::ratelimit::{PaceOptions, Pacer, Rate};
use crate::run::SideChannel;

/// How long a person waits for a listing.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(super) struct ApiAccess {
    pub(super) api: ApiOptions,
    /// The one that the command began with.
    pub(super) token: Token,
    pub(super) credentials: Credentials,
    pub(super) pacer: Pacer,
    pub(super) side_channel: SideChannel,
}

/// How many files a command has open beside the connections of its requests: the log, its readers, the listing, the
/// input, metrics and those who fetch them.
const OTHER_FILES: u64 = 48;

/// Refuses more requests at once than this process may have files open: at the limit, the audit log could not be opened
/// again, and the run would stop in the middle.
fn check_file_limit(concurrency: usize) -> Result<(), CommandError> {
    use rustix::process::{Resource, getrlimit};
    let Some(limit) = getrlimit(Resource::Nofile).current else { return Ok(()) };
    let needed = OTHER_FILES + concurrency as u64;
    if needed <= limit {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "{concurrency} requests at once need up to {needed} open files, and this process may have {limit}; raise that limit (`ulimit -n`, LimitNOFILE= of systemd), or lower pace.concurrency"
    )))
}

impl ApiAccess {
    /// Access to the API of the settings.
    pub(super) fn configured(context: &Context<'_>) -> Result<Self, CommandError> {
        let base_url = context.base_url()?;
        let (flag, environment) = (context.options.token_file.clone(), context.world.environment.clone());
        let token = find_token(flag.as_deref(), &environment)?;
        // From the same place; a variable cannot have changed.
        let again: ReadToken = Box::new(move || find_token(flag.as_deref(), &environment).ok());
        let credentials = Credentials::new(token.clone(), Some(again));
        Self::new(context, base_url, token, credentials, context.settings.pace.rate)
    }

    /// Access to the API at `base_url`: checked, so that no run begins that could not send.
    pub(super) fn new(
        context: &Context<'_>,
        base_url: BaseUrl,
        token: Token,
        credentials: Credentials,
        rate: Rate,
    ) -> Result<Self, CommandError> {
        let (settings, pace) = (&context.settings.api, &context.settings.pace);
        let api = ApiOptions {
            base_url,
            ca_file: settings.ca_file.clone(),
            connect_timeout: settings.connect_timeout,
            response_timeout: settings.response_timeout,
            attempt_timeout: settings.attempt_timeout,
            connections: pace.concurrency,
            listing_patience: settings.listing_patience,
            observation: ServerObservation::default(),
        };
        if !api.base_url.is_loopback() {
            check_proxies(&context.world.environment)?;
        }
        api.check()?;
        check_file_limit(pace.concurrency)?;
        let side_channel = SideChannel::default();
        let options = PaceOptions {
            max_pause: pace.max_pause,
            fallback: Rate::DEFAULT.shared(pace.workers),
            workers: pace.workers,
            on_event: Some(side_channel.pace_hook()),
        };
        Ok(Self {
            api,
            token,
            credentials,
            pacer: Pacer::new(rate.shared(pace.workers), options),
            side_channel,
        })
    }

    pub(super) fn base_url(&self) -> &str {
        self.api.base_url.as_str()
    }

    pub(super) fn host(&self) -> String {
        self.api.base_url.host()
    }

    /// The same, for a command that only looks: its user is not kept waiting for long.
    pub(super) fn impatient(mut self) -> Self {
        self.api.listing_patience = self.api.listing_patience.min(LONGEST_WAIT);
        self
    }

    /// Reads the listings before a run, at the same pace. A person at a terminal is not kept waiting for long.
    pub(super) fn lister(&self, context: &Context<'_>) -> Result<Lister, CommandError> {
        let (pacer, clock) = (self.pacer.clone(), context.world.clock.clone());
        let mut api = self.api.clone();
        if context.world.stderr_is_terminal {
            api.listing_patience = api.listing_patience.min(LONGEST_WAIT);
        }
        Ok(Lister::new(&api, &self.credentials, pacer, clock, CancellationToken::new())?)
    }
}
