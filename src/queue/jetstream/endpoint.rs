//! The server of an address, in the client's terms.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_nats::{ConnectOptions, Event, ServerAddr, ServerError};
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;
use url::Url;

use super::TIMEOUT;
use crate::domain::lock;
use crate::queue::error_context::ErrorContext;
use crate::queue::{QueueError, QueueOptions};

/// The last denied permission, which the client reports only as an event.
pub(super) type Denials = Arc<Mutex<Option<String>>>;

/// How often the connection was lost: whatever waits for a reply then waits in vain.
pub(super) type Cuts = Arc<watch::Sender<u64>>;

/// A server, and how to connect.
pub(super) struct Endpoint {
    pub(super) address: ServerAddr,
    pub(super) options: ConnectOptions,
    pub(super) denials: Denials,
    pub(super) cuts: Cuts,
}

impl Endpoint {
    pub(super) fn of(options: &QueueOptions, errors: &ErrorContext) -> Result<Self, QueueError> {
        let address = &options.address;
        let malformed = |why: String| errors.address(why);
        let url = address.url();
        let (denials, cuts) = (Denials::default(), Cuts::default());
        let mut client = ConnectOptions::new()
            .name(format!("decom {}", options.worker))
            .connection_timeout(TIMEOUT / 2)
            .request_timeout(Some(TIMEOUT))
            .event_callback({
                let (denials, cuts) = (Arc::clone(&denials), Arc::clone(&cuts));
                move |event| {
                    if matches!(event, Event::Disconnected) {
                        cuts.send_modify(|count| *count += 1);
                    }
                    if let Event::ServerError(ServerError::Other(error)) = event
                        && error.to_lowercase().contains("permissions violation")
                    {
                        *lock(&denials) = Some(error);
                    }
                    async {}
                }
            });
        let user = decoded(url.username()).map_err(malformed)?;
        client = match url.password() {
            Some(password) => client.user_and_password(user, decoded(password).map_err(malformed)?),
            // A user without a password is a token, as in all NATS tools.
            None if !user.is_empty() => client.token(user),
            None => client,
        };
        let mut ca_file = None;
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "credentials" => {
                    let read = std::fs::read_to_string(value.as_ref());
                    let read = read.map_err(|error| malformed(format!("cannot read {value}: {error}")))?;
                    client = client
                        .credentials(&read)
                        .map_err(|error| malformed(format!("{value} holds no credentials: {error}")))?;
                }
                "ca_file" => ca_file = Some(value.into_owned()),
                _ => {
                    return Err(malformed(format!(
                        "unknown parameter `{key}`; known are queue, ca_file, credentials"
                    )));
                }
            }
        }
        client = client.tls_client_config(tls(ca_file.as_deref()).map_err(malformed)?);
        let address = ServerAddr::from_url(bare(url)).map_err(|error| malformed(error.to_string()))?;
        Ok(Self { address, options: client, denials, cuts })
    }
}

/// Scheme, host and port.
fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Cannot fail for a URL with a host.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_query(None);
    bare.set_path("");
    bare
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text.map_err(|_| "the user or the password is not UTF-8".to_owned())?.into_owned())
}

/// Trusts the public authorities and those of the file.
fn tls(ca_file: Option<&str>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    if let Some(path) = ca_file {
        let unusable = |error: &dyn std::fmt::Display| format!("cannot use {path}: {error}");
        let certificates =
            CertificateDer::pem_file_iter(Path::new(path)).map_err(|error| unusable(&error))?;
        let public = roots.len();
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
        if roots.len() == public {
            return Err(unusable(&"it holds no PEM certificate"));
        }
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}
