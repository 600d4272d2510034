//! Reads the listings: which datasources exist, and what depends on them. Cannot delete.

use std::collections::HashMap;
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
use crate::pace::Pacer;
use crate::vocabulary::{Clock, Token};

/// How often a listing is tried again.
const RETRIES: u32 = 2;

/// How long reading a listing may take in all: it may hold very many names.
const LISTING_TIMEOUT: Duration = Duration::from_mins(2);

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

    /// The names of all datasources.
    ///
    /// # Errors
    /// Where the listing cannot be read whole.
    pub async fn datasources(&self) -> Result<Vec<String>, ApiError> {
        let listing: Listing<Named> = self.read("datasources", "/api/v2/datasource").await?;
        Ok(listing.data.into_iter().map(|entry| entry.name).collect())
    }

    /// The names of the datamarts, by the name of the datasource that they read.
    ///
    /// # Errors
    /// Where the listing cannot be read whole.
    pub async fn datamarts(&self) -> Result<HashMap<String, Vec<String>>, ApiError> {
        let listing: Listing<Datamart> = self.read("datamarts", "/api/v2/data-app/datamarts").await?;
        let mut by_datasource: HashMap<_, Vec<_>> = HashMap::new();
        for datamart in listing.data {
            if let Some(integration) = datamart.company_integration {
                by_datasource.entry(integration.name).or_default().push(datamart.name);
            }
        }
        Ok(by_datasource)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<Listing<T>, ApiError> {
        let failed = |why: String| ApiError::Listing { what, why };
        let url = self.base_url.endpoint(path)?;
        let request = self.stack.get(url).timeout(LISTING_TIMEOUT).send();
        let response = request.await.map_err(|error| failed(described(&error)))?;
        let status = response.status();
        if status == http::StatusCode::UNAUTHORIZED {
            return Err(ApiError::Unauthorized);
        }
        if status != http::StatusCode::OK {
            return Err(failed(format!("the API answered {status}")));
        }
        let bytes = response.bytes().await.map_err(|error| failed(described(&error)))?;
        // The place only: what stands there may be anything, the token included.
        serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            failed(format!("the answer is no listing, from line {line}, column {column} on"))
        })
    }
}

/// A listing, as the API documents it.
#[derive(Deserialize)]
struct Listing<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Datamart {
    name: String,
    #[serde(rename = "companyIntegration")]
    company_integration: Option<Named>,
}
