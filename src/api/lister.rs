//! Reads the listings: which datasources exist, and what depends on them. Cannot delete.
//!
//! Pages shift while entries are deleted, so that one pass over pages can miss an entry that exists, or show one that
//! does not. A listing that comes in pages is therefore read until two passes are equal.

mod probe;
mod reply;
mod waiting;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use reqwest::Client;
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{RetryDecision, RetryPolicy};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub use probe::Probe;
use reply::{Content, Trouble, answered, content, refused, unavailable};
use waiting::announced;

use super::client::{ApiOptions, BaseUrl, authorization, build};
use super::listing::{DatamartEntry, Entry, NamedEntry, Pass};
use super::transport::Failure;
use super::{ApiError, ServerObservation};
use crate::domain::{Clock, Credentials, Datamart, MAX_NAME_BYTES, Token, Verdict};
use crate::ratelimit::{Pacer, RateLimitHeaders};

/// How long one request may take: a listing may hold very many names.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);

/// How many entries a page has at least (the API's documentation, "List datasources").
const PAGE: usize = 10;

/// More pages than this are not a listing.
const MOST_PAGES: usize = 1_000_000;

/// How many passes over pages are made until two in a row are equal.
const MOST_PASSES: usize = 5;

/// Reads the listings.
#[derive(Clone)]
pub struct Lister {
    client: Client,
    credentials: Credentials,
    base_url: BaseUrl,
    observation: ServerObservation,
    pacer: Pacer,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
    backoff: ExponentialBackoff,
    patience: Duration,
}

impl Lister {
    /// # Errors
    /// If the HTTP client cannot be set up from `options`.
    pub fn new(
        options: &ApiOptions,
        credentials: &Credentials,
        pacer: Pacer,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<Self, ApiError> {
        let backoff = ExponentialBackoff::builder()
            .retry_bounds(Duration::from_millis(500), Duration::from_secs(15))
            .build_with_max_retries(u32::MAX);
        Ok(Self {
            client: build(options, true)?,
            observation: options.observation.clone(),
            credentials: credentials.clone(),
            base_url: options.base_url.clone(),
            pacer,
            stop,
            clock,
            backoff,
            patience: options.listing_patience,
        })
    }

    /// Returns the names of all datasources, each once. A name that is not among them did not exist when this began.
    ///
    /// # Errors
    /// If the listing cannot be read whole.
    pub async fn datasources(&self) -> Result<Vec<String>, ApiError> {
        let all: Vec<NamedEntry> = self.read("datasources", "/api/v2/datasource").await?;
        Ok(all.into_iter().map(|entry| entry.name).collect())
    }

    /// Returns all datamarts, each with its complete definition.
    ///
    /// # Errors
    /// If the listing cannot be read whole, or an entry does not say which datasource it reads: what depends on a
    /// datasource could not be told then.
    pub async fn datamarts(&self) -> Result<Vec<Datamart>, ApiError> {
        const WHAT: &str = "datamarts";
        let all: Vec<DatamartEntry> = self.read(WHAT, "/api/v2/data-app/datamarts").await?;
        let known = all.into_iter().map(|entry| {
            entry.into_datamart().map_err(|name| {
                let why =
                    format!("datamart `{}` does not say which datasource it reads", bounded_name(&name));
                ApiError::Listing { what: WHAT, why }
            })
        });
        known.collect()
    }

    /// Returns the names of the datamarts, by the name of the datasource that they read. A name that is longer than one
    /// can be is cut.
    ///
    /// # Errors
    /// As [`Lister::datamarts`].
    pub async fn dependants(&self) -> Result<HashMap<String, Vec<String>>, ApiError> {
        let mut by_datasource: HashMap<_, Vec<_>> = HashMap::new();
        for Datamart { name, datasource, .. } in self.datamarts().await? {
            by_datasource.entry(datasource).or_default().push(bounded_name(&name));
        }
        Ok(by_datasource)
    }

    /// Reads a listing whole: at once, or page by page if the API returns it so.
    async fn read<T: Entry>(&self, what: &'static str, path: &str) -> Result<Vec<T>, ApiError> {
        let mut listing = Pass::new();
        match self.get(what, path).await? {
            Content::Part(part) => {
                listing.add(part);
                let may_be_whole = listing.is_whole();
                if may_be_whole && (!listing.may_be_a_page() || self.is_all(what, path, &listing).await?) {
                    return Ok(listing.entries);
                }
            }
            // The API does not return this listing without pages.
            Content::Refused(StatusCode::BAD_REQUEST) => {}
            Content::Refused(status) => return Err(refused(what, status)),
        }
        let mut before = self.pass(what, path).await?;
        for _ in 1..MOST_PASSES {
            let pass = self.pass(what, path).await?;
            if pass.confirms(&before) {
                if pass.holds_all(&listing) {
                    return Ok(pass.entries);
                }
                let why = "its pages lack entries that it shows without pages".to_owned();
                return Err(ApiError::Listing { what, why });
            }
            before = pass;
        }
        let why = format!(
            "its pages changed, or were not all that it says there are, each of the {MOST_PASSES} times that it was read"
        );
        Err(ApiError::Listing { what, why })
    }

    /// Reads all pages once.
    async fn pass<T: Entry>(&self, what: &'static str, path: &str) -> Result<Pass<T>, ApiError> {
        let mut pass = Pass::new();
        let mut size = PAGE;
        for number in 1..=MOST_PAGES {
            match self.get(what, &page(path, number)).await? {
                Content::Part(part) if part.entries.is_empty() => {
                    pass.add(part);
                    return Ok(pass);
                }
                Content::Part(part) => {
                    let before = pass.entries.len();
                    size = size.max(part.entries.len());
                    pass.add(part);
                    // After all that is known, and nothing new: it would continue like this indefinitely.
                    if pass.entries.len() == before && number > before / size + 1 {
                        let why = format!("its page {number} only repeats the pages before it");
                        return Err(ApiError::Listing { what, why });
                    }
                }
                Content::Refused(status) => return Err(refused(what, status)),
            }
        }
        Err(ApiError::Listing { what, why: format!("it has no end within {MOST_PAGES} pages") })
    }

    /// Returns true if `listing`, which came without pages, is all there is: no page holds anything else. If the pages
    /// cannot be asked, or contradict it, that cannot be told.
    async fn is_all<T: Entry>(
        &self,
        what: &'static str,
        path: &str,
        listing: &Pass<T>,
    ) -> Result<bool, ApiError> {
        let mut number = 1;
        // The first page shows how long a page is, unless pages are unknown to the API; then the one after the end.
        for _ in 0..2 {
            let count = listing.count();
            let entries = match self.get::<T>(what, &page(path, number)).await? {
                Content::Part(part) => part.entries,
                Content::Refused(status) => {
                    let why =
                        format!("its {count} entries may be only a part of it, and {}", answered(status));
                    return Err(ApiError::Listing {
                        what,
                        why: format!("{why} to the request for page {number}"),
                    });
                }
            };
            if entries.iter().any(|entry| !listing.holds(entry)) {
                return Ok(false);
            }
            if number == 1 {
                if entries.is_empty() {
                    let why = format!("it has {count} entries, and its first page is empty");
                    return Err(ApiError::Listing { what, why });
                }
                number = count / entries.len() + 1;
            }
        }
        Ok(true)
    }

    /// Requests one page, again with backoff for as long as the trouble may pass and patience lasts.
    async fn get<T: Entry>(&self, what: &'static str, path: &str) -> Result<Content<T>, ApiError> {
        let began = Instant::now();
        for retries in 0.. {
            let turn = self.pacer.turn(&self.stop).await?;
            let (token, number) = self.credentials.current();
            let attempt = announced(what, self.attempt(what, path, &token)).await;
            turn.answered(&attempt.headers, attempt.throttled);
            let trouble = match attempt.content {
                Ok(content) => {
                    self.credentials.accepted(number);
                    return Ok(content);
                }
                Err(Trouble::Lasting(ApiError::Unauthorized { .. })) if self.credentials.renew(number) => {
                    continue;
                }
                Err(Trouble::Lasting(error)) => return Err(error),
                Err(Trouble::Passing(error)) => error,
            };
            let pause = attempt.headers.retry_after.unwrap_or_default().max(self.backoff_after(retries));
            if began.elapsed() + pause > self.patience {
                return Err(trouble);
            }
            tracing::warn!(error = %trouble, "trying again in {}", humantime::format_duration(whole_millis(pause)));
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled() => return Err(trouble),
            }
        }
        Err(ApiError::Listing { what, why: "it was tried too often".to_owned() })
    }

