//! The type of a queue that exists. AMQP has no request for it, but a declaration that differs is refused with the first
//! argument in which it does, and changes nothing.

use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, Error, ErrorKind, Result};

/// The argument that names the type.
pub(super) const QUEUE_TYPE: &str = "x-queue-type";

/// The type that decom declares.
pub(super) const QUORUM: &str = "quorum";

/// How many other arguments a queue may have. More are not asked for.
const MOST_ARGUMENTS: usize = 12;

/// Returns true if the queue is known to be a classic one.
pub(super) async fn is_classic(connection: &Connection, queue: &ShortString) -> Result<bool> {
    let mut arguments = FieldTable::default();
    arguments.insert(QUEUE_TYPE.into(), AMQPValue::LongString(QUORUM.into()));
    for _ in 0..MOST_ARGUMENTS {
        // A refusal closes the channel, so each request has its own.
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let Err(error) = channel.queue_declare(queue.clone(), options, arguments.clone()).await else {
            channel.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into()).await?;
            return Ok(false);
        };
        let Some(difference) = difference(&error) else { return Ok(false) };
        match difference {
            Difference::Type(current) => return Ok(current == "classic"),
            Difference::Argument(name, value) => {
                arguments.insert(name.into(), value);
            }
        }
    }
    Ok(false)
}

/// In what a declaration differs from the queue.
#[derive(Debug, PartialEq)]
enum Difference {
    /// In the type, which is this one.
    Type(String),
    /// In an argument that was not given, with its value.
    Argument(String, AMQPValue),
}

/// Reads a refusal such as `inequivalent arg 'x-message-ttl' for queue 'decom' in vhost '/': received none but current
/// is the value '1000' of type 'signedint'`. `None` if it is about something else.
fn difference(error: &Error) -> Option<Difference> {
    let ErrorKind::ProtocolError(refused) = error.kind() else { return None };
    if !matches!(refused.kind(), AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) {
        return None;
    }
    read(refused.get_message().as_str())
}

fn read(message: &str) -> Option<Difference> {
    let (_, rest) = message.split_once("inequivalent arg '")?;
    let (name, rest) = rest.split_once("' for queue '")?;
    let (_, current) = rest.rsplit_once(" but current is ")?;
    if matches!(name, QUEUE_TYPE | "durable") {
        // Only a classic queue may be transient, or have no type.
        let current = current.split('\'').nth(1).filter(|_| name == QUEUE_TYPE);
        return Some(Difference::Type(current.unwrap_or("classic").to_owned()));
    }
    let value = current.strip_prefix("the value '")?;
    let (value, kind) = value.rsplit_once("' of type '")?;
    let value = match kind.trim_end_matches('\'') {
        "longstr" => AMQPValue::LongString(value.into()),
        "bool" => AMQPValue::Boolean(value.parse().ok()?),
        _ => AMQPValue::LongLongInt(value.parse().ok()?),
    };
    Some(Difference::Argument(name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rabbitmq_says_of_a_difference() {
        let classic = || Some(Difference::Type("classic".to_owned()));
        for (said, expected) in [
            (
                "received the value 'quorum' of type 'longstr' but current is none",
                Some(Difference::Type("classic".to_owned())),
            ),
            ("received 'quorum' but current is 'classic'", classic()),
            ("received 'quorum' but current is 'stream'", Some(Difference::Type("stream".to_owned()))),
        ] {
            let said = format!(
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'a' in vhost '/': {said}"
            );
            assert_eq!(read(&said), expected, "{said}");
        }
        let said = "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'a' in vhost '/': received 'true' but current is 'false'";
        assert_eq!(read(said), classic());
        let said = "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'a' in vhost '/': received none but current is the value '1000' of type 'signedint'";
        let wanted = Difference::Argument("x-message-ttl".to_owned(), AMQPValue::LongLongInt(1000));
        assert_eq!(read(said), Some(wanted));
        assert_eq!(read("NOT_FOUND - no queue 'a' in vhost '/'"), None);
    }
}
