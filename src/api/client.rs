//! The one HTTP client: TLS, timeouts, and no request that is not asked for (redirects, retries).

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, redirect};
use url::Url;

use super::{ApiError, ServerObservation};
use crate::domain::{Token, error_chain, install_tls_provider, is_loopback, read_file};

#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// May have a path prefix.
    pub base_url: BaseUrl,
    /// A file with PEM certificates that are trusted in addition to the public ones.
    pub ca_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// How long the server may take until its reply begins.
    pub response_timeout: Duration,
    /// How long one attempt may take in all.
    pub attempt_timeout: Duration,
    /// How many connections are kept open between requests.
    pub connections: usize,
    /// For how long a request for a listing is tried again after a transient failure.
    pub listing_patience: Duration,
    /// What the replies to listings show of the server.
    pub observation: ServerObservation,
}

impl ApiOptions {
    /// Checks that a client can be made, before a run begins.
    ///
    /// # Errors
    /// If the CA file cannot be used, or the client cannot be set up.
    pub fn check(&self) -> Result<(), ApiError> {
        build(self, false).map(drop)
    }
}

/// Where the API is: valid, and in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Parses a base URL. Plain HTTP is accepted for this machine only, unless `allow_http` is set.
    ///
    /// # Errors
    /// If `text` is not a base URL, or the token would be sent in clear text.
    pub fn new(text: &str, allow_http: bool) -> Result<Self, ApiError> {
        let refused = |why| ApiError::BaseUrl { url: text.to_owned(), why };
        let mut url = Url::parse(text)
            .map_err(|_| refused("this is not a URL; write it like https://api.usedatabrain.com"))?;
        if !url.username().is_empty() || url.password().is_some() {
            // Not shown: it may hold a password.
            return Err(ApiError::BaseUrl {
                url: format!("{}://…@{}", url.scheme(), url.host_str().unwrap_or_default()),
                why: "it must not hold a user or password; the token goes into DATABRAIN_TOKEN",
            });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("it must end with the path, without `?` or `#`"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no host; write it like https://api.usedatabrain.com"));
        }
        match url.scheme() {
            "https" => {}
            "http" if allow_http || is_loopback(&url) => {}
            "http" => {
                return Err(refused(
                    "plain HTTP would show the token to the network; use https, or --allow-http inside a trusted network",
                ));
            }
            _ => return Err(refused("only https (and http) can be used")),
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if path.ends_with("/api/v2") {
            return Err(refused("it ends with /api/v2, which decom adds itself; leave that out"));
        }
        url.set_path(&path);
        Ok(Self(url))
    }

    /// Returns the host, with its port if that is not the usual one.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Returns the URL without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Returns true if it leads to this machine itself, which is reached without a proxy.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Returns the URL of an endpoint; `path` begins with a slash, and is percent-encoded.
    pub(super) fn endpoint(&self, path: &str) -> Result<Url, ApiError> {
        Url::parse(&format!("{}{path}", self.as_str())).map_err(|_| ApiError::BaseUrl {
            url: self.as_str().to_owned(),
            why: "no endpoint's URL can be made from it",
        })
    }
}

/// Makes the client. It does not hold the token, which may change. Replies tell of the server's certificate if
/// `tells_certificate`.
pub(super) fn build(options: &ApiOptions, tells_certificate: bool) -> Result<Client, ApiError> {
    install_tls_provider();
    // The certificates are only parsed when the client is made; the public ones are well-formed.
    let client = |error: reqwest::Error| match &options.ca_file {
        Some(path) => ApiError::CaFile { path: path.clone(), why: error_chain(&error) },
        None => ApiError::Client { why: error_chain(&error) },
    };

    // Made once instead of for each request.
    let host = HeaderValue::try_from(options.base_url.host())
        .map_err(|error| ApiError::Client { why: error_chain(&error) })?;
    let mut builder = Client::builder()
        .user_agent(concat!("decom/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/json")),
            // Replies are small. Compressed ones are read nevertheless.
            (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            (HOST, host),
        ]))
        .connect_timeout(options.connect_timeout)
        .pool_max_idle_per_host(options.connections)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .tls_info(tells_certificate)
        .http1_only();
    if options.base_url.is_loopback() {
        // A proxy cannot reach this machine's own address, but would see the token.
        builder = builder.no_proxy();
    }
    // A CA file that is given is checked even if TLS is not used.
    let needs_none = options.base_url.0.scheme() == "http" && options.base_url.is_loopback();
    if !needs_none || options.ca_file.is_some() {
        builder = builder.tls_certs_only(trusted(options.ca_file.as_deref())?);
    } else {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(client)
}

/// The one header with the token, marked as sensitive.
pub(super) fn authorization(token: &Token) -> Result<(HeaderName, HeaderValue), ApiError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| ApiError::Client { why: "the token cannot be sent in a header".to_owned() })?;
    value.set_sensitive(true);
    Ok((AUTHORIZATION, value))
}

/// Longer than any bundle of certificates, in bytes.
pub const LONGEST_CA_FILE: u64 = 16 * 1024 * 1024;

/// Returns the public certificate authorities, which are compiled in as a container may have none, and the private ones
/// of `ca_file`.
///
/// # Errors
/// If the file has no certificates.
pub fn trusted(ca_file: Option<&Path>) -> Result<Vec<Certificate>, ApiError> {
    let mut trusted = Vec::new();
    if let Some(path) = ca_file {
        let refused = |why: String| ApiError::CaFile { path: path.to_owned(), why };
        let pem = read_file(path, LONGEST_CA_FILE).map_err(|error| refused(error.to_string()))?;
        let private = Certificate::from_pem_bundle(&pem).map_err(|error| refused(error_chain(&error)))?;
        if private.is_empty() {
            return Err(refused("it holds no certificate".to_owned()));
        }
        trusted.extend(private);
    }
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        trusted.push(
            Certificate::from_der(certificate)
                .map_err(|error| ApiError::Client { why: error_chain(&error) })?,
        );
    }
    Ok(trusted)
}
