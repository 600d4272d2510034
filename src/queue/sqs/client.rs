//! Amazon's client: where it connects to, as whom, and how it trusts.

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

use crate::queue::{Address, QueueError};

/// What an address of a queue on SQS says beside host and name.
struct Place {
    endpoint: String,
    /// Without one, the environment's.
    region: Option<String>,
    /// Without them, the environment's.
    credentials: Option<Credentials>,
    plain: bool,
}

/// Makes the client. Nothing is connected yet, but where it runs may be asked who it is.
pub(super) async fn build(address: &Address) -> Result<Client, QueueError> {
    let refused = |why: String| QueueError::Address { given: address.to_string(), why };
    let place = place(address).map_err(refused)?;
    let http = if place.plain {
        aws_smithy_http_client::Builder::new().build_http()
    } else {
        https().map_err(refused)?
    };
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .endpoint_url(place.endpoint)
        // Callers decide how long to try.
        .retry_config(RetryConfig::disabled());
    if let Some(region) = place.region {
        loader = loader.region(Region::new(region));
    }
    if let Some(credentials) = place.credentials {
        loader = loader.credentials_provider(credentials);
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(refused(
            "the region is in neither the host nor the environment; set AWS_REGION or `region=` in the address"
                .to_owned(),
        ));
    }
    Ok(Client::new(&config))
}

/// The name in the address that stands before the queue's: the account that it belongs to.
pub(super) fn account(address: &Address) -> Option<String> {
    Some(address.url().path().trim_matches('/').to_owned()).filter(|account| !account.is_empty())
}

fn place(address: &Address) -> Result<Place, String> {
    let url = address.url();
    let host = url.host_str().unwrap_or_default();
    let (mut region, mut plain) = (region_of(host), false);
    for (key, value) in url.query_pairs() {
        match (&*key, &*value) {
            ("region", name) => region = Some(name.to_owned()),
            ("plain", "true") if is_loopback(url) => plain = true,
            ("plain", "true") => return Err("`plain` HTTP is for this machine's own addresses".to_owned()),
            ("plain", _) => return Err("`plain` is `true`, or is not there".to_owned()),
            _ => return Err(format!("`{key}` is not known; `queue`, `region` and `plain` are")),
        }
    }
    if account(address).is_some_and(|account| !account.chars().all(|c| c.is_ascii_digit())) {
        return Err("what follows the host is the number of an account, or nothing".to_owned());
    }
    let scheme = if plain { "http" } else { "https" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(Place { endpoint: format!("{scheme}://{host}{port}"), region, credentials: credentials(url)?, plain })
}

/// The region in the name of one of Amazon's own hosts: `sqs.eu-central-1.amazonaws.com`.
fn region_of(host: &str) -> Option<String> {
    let (region, _) = host.strip_prefix("sqs.")?.split_once(".amazonaws.com")?;
    Some(region.to_owned())
}

/// What stands before the `@`: the id of a key, and its secret.
fn credentials(url: &Url) -> Result<Option<Credentials>, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(Cow::into_owned);
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", _) | (_, None) => Err("of the id of a key and its secret, one is missing".to_owned()),
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
        // As given: the URL parser takes a host of this scheme for a name, whatever it is.
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name.ends_with(".localhost")
                || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// HTTPS by rustls with ring. The public authorities are compiled in, as a container may hold none;
/// the system's own are trusted as well.
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

    fn said(text: &str) -> Result<Place, String> {
        place(&text.parse().unwrap())
    }

    #[test]
    fn an_address_names_endpoint_region_and_key() {
        let place = said("sqs://sqs.eu-central-1.amazonaws.com/123456789012?queue=leaving").unwrap();
        assert_eq!(place.endpoint, "https://sqs.eu-central-1.amazonaws.com");
        assert_eq!((place.region.as_deref(), place.plain), (Some("eu-central-1"), false));
        assert!(place.credentials.is_none());
        let address = "sqs://AKIA:a%2Fb%2Bc@[::1]:4100/1?region=us-east-1&plain=true";
        let place = said(address).unwrap();
        let key = place.credentials.unwrap();
        assert_eq!((key.access_key_id(), key.secret_access_key()), ("AKIA", "a/b+c"));
        assert_eq!((place.endpoint.as_str(), place.plain), ("http://[::1]:4100", true));
        assert_eq!(account(&address.parse().unwrap()).as_deref(), Some("1"));
        assert!(said("sqs://127.0.0.1:4100?plain=true").unwrap().plain);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for (text, what) in [
            ("sqs://sqs.example?plain=true", "this machine's own"),
            ("sqs://localhost?plain=yes", "is `true`"),
            ("sqs://localhost?regoin=a", "`regoin` is not known"),
            ("sqs://localhost/account", "number of an account"),
            ("sqs://id@localhost", "one is missing"),
        ] {
            let why = said(text).err().unwrap();
            assert!(why.contains(what), "{text}: {why}");
        }
    }

    #[test]
    fn the_public_authorities_can_be_trusted() {
        https().unwrap();
        assert!(pem(&[0; 60]).split(|byte| *byte == b'\n').all(|line| line.len() <= 64));
    }
}
