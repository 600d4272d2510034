//! Makes every message readable for the client.
//!
//! The client ends the connection if a property of a message is not UTF-8, or malformed in another way, and the broker
//! would deliver the message again and again. So such a property never reaches the client: what it could not parse is
//! replaced by properties that say so, and the message goes to the dead-letter queue with its body as it is.

use amq_protocol::frame::parse_frame;

/// The type (a property) of a message whose properties could not be read.
pub(super) const UNREADABLE: &str = "decom.unreadable";

/// The frame types of AMQP 0.9.1, and the byte that ends a frame.
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const HEARTBEAT: u8 = 8;
const END: u8 = 0xce;

/// The bytes before the payload of a frame: its type, its channel, its length.
const PREFIX: usize = 7;

/// Class 60, method 71: `basic.get-ok`.
const GET_OK: [u8; 4] = [0, 60, 0, 71];

/// The bytes of `basic.get-ok` before its two texts: class and method, the delivery tag, the mark of a redelivery; and
/// those after them: the number of messages left.
const BEFORE_TEXTS: usize = 4 + 8 + 1;
const AFTER_TEXTS: usize = 4;

/// The bytes of a content header before its properties: class and weight, and the length of the body.
const BEFORE_PROPERTIES: usize = 4;
const BODY_LENGTH: usize = 8;

/// The flag of the property `type` alone.
const ONLY_TYPE: [u8; 2] = [0, 0x20];

/// No broker sends a longer frame: what claims to be one is not a frame.
const LONGEST_FRAME: usize = 1 << 26;

/// Reads the frames of a broker, and replaces those that the client cannot parse.
#[derive(Debug, Default)]
pub(super) struct ReadableFrames {
    /// The beginning of a frame.
    pending: Vec<u8>,
    /// The delivery that begins has a text that is not UTF-8.
    spoiled: bool,
    /// What the broker sends are not frames; the client says so.
    is_foreign: bool,
}

impl ReadableFrames {
    /// Adds to `out` all frames that are complete with `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.pending.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(length) = self.frame_length(start) {
            let Some(frame) = self.pending.get(start..start + length) else { break };
            match replacement(frame, &mut self.spoiled) {
                Some(frame) => out.extend_from_slice(&frame),
                None => out.extend_from_slice(frame),
            }
            start += length;
        }
        self.pending.drain(..start);
        if self.is_foreign {
            self.flush(out);
        }
    }

    /// Adds to `out` what is left at the end of the connection.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.pending);
    }

    /// The length of the frame that begins at `start`, if that is known by now.
    fn frame_length(&mut self, start: usize) -> Option<usize> {
        if self.is_foreign {
            return None;
        }
        let prefix: [u8; PREFIX] = self.pending.get(start..start + PREFIX)?.try_into().ok()?;
        let [kind, _, _, length @ ..] = prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(METHOD..=HEARTBEAT).contains(&kind) || length > LONGEST_FRAME {
            self.is_foreign = true;
            return None;
        }
        Some(PREFIX + length + 1)
    }
}

/// What the client gets instead of `frame`, if it could not parse it. `spoiled` is kept from the method of a delivery to
/// its header.
fn replacement(frame: &[u8], spoiled: &mut bool) -> Option<Vec<u8>> {
    let payload = frame.get(PREFIX..frame.len() - 1)?;
    match frame[0] {
        METHOD => {
            *spoiled = payload.starts_with(&GET_OK) && !is_readable(frame);
            let end = payload.len().checked_sub(AFTER_TEXTS).filter(|end| *end >= BEFORE_TEXTS + 2)?;
            // An empty exchange, and an empty routing key.
            let payload = || [&payload[..BEFORE_TEXTS], &[0, 0], &payload[end..]].concat();
            spoiled.then(|| framed(frame, &payload()))
        }
        HEADER if *spoiled || !is_readable(frame) => {
            *spoiled = false;
            let fixed = payload.get(..BEFORE_PROPERTIES + BODY_LENGTH)?;
            let length = u8::try_from(UNREADABLE.len()).ok()?;
            Some(framed(frame, &[fixed, &ONLY_TYPE, &[length], UNREADABLE.as_bytes()].concat()))
        }
        _ => None,
    }
}