    fn backoff_after(&self, retries: u32) -> Duration {
        match self.backoff.should_retry(SystemTime::UNIX_EPOCH, retries) {
            RetryDecision::Retry { execute_after } => {
                execute_after.duration_since(SystemTime::now()).unwrap_or_default()
            }
            RetryDecision::DoNotRetry => Duration::ZERO,
        }
    }

    async fn attempt<T: Entry>(&self, what: &'static str, path: &str, token: &Token) -> Attempt<T> {
        let silent = |content| Attempt { content, headers: RateLimitHeaders::default(), throttled: false };
        let url = match self.base_url.endpoint(path) {
            Ok(url) => url,
            Err(error) => return silent(Err(Trouble::Lasting(error))),
        };
        let request = match authorization(token) {
            Ok(header) => self.client.get(url).headers([header].into_iter().collect()),
            Err(error) => return silent(Err(Trouble::Lasting(error))),
        };
        let mut response = match request.timeout(REQUEST_TIMEOUT).send().await {
            Ok(response) => response,
            Err(error) => return silent(Err(Trouble::Passing(self.unanswered(what, &error)))),
        };
        let is_proxied = !self.base_url.is_loopback();
        if is_proxied && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return silent(Err(Trouble::Lasting(self.unreachable(Failure::of_proxy().message))));
        }
        self.observation.note(&response, self.clock.now());
        let headers = RateLimitHeaders::read(response.headers(), self.clock.now());
        let throttled = response.status() == StatusCode::TOO_MANY_REQUESTS;
        Attempt { content: content(what, &mut response).await, headers, throttled }
    }

    fn unreachable(&self, why: String) -> ApiError {
        ApiError::Unreachable { url: self.base_url.as_str().to_owned(), why }
    }

    fn unanswered(&self, what: &'static str, error: &reqwest::Error) -> ApiError {
        match Failure::of(error) {
            Failure { verdict: Verdict::NotSent, .. } => self.unreachable(Failure::cause(error)),
            Failure { message, .. } => unavailable(what, message),
        }
    }
}

/// What one request brought.
struct Attempt<T> {
    content: Result<Content<T>, Trouble>,
    headers: RateLimitHeaders,
    throttled: bool,
}

fn bounded_name(name: &str) -> String {
    match name.char_indices().find(|(at, c)| at + c.len_utf8() > MAX_NAME_BYTES) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn page(path: &str, number: usize) -> String {
    format!("{path}?isPagination=true&pageNumber={number}")
}

fn whole_millis(pause: Duration) -> Duration {
    Duration::from_millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}
