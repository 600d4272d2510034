//! The address of a queue: one URL with the broker, how to reach it, and the name of the queue.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::QueueError;

/// The default name of a queue.
const NAME: &str = "decom";

/// The supported brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broker {
    /// Redis Streams: `redis://` or `rediss://`.
    Redis,
    /// RabbitMQ, over AMQP 0.9.1: `amqp://` or `amqps://`.
    Rabbit,
    /// NATS JetStream: `nats://` or `tls://`.
    JetStream,
    /// Amazon SQS: `sqs://`.
    Sqs,
}

impl Broker {
    const ALL: [Self; 4] = [Self::Redis, Self::Rabbit, Self::JetStream, Self::Sqs];

    /// The feature of cargo that builds its client in.
    #[must_use]
    pub const fn feature(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Rabbit => "rabbitmq",
            Self::JetStream => "nats",
            Self::Sqs => "sqs",
        }
    }

    /// Why the path of an address means nothing to it.
    fn misreads(self, path: &str) -> Option<&'static str> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let is_number = path.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Redis if !is_number => {
                Some("the path must be the number of a database; name the queue with ?queue=NAME")
            }
            Self::Rabbit if path.contains('/') => Some(
                "the path must be one virtual host, with `/` in its name as %2F; name the queue with ?queue=NAME",
            ),
            Self::JetStream if !path.is_empty() => {
                Some("a path means nothing to NATS; name the queue with ?queue=NAME")
            }
            Self::Sqs if !path.trim_end_matches('/').bytes().all(|byte| byte.is_ascii_digit()) => {
                Some("the path must be the number of an account; name the queue with ?queue=NAME")
            }
            _ => None,
        }
    }

    /// Returns true if this build has its client.
    const fn is_built_in(self) -> bool {
        match self {
            Self::Redis => cfg!(feature = "redis"),
            Self::Rabbit => cfg!(feature = "rabbitmq"),
            Self::JetStream => cfg!(feature = "nats"),
            Self::Sqs => cfg!(feature = "sqs"),
        }
    }

    /// The brokers whose clients this build has, for people.
    pub(super) fn built_in() -> String {
        let names: Vec<_> =
            Self::ALL.into_iter().filter(|it| it.is_built_in()).map(|it| it.to_string()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "Redis",
            Self::Rabbit => "RabbitMQ",
            Self::JetStream => "NATS JetStream",
            Self::Sqs => "Amazon SQS",
        })
    }
}

/// The address of a queue: `SCHEME://[USER:PASSWORD@]HOST[:PORT][/PATH][?queue=NAME]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    broker: Broker,
    /// The URL without `queue`, for the broker's own client.
    url: Url,
    queue: String,
}

impl Address {
    #[must_use]
    pub const fn broker(&self) -> Broker {
        self.broker
    }

    /// The URL for the broker's own client, without `queue`. It may hold a password.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// The name of the queue for malformed messages.
    #[must_use]
    pub fn dead_letter_queue(&self) -> String {
        // Not every broker allows a dot in a name.
        let mark = if matches!(self.broker, Broker::JetStream | Broker::Sqs) { '-' } else { '.' };
        format!("{}{mark}dead", self.queue)
    }

    /// Returns true if it holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.url.password().is_some_and(|password| !password.is_empty())
    }
}

/// Without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        if url.password().is_some() {
            // Cannot fail for a URL that has a password.
            let _ = url.set_password(Some("***"));
        }
        url.query_pairs_mut().append_pair("queue", &self.queue);
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Address {
    type Err = QueueError;

    fn from_str(text: &str) -> Result<Self, QueueError> {
        let refused = |why: &str| QueueError::Address { given: without_password(text), why: why.to_owned() };
        let mut url = Url::parse(text)
            .map_err(|_| refused("it is not a URL; write for example redis://127.0.0.1:6379?queue=decom"))?;
        let broker = match url.scheme() {
            "redis" | "rediss" => Broker::Redis,
            "amqp" | "amqps" => Broker::Rabbit,
            "nats" | "tls" => Broker::JetStream,
            "sqs" => Broker::Sqs,
            _ => {
                return Err(refused(
                    "it must begin with redis://, rediss://, amqp://, amqps://, nats://, tls:// or sqs://, for example redis://127.0.0.1:6379?queue=decom",
                ));
            }
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no host"));
        }
        // They would be taken for the name of the queue, and another one would be used.
        if url.fragment().is_some() {
            return Err(refused(
                "`#` and what follows it mean nothing here; name the queue with ?queue=NAME",
            ));
        }
        if let Some(why) = broker.misreads(url.path()) {
            return Err(refused(why));
        }
        let (ours, others): (Vec<_>, Vec<_>) = url
            .query_pairs()
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .partition(|(key, _)| key == "queue");
        let queue = match &ours[..] {
            [] => NAME.to_owned(),
            [(_, name)] if is_name(name) => name.clone(),
            [_] => {
                return Err(refused(
                    "the name of a queue consists of at most 64 letters, digits, `-` and `_`",
                ));
            }
            _ => return Err(refused("it names more than one queue")),
        };
        url.set_query(None);
        if !others.is_empty() {
            url.query_pairs_mut().extend_pairs(others);
        }
        Ok(Self { broker, url, queue })
    }
}

/// Returns true if every broker accepts the name. Dots and colons have a meaning for some.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// The text without what may be a password: everything between the first `:` after the scheme and the last `@`.
fn without_password(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let Some(end) = text.rfind('@').filter(|end| *end >= start) else { return text.to_owned() };
    let user = text[start..end].split(':').next().unwrap_or_default();
    format!("{}{user}:***{}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_broker_and_queue_and_never_shows_a_password() {
        let address: Address =
            "amqp://worker:s3cret@mq.example/vhost?queue=leaving&heartbeat=10".parse().unwrap();
        assert_eq!((address.broker(), address.queue()), (Broker::Rabbit, "leaving"));
        assert_eq!(address.dead_letter_queue(), "leaving.dead");
        assert_eq!(address.url().as_str(), "amqp://worker:s3cret@mq.example/vhost?heartbeat=10");
        let shown = "amqp://worker:***@mq.example/vhost?heartbeat=10&queue=leaving";
        assert_eq!((address.to_string(), format!("{address:?}")), (shown.to_owned(), shown.to_owned()));
        assert_eq!("redis://localhost".parse::<Address>().unwrap().queue(), "decom");
        assert_eq!("sqs://localhost".parse::<Address>().unwrap().dead_letter_queue(), "decom-dead");
    }

    #[test]
    fn rejects_malformed_addresses_without_showing_the_password() {
        for text in [
            "leaving",
            "https://u:s3cret@host/",
            "redis://",
            "redis://u:s3cret@host?queue=a.b",
            "redis://u:s3cret@host?queue=a&queue=b",
            "redis://u:s3cret@ho st/?queue=",
            "amqp://u:s3c:r@et@host:port",
            "redis://u:s3cret@host/leaving",
            "redis://u:s3cret@host#leaving",
            "amqp://u:s3cret@host/vhost/leaving",
            "nats://u:s3cret@host/leaving",
            "sqs://u:s3cret@host/leaving",
        ] {
            let said = text.parse::<Address>().unwrap_err().to_string();
            assert!(!said.contains("s3c") && !said.contains("et@"), "{said}");
        }
    }
}
