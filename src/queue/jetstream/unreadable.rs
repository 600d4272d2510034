//! Messages whose headers the client cannot read.
//!
//! At headers that are malformed the client drops the connection; headers with a status it takes for a word of the
//! server. Either way the message is not received, and the server delivers it again when its lease ends. Such messages
//! are found by looking, through JetStream's API, at what was delivered and is not acknowledged.

use async_nats::HeaderName;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::DeleteMessageErrorKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::JetStream;
use crate::domain::lock;
use crate::queue::{Message, QueueError, Receipt};

/// How the receipt of a message begins that was not delivered, but found in the stream.
const IN_STREAM: &str = "in stream:";

/// JetStream's number of the error that there is no such message.
const NOT_FOUND: usize = 404;

/// How far the stream was searched.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The number of the last message that was looked at.
    last: u64,
    /// The user may not look.
    is_denied: bool,
}

/// A message as JetStream's API shows it.
#[derive(Deserialize)]
struct Stored {
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    time: String,
}

#[derive(Deserialize)]
struct StoredReply {
    message: Stored,
}

impl JetStream {
    /// Returns the next message that was delivered and cannot be received.
    pub(super) async fn find_unreadable(&self) -> Result<Option<Message>, QueueError> {
        if lock(&self.search).is_denied {
            return Ok(None);
        }
        match self.search().await {
            Err(error @ QueueError::Refused { .. }) => {
                lock(&self.search).is_denied = true;
                tracing::warn!(%error, "messages whose headers are malformed stay in the queue");
                Ok(None)
            }
            other => other,
        }
    }

    async fn search(&self) -> Result<Option<Message>, QueueError> {
        const ACTION: &str = "show unacknowledged messages";
        let consumer = self.consumer(ACTION).await?;
        let info = consumer.get_info().await.map_err(|error| self.errors.of(ACTION, &error))?;
        if info.num_ack_pending <= self.leases.unsettled().len() {
            return Ok(None);
        }
        let last = info.delivered.stream_sequence;
        // A stream that was created again begins again.
        let mut looked = Some(lock(&self.search).last).filter(|looked| *looked <= last).unwrap_or(0);
        let mut found = None;
        while looked < last && found.is_none() {
            match self.stored_from(ACTION, looked + 1).await? {
                Some(stored) if stored.seq <= last => {
                    looked = stored.seq;
                    found = why_unreadable(&decoded(&stored.hdrs)).map(|why| message(&stored, why));
                }
                _ => looked = last,
            }
        }
        lock(&self.search).last = looked;
        Ok(found)
    }

    /// The first message in the stream from `place` on.
    async fn stored_from(&self, action: &'static str, place: u64) -> Result<Option<Stored>, QueueError> {
        let (subject, wanted) =
            (format!("STREAM.MSG.GET.{}", self.queue), json!({ "seq": place, "next_by_subj": ">" }));
        let reply = self.context.request(subject, &wanted).await;
        match reply.map_err(|error| self.errors.of(action, &error))? {
            Response::Ok(StoredReply { message }) => Ok(Some(message)),
            Response::Err { error } if error.code() == NOT_FOUND => Ok(None),
            Response::Err { error } => Err(self.errors.of_jetstream(action, &error)),
        }
    }

    /// Removes a message from the stream that was found in it, if it is still there.
    pub(super) async fn remove(&self, place: u64) -> Result<(), QueueError> {
        const ACTION: &str = "remove a message";
        let stream = self.context.get_stream(&self.queue).await;
        let stream = stream.map_err(|error| self.errors.of(ACTION, &error))?;
        match stream.delete_message(place).await {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                // What it says of a message that is gone depends on the version.
                DeleteMessageErrorKind::JetStream(error) => match self.stored_from(ACTION, place).await? {
                    Some(stored) if stored.seq == place => Err(self.errors.of_jetstream(ACTION, &error)),
                    _ => Ok(()),
                },
                _ => Err(self.errors.of(ACTION, &error)),
            },
        }
    }
}

/// The place in the stream, if the message was found there.
pub(super) fn place_of(receipt: &Receipt) -> Option<u64> {
    receipt.0.strip_prefix(IN_STREAM)?.split(':').next()?.parse().ok()
}

fn message(stored: &Stored, why: &'static str) -> Message {
    Message {
        id: stored.seq.to_string(),
        body: decoded(&stored.data),
        unreadable: Some(why.to_owned()),
        redelivered: true,
        // The time, as the numbers of a stream that was created again begin again.
        receipt: Receipt(format!("{IN_STREAM}{}:{}", stored.seq, stored.time)),
    }
}

/// The server encodes them itself.
fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

/// Why the client cannot receive a message with these headers; `None` if it can.
fn why_unreadable(headers: &[u8]) -> Option<&'static str> {
    if headers.is_empty() {
        return None;
    }
    let Ok(headers) = str::from_utf8(headers) else {
        return Some("the headers of the message are not UTF-8");
    };
    let mut lines = headers.lines().peekable();
    let Some(status) = lines.next().and_then(|line| line.strip_prefix("NATS/1.0")) else {
        return Some("the headers of the message do not begin with NATS/1.0");
    };
    if !status.trim().is_empty() {
        return Some("the headers of the message hold a status, as only those of the server's own may");
    }
    while let Some(line) = lines.next() {
        let name = line.split_once(':').map(|(name, _)| name.parse::<HeaderName>());
        if !line.is_empty() && !matches!(name, Some(Ok(_))) {
            return Some("a header of the message has no name, or one that is malformed");
        }
        // A value may be continued in the next lines.
        while !line.is_empty() && lines.next_if(|line| line.starts_with(char::is_whitespace)).is_some() {}
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_the_client_can_read_are_left_alone() {
        for headers in [
            &b""[..],
            b"NATS/1.0\r\n\r\n",
            b"NATS/1.0\r\nA: b\r\n c\r\nD:\r\n\r\n",
            "NATS/1.0\r\nA: é\r\n\r\n".as_bytes(),
        ] {
            assert_eq!(why_unreadable(headers), None, "{}", String::from_utf8_lossy(headers));
        }
    }

    #[test]
    fn each_kind_of_malformed_headers_is_named() {
        for (headers, what) in [
            (&b"NATS/1.0\r\nA: \xff\r\n\r\n"[..], "not UTF-8"),
            (b"NATS/9.9\r\nA: b\r\n\r\n", "begin with"),
            (b"NATS/1.0 503\r\n\r\n", "a status"),
            (b"NATS/1.0 404 No Messages\r\n\r\n", "a status"),
            (b"NATS/1.0\r\nno colon\r\n\r\n", "no name"),
        ] {
            let why = why_unreadable(headers).unwrap();
            assert!(why.contains(what), "{why}");
        }
    }

    #[test]
    fn a_message_in_the_stream_has_a_receipt_of_its_own() {
        let stored =
            Stored { seq: 7, hdrs: String::new(), data: "bmFtZQ==".to_owned(), time: "t".to_owned() };
        let message = message(&stored, "why");
        assert_eq!((message.body.as_slice(), place_of(&message.receipt)), (&b"name"[..], Some(7)));
        assert_eq!(place_of(&Receipt("$JS.ACK.decom.decom.1.7.7.1.0".to_owned())), None);
    }
}