fn is_readable(frame: &[u8]) -> bool {
    parse_frame(frame).is_ok()
}

/// A frame of the same type and channel.
fn framed(like: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&like[..3], &length, payload, &[END]].concat()
}

#[cfg(test)]
mod tests {
    use amq_protocol::frame::AMQPFrame;
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        framed(&[kind, 0, 1], payload)
    }

    fn text(bytes: &[u8]) -> Vec<u8> {
        [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    fn get_ok(routing_key: &[u8]) -> Vec<u8> {
        let payload =
            [&GET_OK[..], &7_u64.to_be_bytes(), &[1], &text(b""), &text(routing_key), &[0, 0, 0, 9]];
        frame(METHOD, &payload.concat())
    }

    /// A content header with a message id.
    fn header(id: &[u8]) -> Vec<u8> {
        frame(HEADER, &[&[0, 60, 0, 0][..], &4_u64.to_be_bytes(), &[0, 0x80], &text(id)].concat())
    }

    fn filtered(bytes: &[u8], piece: usize) -> Vec<u8> {
        let (mut frames, mut out) = (ReadableFrames::default(), Vec::new());
        bytes.chunks(piece).for_each(|piece| frames.push(piece, &mut out));
        out
    }

    /// The frames as the client reads them.
    fn parsed(mut bytes: &[u8]) -> Vec<AMQPFrame> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let (rest, frame) = parse_frame(bytes).unwrap();
            frames.push(frame);
            bytes = rest;
        }
        frames
    }

    fn kinds(bytes: &[u8]) -> Vec<Option<String>> {
        let kind = |frame: AMQPFrame| match frame {
            AMQPFrame::Header(_, header) => {
                assert_eq!(header.body_size, 4);
                Some(header.properties.kind().as_ref().map(ToString::to_string).unwrap_or_default())
            }
            _ => None,
        };
        parsed(bytes).into_iter().map(kind).collect()
    }

    #[test]
    fn what_the_client_can_read_stays_as_it_is() {
        let body = frame(3, b"\xff\xfe\xfd\xfc");
        let bytes = [get_ok("é".as_bytes()), header(b"id"), body, frame(8, b"")].concat();
        for piece in [1, 3, 8, bytes.len()] {
            assert_eq!(filtered(&bytes, piece), bytes);
        }
    }

    #[test]
    fn a_property_that_is_not_text_is_replaced_and_the_body_kept() {
        let body = frame(3, b"name");
        for (get_ok, header) in [(get_ok(b"key"), header(b"\xff\xfe")), (get_ok(b"\xff"), header(b"id"))] {
            let bytes = [get_ok, header, body.clone()].concat();
            for piece in [1, bytes.len()] {
                let out = filtered(&bytes, piece);
                assert_eq!(kinds(&out), [None, Some(UNREADABLE.to_owned()), None]);
                assert!(out.ends_with(&body));
            }
        }
    }

    #[test]
    fn the_next_message_is_not_spoiled() {
        let bytes =
            [get_ok(b"\xff"), header(b"id"), frame(3, b"name"), get_ok(b"key"), header(b"id")].concat();
        let found = kinds(&filtered(&bytes, 5));
        assert_eq!(found, [None, Some(UNREADABLE.to_owned()), None, None, Some(String::new())]);
    }

    #[test]
    fn what_is_not_amqp_is_left_to_the_client() {
        assert_eq!(filtered(b"AMQP\0\0\x09\x01 or anything", 3), b"AMQP\0\0\x09\x01 or anything");
    }

    proptest! {
        #[test]
        fn any_properties_become_readable(flags: [u8; 2], rest in prop::collection::vec(any::<u8>(), 0..60)) {
            let payload = [&[0, 60, 0, 0][..], &4_u64.to_be_bytes(), &flags, &rest].concat();
            parsed(&filtered(&[get_ok(b"key"), frame(HEADER, &payload)].concat(), 9));
        }

        #[test]
        fn any_bytes_pass(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1..50_usize) {
            filtered(&bytes, piece);
        }
    }
}
