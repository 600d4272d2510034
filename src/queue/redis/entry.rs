//! The entries in replies of Redis, and their deliveries.

use redis::Value;

use crate::queue::Receipt;

/// The field of an entry that holds its body. Without it the body is empty, which is malformed.
pub(super) const BODY: &str = "body";

/// One entry of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

/// The entry in the reply to a read of one stream, if there is one.
pub(super) fn read(reply: Value) -> Option<Entry> {
    let stream = items(reply)?.into_iter().next()?;
    claimed(items(stream)?.into_iter().nth(1)?)
}

/// The entry in the reply to a claim, unless it was gone or another worker was first.
pub(super) fn claimed(reply: Value) -> Option<Entry> {
    let mut parts = items(items(reply)?.into_iter().next()?)?.into_iter();
    let id = String::from_utf8(bytes(parts.next()?)?).ok()?;
    let mut fields = items(parts.next()?)?.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if bytes(name)? == BODY.as_bytes() {
            return Some(Entry { id, body: bytes(value)? });
        }
    }
    Some(Entry { id, body: Vec::new() })
}

fn items(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(items) = value { Some(items) } else { None }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value { Some(bytes) } else { None }
}

/// One delivery of an entry. The same entry delivered again is another delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) id: String,
    /// The number of deliveries of the entry, with this one.
    pub(super) count: usize,
}

impl Delivery {
    pub(super) fn receipt(&self) -> Receipt {
        Receipt(format!("{}/{}", self.id, self.count))
    }

    /// Id and count of the delivery of `receipt`, as the scripts take them.
    pub(super) fn parts(receipt: &Receipt) -> (&str, &str) {
        receipt.0.split_once('/').unwrap_or((&receipt.0, ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn the_body_of_an_entry_is_read() {
        let entry = |fields: &[&str]| {
            let fields = Value::Array(fields.iter().map(|field| text(field)).collect());
            Value::Array(vec![Value::Array(vec![text("5-1"), fields])])
        };
        let body = |body: &str| Some(Entry { id: "5-1".to_owned(), body: body.into() });
        assert_eq!(claimed(entry(&["body", "a"])), body("a"));
        assert_eq!(claimed(entry(&["x", "body", "body", "a"])), body("a"));
        assert_eq!(claimed(entry(&["name", "a"])), body(""));
        let streams = Value::Array(vec![Value::Array(vec![text("decom"), entry(&["body", "a"])])]);
        assert_eq!((read(streams), read(Value::Nil)), (body("a"), None));
        // A deleted entry in Redis 6.2.
        assert_eq!(claimed(Value::Array(vec![Value::Nil])), None);
        assert_eq!(claimed(Value::Array(vec![])), None);
    }

    #[test]
    fn a_receipt_names_the_delivery() {
        let receipt = Delivery { id: "5-1".to_owned(), count: 2 }.receipt();
        assert_eq!(Delivery::parts(&receipt), ("5-1", "2"));
    }
}
