//! Requests to others than the API: metrics to a push gateway, a notice to a webhook, a time stamp of an authority.

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

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long a time-stamp authority may take for its reply, and how long that may be, in bytes.
const AUTHORITY_TIMEOUT: Duration = Duration::from_secs(4);
const LONGEST_REPLY: usize = 64 * 1024;

/// The wait before the second attempt.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The job under which a push gateway groups the metrics.
const JOB: &str = "decom";

/// The HTTP clients for the push gateway and the webhook.
pub struct Outside {
    /// For this machine's own addresses, which a proxy elsewhere cannot reach.
    direct: Client,
    /// Through the proxy of the environment, if there is one.
    proxied: Client,
}

impl Outside {
    /// Clients that trust the public certificate authorities and those of `ca_file`.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, WatchError> {
        install_tls_provider();
        let wrong = |why| WatchError::Client { why };
        let certificates = trusted(ca_file).map_err(|error| wrong(error.to_string()))?;
        let build = |proxy: bool| {
            let builder = Client::builder()
                .user_agent(concat!("decom/", env!("CARGO_PKG_VERSION")))
                .tls_certs_only(certificates.clone())
                .timeout(TIMEOUT)
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                // The clients are used by several runtimes, and a connection belongs to one.
                .pool_max_idle_per_host(0)
                .http1_only();
            let builder = if proxy { builder } else { builder.no_proxy() };
            builder.build().map_err(|error| wrong(error_chain(&error)))
        };
        Ok(Self { direct: build(false)?, proxied: build(true)? })
    }

    /// Sends `body`, and once more if that may help.
    async fn send(
        &self,
        to: &'static str,
        method: &Method,
        url: &Url,
        media: &'static str,
        body: &str,
    ) -> Result<(), WatchError> {
        let client = if is_loopback(url) { &self.direct } else { &self.proxied };
        let attempt = || async {
            let request = client.request(method.clone(), url.clone()).header(CONTENT_TYPE, media);
            match request.body(body.to_owned()).send().await {
                Ok(response) if response.status().is_success() => Ok(()),
                Ok(response) => Err((response.status().to_string(), may_pass(response.status()))),
                // The error holds the address, which may be a secret.
                Err(error) => Err((error_chain(&error.without_url()), true)),
            }
        };
        let first = attempt().await;
        let last = match first {
            Err((_, true)) => {
                sleep(RETRY_AFTER).await;
                attempt().await
            }
            first => first,
        };
        last.map_err(|(why, _)| WatchError::Delivery { to, why })
    }
}

impl Outside {
    /// Sends a request for a time stamp once, and returns the reply, whose content is not checked.
    pub(super) async fn timestamp(&self, url: &Url, query: Vec<u8>) -> Result<Vec<u8>, String> {
        let client = if is_loopback(url) { &self.direct } else { &self.proxied };
        let request = client.post(url.clone()).header(CONTENT_TYPE, "application/timestamp-query");
        let sent = request.timeout(AUTHORITY_TIMEOUT).body(query).send().await;
        let failed = |error: reqwest::Error| error_chain(&error.without_url());
        let mut response = sent.map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!("the authority replied {}", response.status()));
        }
        let mut reply = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            reply.extend_from_slice(&piece);
            if reply.len() > LONGEST_REPLY {
                return Err(format!("the reply of the authority is longer than {LONGEST_REPLY} bytes"));
            }
        }
        Ok(reply)
    }
}

/// Returns true if another attempt may succeed.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 429)
}

/// What a push gateway groups metrics by.
#[derive(Debug, Clone)]
pub(super) struct PushGroup {
    pub(super) instance: String,
    /// The command, if it is another than the ones that delete: its end must not replace that of the last run.
    pub(super) command: Option<&'static str>,
}

/// Replaces what the gateway has of this group by `metrics`.
pub(super) async fn push(
    outside: &Outside,
    gateway: &Url,
    group: &PushGroup,
    metrics: String,
) -> Result<(), WatchError> {
    let mut url = gateway.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["metrics", "job", JOB, "instance", &group.instance]);
        if let Some(command) = group.command {
            path.extend(["command", command]);
        }
    }
    outside.send("the push gateway", &Method::PUT, &url, MEDIA_TYPE, &metrics).await
}

/// Sends the notice to its webhook.
pub(super) async fn notify(outside: &Outside, notice: &Notice) -> Result<(), WatchError> {
    let to = "the webhook";
    let url = Url::parse(notice.webhook.expose())
        .map_err(|_| WatchError::Delivery { to, why: "its address is not a URL".to_owned() })?;
    outside.send(to, &Method::POST, &url, "application/json", &notice.body()).await
}
