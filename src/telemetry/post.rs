//! What is sent to others at the end: metrics to a push gateway, a notice to a webhook.

use std::path::Path;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use reqwest::{Client, redirect};
use tokio::time::sleep;
use url::Url;

use super::text::MEDIA_TYPE;
use super::{Notice, WatchError};
use crate::api::trusted;
use crate::domain::{error_chain, install_tls_provider, is_loopback};

/// How long one try may take.
const TRY: Duration = Duration::from_secs(3);

/// The wait before the second try.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The job under which a push gateway files the metrics.
const JOB: &str = "decom";

/// The way to whoever is told at the end.
pub struct Outside {
    near: Client,
    far: Client,
}

impl Outside {
    /// A client that trusts the public certificate authorities, and those of `ca_file`.
    ///
    /// # Errors
    /// Where the file cannot be used.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, WatchError> {
        install_tls_provider();
        let wrong = |why| WatchError::Client { why };
        let certificates = trusted(ca_file).map_err(|error| wrong(error.to_string()))?;
        let build = |proxy: bool| {
            let builder = Client::builder()
                .user_agent(concat!("decom/", env!("CARGO_PKG_VERSION")))
                .tls_certs_only(certificates.clone())
                .timeout(TRY)
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .http1_only();
            // A proxy elsewhere cannot reach this machine's own address.
            let builder = if proxy { builder } else { builder.no_proxy() };
            builder.build().map_err(|error| wrong(error_chain(&error)))
        };
        Ok(Self { near: build(false)?, far: build(true)? })
    }

    /// Sends `body`, and once more where that may help.
    async fn send(
        &self,
        to: &'static str,
        method: &Method,
        url: &Url,
        media: &'static str,
        body: &str,
    ) -> Result<(), WatchError> {
        let client = if is_loopback(url) { &self.near } else { &self.far };
        let attempt = || async {
            let request = client.request(method.clone(), url.clone()).header(CONTENT_TYPE, media);
            match request.body(body.to_owned()).send().await {
                Ok(response) if response.status().is_success() => Ok(()),
                Ok(response) => Err((response.status().to_string(), may_pass(response.status()))),
                // The address stands in the error, and may be a secret.
                Err(error) => Err((error_chain(&error.without_url()), true)),
            }
        };
        let first = attempt().await;
        let last = match first {
            Err((_, true)) => {
                sleep(AGAIN_AFTER).await;
                attempt().await
            }
            first => first,
        };
        last.map_err(|(why, _)| WatchError::Unheard { to, why })
    }
}

/// Whether what was answered may be another answer soon.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 429)
}

/// Puts `metrics` in place of what the gateway has of this job and machine.
pub(super) async fn push(
    outside: &Outside,
    gateway: &Url,
    host: &str,
    metrics: String,
) -> Result<(), WatchError> {
    let mut url = gateway.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["metrics", "job", JOB, "instance", host]);
    }
    outside.send("the push gateway", &Method::PUT, &url, MEDIA_TYPE, &metrics).await
}

/// Tells the webhook of the notice.
pub(super) async fn notify(outside: &Outside, notice: &Notice) -> Result<(), WatchError> {
    let to = "the webhook";
    let url = Url::parse(notice.webhook.expose())
        .map_err(|_| WatchError::Unheard { to, why: "its address is no URL".to_owned() })?;
    outside.send(to, &Method::POST, &url, "application/json", &notice.body()).await
}
