//! What the URL says of a server and a queue, in the client's own terms.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_nats::{ConnectOptions, Event, ServerAddr, ServerError};
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::PATIENCE;
use crate::domain::lock;
use crate::queue::{QueueError, QueueOptions};

/// What the server said that the client hands on to nobody: that something is not permitted.
pub(super) type Forbidden = Arc<Mutex<Option<String>>>;

/// A queue on a server, and how it is reached.
pub(super) struct Target {
    pub(super) address: ServerAddr,
    pub(super) options: ConnectOptions,
    pub(super) forbidden: Forbidden,
}

impl Target {
    pub(super) fn of(options: &QueueOptions) -> Result<Self, QueueError> {
        let address = &options.address;
        let refused = |why: String| QueueError::Address { given: address.to_string(), why };
        let url = address.url();
        let forbidden = Forbidden::default();
        let mut client = ConnectOptions::new()
            .name(format!("decom {}", options.worker))
            .connection_timeout(PATIENCE / 2)
            .request_timeout(Some(PATIENCE))
            .event_callback({
                let forbidden = Arc::clone(&forbidden);
                move |event| {
                    if let Event::ServerError(ServerError::Other(said)) = event
                        && said.to_lowercase().contains("permissions violation")
                    {
                        *lock(&forbidden) = Some(said);
                    }
                    async {}
                }
            });
        let user = decoded(url.username()).map_err(refused)?;
        client = match url.password() {
            Some(password) => client.user_and_password(user, decoded(password).map_err(refused)?),
            // A user without a password is a token, as everywhere with NATS.
            None if !user.is_empty() => client.token(user),
            None => client,
        };
        let mut ca_file = None;
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "credentials" => {
                    let read = std::fs::read_to_string(value.as_ref());
                    let read = read.map_err(|error| refused(format!("{value} cannot be read: {error}")))?;
                    client = client
                        .credentials(&read)
                        .map_err(|error| refused(format!("{value} holds no credentials: {error}")))?;
                }
                "ca_file" => ca_file = Some(value.into_owned()),
                _ => return Err(refused(format!("`{key}` is none of queue, ca_file, credentials"))),
            }
        }
        client = client.tls_client_config(tls(ca_file.as_deref()).map_err(refused)?);
        let address = ServerAddr::from_url(bare(url)).map_err(|error| refused(error.to_string()))?;
        Ok(Self { address, options: client, forbidden })
    }
}

/// Scheme, host and port.
fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Neither can fail for a URL with a host.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_query(None);
    bare.set_path("");
    bare
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text.map_err(|_| "user or password are not UTF-8".to_owned())?.into_owned())
}

/// Trusts the public authorities, and those of the file.
fn tls(ca_file: Option<&str>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    if let Some(path) = ca_file {
        let unusable = |error: &dyn std::fmt::Display| format!("{path} cannot be used: {error}");
        let certificates =
            CertificateDer::pem_file_iter(Path::new(path)).map_err(|error| unusable(&error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}
