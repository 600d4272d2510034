//! Amazon's client: its endpoint, credentials and trusted authorities.

use std::borrow::Cow;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{Credentials, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::queue::error_context::ErrorContext;
use crate::queue::{Address, QueueError};

/// The parts of an SQS address.
struct Endpoint {
    url: String,
    /// `None` for the one of the environment.
    region: Option<String>,
    /// `None` for those of the environment.
    credentials: Option<Credentials>,
    plain: bool,
}

/// Makes the client. It does not connect yet, but may ask the machine's metadata service for credentials.
pub(super) async fn build(address: &Address, errors: &ErrorContext) -> Result<Client, QueueError> {
    let malformed = |why: String| errors.address(why);
    let endpoint = endpoint(address).map_err(malformed)?;
    let http = if endpoint.plain {
        aws_smithy_http_client::Builder::new().build_http()
    } else {
        https().map_err(malformed)?
    };
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .endpoint_url(endpoint.url)
        // Callers decide how long to try.
        .retry_config(RetryConfig::disabled());
    if let Some(region) = endpoint.region {
        loader = loader.region(Region::new(region));
    }
    if let Some(credentials) = endpoint.credentials {
        loader = loader.credentials_provider(credentials);
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(malformed(
            "neither the host nor the environment names the region; set AWS_REGION, or `region=` in the address"
                .to_owned(),
        ));
    }
    Ok(Client::new(&config))
}

/// The account of the queue, which is the path of the address.
pub(super) fn account(address: &Address) -> Option<String> {
    Some(address.url().path().trim_matches('/').to_owned()).filter(|account| !account.is_empty())
}

fn endpoint(address: &Address) -> Result<Endpoint, String> {
    let url = address.url();
    let host = url.host_str().unwrap_or_default();
    let (mut region, mut plain) = (region_of(host), false);
    for (key, value) in url.query_pairs() {
        match (&*key, &*value) {
            ("region", name) => region = Some(name.to_owned()),
            ("plain", "true") if is_loopback(url) => plain = true,
            ("plain", "true") => {
                return Err("`plain` HTTP is only for this machine's own addresses".to_owned());
            }
            ("plain", _) => return Err("the value of `plain` must be `true`".to_owned()),
            _ => return Err(format!("unknown parameter `{key}`; known are queue, region, plain")),
        }
    }
    let scheme = if plain { "http" } else { "https" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(Endpoint { url: format!("{scheme}://{host}{port}"), region, credentials: credentials(url)?, plain })
}

/// The region in the name of a host of Amazon, such as `sqs.eu-central-1.amazonaws.com`.
fn region_of(host: &str) -> Option<String> {
    let (region, _) = host.strip_prefix("sqs.")?.split_once(".amazonaws.com")?;
    Some(region.to_owned())
}

/// The id of a key and its secret, which precede the `@`.
fn credentials(url: &Url) -> Result<Option<Credentials>, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(Cow::into_owned);
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", _) | (_, None) => Err("the id of the key or its secret is missing".to_owned()),
        (id, Some(secret)) => match (decoded(id), decoded(secret)) {
            (Ok(id), Ok(secret)) => Ok(Some(Credentials::new(id, secret, None, None, "address"))),
            _ => Err("the key is not UTF-8".to_owned()),
        },
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // The URL parser reads every host of this scheme as a name.
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name.ends_with(".localhost")
                || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// HTTPS by rustls with ring. The public authorities are compiled in, because a container may have none; the system's
/// authorities are trusted as well.
fn https() -> Result<SharedHttpClient, String> {
    let mut trusted = TrustStore::empty().with_native_roots(true);
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        trusted.add_pem_certificate(pem(certificate));
    }
    let context =
        TlsContext::builder().with_trust_store(trusted).build().map_err(|error| error.to_string())?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}

fn pem(certificate: &[u8]) -> Vec<u8> {
    let text = BASE64_STANDARD.encode(certificate);
    let mut pem = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for line in text.as_bytes().chunks(64) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Endpoint, String> {
        endpoint(&text.parse().unwrap())
    }

    #[test]
    fn an_address_names_endpoint_region_and_key() {
        let endpoint = parse("sqs://sqs.eu-central-1.amazonaws.com/123456789012?queue=leaving").unwrap();
        assert_eq!(endpoint.url, "https://sqs.eu-central-1.amazonaws.com");
        assert_eq!((endpoint.region.as_deref(), endpoint.plain), (Some("eu-central-1"), false));
        assert!(endpoint.credentials.is_none());
        let address = "sqs://AKIA:a%2Fb%2Bc@[::1]:4100/1?region=us-east-1&plain=true";
        let endpoint = parse(address).unwrap();
        let key = endpoint.credentials.unwrap();
        assert_eq!((key.access_key_id(), key.secret_access_key()), ("AKIA", "a/b+c"));
        assert_eq!((endpoint.url.as_str(), endpoint.plain), ("http://[::1]:4100", true));
        assert_eq!(account(&address.parse().unwrap()).as_deref(), Some("1"));
        assert!(parse("sqs://127.0.0.1:4100?plain=true").unwrap().plain);
    }

    #[test]
    fn rejects_malformed_addresses() {
        for (text, what) in [
            ("sqs://sqs.example?plain=true", "this machine's own"),
            ("sqs://localhost?plain=yes", "must be `true`"),
            ("sqs://localhost?regoin=a", "unknown parameter `regoin`"),
            ("sqs://id@localhost", "is missing"),
        ] {
            let why = parse(text).err().unwrap();
            assert!(why.contains(what), "{text}: {why}");
        }
    }

    #[test]
    fn the_public_authorities_are_valid() {
        https().unwrap();
        assert!(pem(&[0; 60]).split(|byte| *byte == b'\n').all(|line| line.len() <= 64));
    }
}
