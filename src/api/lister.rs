//! Reads the listings: which datasources exist, and what depends on them. Cannot delete.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::ApiError;
use super::client::{ApiOptions, BaseUrl, build, described};
use super::deleter::DeleterParts;
use super::pacing::PaceLayer;
use crate::domain::{Clock, Token};
use crate::ratelimit::Pacer;

/// How often a listing is tried again.
const RETRIES: u32 = 2;

/// How long reading a listing may take in all: it may hold very many names.
const LISTING_TIMEOUT: Duration = Duration::from_mins(2);

/// How many entries a page has (the API's documentation, "List datasources").
const PAGE: usize = 10;

/// A listing whose length is no multiple of this was no page of a longer one.
const ROUND: usize = 5;

/// More pages than this are no listing.
const MOST_PAGES: usize = 1_000_000;

/// Reads the listings.
#[derive(Debug, Clone)]
pub struct Lister {
    stack: ClientWithMiddleware,
    base_url: BaseUrl,
}

impl Lister {
    /// Builds a client that can only read.
    ///
    /// # Errors
    /// Where the client cannot be set up from `options`.
    pub fn new(
        options: &ApiOptions,
        token: &Token,
        pacer: Pacer,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<Self, ApiError> {
        Ok(Self::stacked(build(options, token)?, options, PaceLayer { pacer, stop, clock }))
    }

    pub(super) fn over(client: Client, options: &ApiOptions, parts: &DeleterParts) -> Self {
        let pace =
            PaceLayer { pacer: parts.pacer.clone(), stop: parts.stop.clone(), clock: parts.clock.clone() };
        Self::stacked(client, options, pace)
    }

    fn stacked(client: Client, options: &ApiOptions, pace: PaceLayer) -> Self {
        let policy = ExponentialBackoff::builder().build_with_max_retries(RETRIES);
        let stack = ClientBuilder::new(client)
            .with(RetryTransientMiddleware::new_with_policy(policy))
            .with(pace)
            .build();
        Self { stack, base_url: options.base_url.clone() }
    }

    /// The names of all datasources, each once.
    ///
    /// # Errors
    /// Where the listing cannot be read whole.
    pub async fn datasources(&self) -> Result<Vec<String>, ApiError> {
        let all: Vec<Named> = self.read("datasources", "/api/v2/datasource").await?;
        Ok(all.into_iter().map(|entry| entry.name).collect())
    }

    /// The names of the datamarts, by the name of the datasource that they read.
    ///
    /// # Errors
    /// Where the listing cannot be read whole.
    pub async fn datamarts(&self) -> Result<HashMap<String, Vec<String>>, ApiError> {
        let all: Vec<Datamart> = self.read("datamarts", "/api/v2/data-app/datamarts").await?;
        let mut by_datasource: HashMap<_, Vec<_>> = HashMap::new();
        for datamart in all {
            if let Some(integration) = datamart.company_integration {
                by_datasource.entry(integration.name).or_default().push(datamart.name);
            }
        }
        Ok(by_datasource)
    }

    /// Reads a listing whole: at once, or page by page where the API gives it so.
    async fn read<T: Entry>(&self, what: &'static str, path: &str) -> Result<Vec<T>, ApiError> {
        let mut listing = Listed { entries: Vec::new(), known: HashSet::new() };
        match self.get(what, path).await? {
            Got::Entries(entries) => {
                listing.add(entries);
                if !listing.may_be_a_page() || !self.has_more(what, path, &listing).await? {
                    return Ok(listing.entries);
                }
            }
            // It takes no listing without pages.
            Got::Refused(http::StatusCode::BAD_REQUEST) => {}
            Got::Refused(status) => return Err(refused(what, status)),
        }
        for number in 1..=MOST_PAGES {
            match self.get(what, &page(path, number)).await? {
                Got::Entries(entries) if entries.is_empty() => return Ok(listing.entries),
                Got::Entries(entries) => {
                    let before = listing.entries.len();
                    listing.add(entries);
                    // Behind all that is known, and nothing new: it would go on like this for ever.
                    if listing.entries.len() == before && number > before / PAGE + 1 {
                        let why = format!("its page {number} only repeats the pages before it");
                        return Err(ApiError::Listing { what, why });
                    }
                }
                Got::Refused(status) => return Err(refused(what, status)),
            }
        }
        Err(ApiError::Listing { what, why: format!("it has no end within {MOST_PAGES} pages") })
    }

    /// Whether the page behind what is known holds something that is not known: that was a page as well.
    /// An API that has no pages has given all of it.
    async fn has_more<T: Entry>(
        &self,
        what: &'static str,
        path: &str,
        listing: &Listed<T>,
    ) -> Result<bool, ApiError> {
        let next = listing.entries.len() / PAGE + 1;
        match self.get::<T>(what, &page(path, next)).await? {
            Got::Entries(entries) => Ok(entries.iter().any(|entry| !listing.known.contains(&entry.key()))),
            Got::Refused(_) => Ok(false),
        }
    }

    async fn get<T: Entry>(&self, what: &'static str, path: &str) -> Result<Got<T>, ApiError> {
        let failed = |why: String| ApiError::Listing { what, why };
        let url = self.base_url.endpoint(path)?;
        let request = self.stack.get(url).timeout(LISTING_TIMEOUT).send();
        let response = request.await.map_err(|error| failed(described(&error)))?;
        match response.status() {
            http::StatusCode::OK => {}
            http::StatusCode::UNAUTHORIZED => return Err(ApiError::Unauthorized),
            status if status.is_client_error() => return Ok(Got::Refused(status)),
            status => return Err(refused(what, status)),
        }
        let bytes = response.bytes().await.map_err(|error| failed(described(&error)))?;
        // The place only: what stands there may be anything, the token included.
        let listing: Listing<T> = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            failed(format!("the answer is no listing, from line {line}, column {column} on"))
        })?;
        if listing.error.is_some() {
            return Err(failed("the answer holds an error beside its data".to_owned()));
        }
        Ok(Got::Entries(listing.data))
    }
}

fn refused(what: &'static str, status: http::StatusCode) -> ApiError {
    ApiError::Listing { what, why: format!("the API answered {status}") }
}

fn page(path: &str, number: usize) -> String {
    format!("{path}?isPagination=true&pageNumber={number}")
}

/// What the API gave.
enum Got<T> {
    Entries(Vec<T>),
    Refused(http::StatusCode),
}

/// What is known of a listing, each entry once.
struct Listed<T> {
    entries: Vec<T>,
    known: HashSet<String>,
}

impl<T: Entry> Listed<T> {
    fn add(&mut self, entries: Vec<T>) {
        for entry in entries {
            if self.known.insert(entry.key()) {
                self.entries.push(entry);
            }
        }
    }

    /// Pages have round sizes.
    fn may_be_a_page(&self) -> bool {
        !self.entries.is_empty() && self.entries.len().is_multiple_of(ROUND)
    }
}

/// An entry of a listing.
trait Entry: DeserializeOwned {
    /// What tells it from the others.
    fn key(&self) -> String;
}

/// A listing, as the API documents it.
#[derive(Deserialize)]
struct Listing<T> {
    data: Vec<T>,
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Entry for Named {
    fn key(&self) -> String {
        self.name.clone()
    }
}

#[derive(Deserialize)]
struct Datamart {
    name: String,
    #[serde(rename = "companyIntegration")]
    company_integration: Option<Named>,
}

impl Entry for Datamart {
    fn key(&self) -> String {
        let reads = self.company_integration.as_ref().map_or("", |integration| &integration.name);
        // No name holds a NUL.
        format!("{}\0{reads}", self.name)
    }
}
