//! What the URL says of a broker and a queue, in the client's own terms.

use std::fs;

use lapin::tcp::OwnedTLSConfig;
use lapin::types::{LongString, ShortString};
use lapin::uri::AMQPUri;

use crate::queue::{QueueError, QueueOptions};

/// How often each side says that it is there, in seconds, where the URL does not say.
const HEARTBEAT: u16 = 20;

/// What the URL may say of the connection. A word that is not known here is a slip of the pen.
const KNOWN: [&str; 5] = ["auth_mechanism", "ca_file", "channel_max", "frame_max", "heartbeat"];

/// A queue on a broker, and how it is reached.
pub(super) struct Target {
    pub(super) uri: AMQPUri,
    pub(super) tls: OwnedTLSConfig,
    pub(super) queue: ShortString,
    pub(super) dead: ShortString,
    pub(super) worker: LongString,
    pub(super) at_once: u16,
}

impl Target {
    pub(super) fn of(options: &QueueOptions) -> Result<Self, QueueError> {
        let address = &options.address;
        let refused = |why: String| QueueError::Address { given: address.to_string(), why };
        if let Some((key, _)) = address.url().query_pairs().find(|(key, _)| !KNOWN.contains(&key.as_ref())) {
            return Err(refused(format!("`{key}` is none of queue, {}", KNOWN.join(", "))));
        }
        let mut uri: AMQPUri = address.url().as_str().parse().map_err(refused)?;
        // No host has a virtual host without a name, and `/` at the end means the usual one.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        // The client's parser knows names only, and takes any other host for this machine.
        if let Some(url::Host::Ipv6(host)) = address.url().host() {
            uri.authority.host = host.to_string();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let ca_file = address.url().query_pairs().find(|(key, _)| key == "ca_file");
        let cert_chain = match ca_file {
            None => None,
            Some((_, path)) => {
                let read = fs::read_to_string(path.as_ref());
                Some(read.map_err(|error| refused(format!("{path} cannot be read: {error}")))?)
            }
        };
        Ok(Self {
            uri,
            tls: OwnedTLSConfig { identity: None, cert_chain },
            queue: address.queue().into(),
            dead: address.dead_letter_queue().into(),
            worker: format!("decom {}", options.worker).into(),
            at_once: options.at_once.max(1),
        })
    }
}
