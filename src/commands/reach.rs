//! How the API is reached: one pace, for the look before a run and for the run itself.

use super::CommandError;
use super::context::Context;
use crate::api::{ApiOptions, BaseUrl};
use crate::domain::Token;
use crate::ratelimit::{PaceOptions, Pacer, Rate};
use crate::run::Happenings;

/// How the API is reached, and with what.
pub(super) struct Reach {
    pub(super) api: ApiOptions,
    pub(super) token: Token,
    /// One for everything that is asked of the API, the look before a run included.
    pub(super) pacer: Pacer,
    pub(super) happenings: Happenings,
}

impl Context<'_> {
    /// How the API at `base_url` is reached: checked, so that no run begins that could not send.
    pub(super) fn reach(&self, base_url: BaseUrl, token: Token, rate: Rate) -> Result<Reach, CommandError> {
        let api = self.api(base_url);
        api.check(&token)?;
        let happenings = Happenings::default();
        let workers = self.settings.pace.workers;
        let options = PaceOptions {
            max_pause: self.settings.pace.max_pause,
            fallback: Rate::DEFAULT.shared(workers),
            workers,
            on_event: Some(happenings.pace_hook()),
        };
        Ok(Reach { api, token, pacer: Pacer::new(rate.shared(workers), options), happenings })
    }
}
