//! The broker and the queue of an address, in the client's terms.

use std::fs;

use lapin::tcp::OwnedTLSConfig;
use lapin::types::{LongString, ShortString};
use lapin::uri::AMQPUri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::queue::error_context::ErrorContext;
use crate::queue::{QueueError, QueueOptions};

/// The default interval of heartbeats, in seconds.
const HEARTBEAT: u16 = 20;

/// The parameters of the URL. Others are refused, because they are probably misspelled.
const KNOWN: [&str; 5] = ["auth_mechanism", "ca_file", "channel_max", "frame_max", "heartbeat"];

/// A queue on a broker, and how to reach it.
pub(super) struct Endpoint {
    pub(super) uri: AMQPUri,
    pub(super) tls: OwnedTLSConfig,
    pub(super) queue: ShortString,
    pub(super) dead: ShortString,
    pub(super) worker: LongString,
    pub(super) unsettled: u16,
}

impl Endpoint {
    pub(super) fn of(options: &QueueOptions, errors: &ErrorContext) -> Result<Self, QueueError> {
        let address = &options.address;
        let malformed = |why: String| errors.address(why);
        if let Some((key, _)) = address.url().query_pairs().find(|(key, _)| !KNOWN.contains(&key.as_ref())) {
            return Err(malformed(format!(
                "unknown parameter `{key}`; known are queue, {}",
                KNOWN.join(", ")
            )));
        }
        let mut uri: AMQPUri = address.url().as_str().parse().map_err(malformed)?;
        // A virtual host always has a name; an empty path means the default one.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        // The client's parser reads an IPv6 address as this machine.
        if let Some(url::Host::Ipv6(host)) = address.url().host() {
            uri.authority.host = host.to_string();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let ca_file = address.url().query_pairs().find(|(key, _)| key == "ca_file");
        let cert_chain = match ca_file {
            None => None,
            Some((_, path)) => {
                let read = fs::read_to_string(path.as_ref());
                let pem = read.map_err(|error| malformed(format!("{path} cannot be read: {error}")))?;
                // The client would trust the public authorities alone.
                if CertificateDer::from_pem_slice(pem.as_bytes()).is_err() {
                    return Err(malformed(format!("{path} holds no PEM certificate")));
                }
                Some(pem)
            }
        };
        Ok(Self {
            uri,
            tls: OwnedTLSConfig { identity: None, cert_chain },
            queue: address.queue().into(),
            dead: address.dead_letter_queue().into(),
            worker: format!("decom {}", options.worker).into(),
            unsettled: options.unsettled.max(1),
        })
    }
}
