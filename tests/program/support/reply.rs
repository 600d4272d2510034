//! What the server does with a request: proper answers, and every way of not giving one.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::server::Wire;

/// What is done with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A proper answer.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Trouble.
    Fault(Fault),
}

/// Ways of not giving a proper answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The request is read, and the connection closed in good order.
    CloseBeforeAnswer,
    /// The connection is reset with a part of the request unread.
    ResetBeforeAnswer,
    /// Half of a status line, then the end.
    CutHead,
    /// The head promises more than `sent`, and the connection ends behind that.
    CutBody { status: u16, sent: Vec<u8> },
    /// The same in chunks: the last one, of no length, never comes.
    CutChunks { status: u16, sent: Vec<u8> },
    /// Something that is no HTTP.
    Garbage,
    /// The connection stays open, and nothing comes.
    NeverAnswer,
    /// A head, `sent`, and nothing more; the connection stays open.
    StallInBody { status: u16, sent: Vec<u8> },
    /// A body of so many bytes, beginning with `start`.
    HugeBody { status: u16, start: Vec<u8>, bytes: u64 },
    /// Interim answers only, and then the end.
    OnlyInterim { status: u16 },
    /// Interim answers before the proper one.
    Interim { status: u16, then: Box<Reply> },
}

/// Counts the bytes of bodies that the client took.
#[derive(Debug, Default)]
pub struct Sent(AtomicU64);

impl Sent {
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::SeqCst);
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Reply {
    /// The documented answer to a deletion.
    pub fn deleted() -> Self {
        let id = "6f1c2d3e-0000-4000-8000-000000000001";
        Self::json(200, &json!({ "id": id, "message": "Datasource deleted successfully" }))
    }

    /// The documented form of an error.
    pub fn error(status: u16, code: &str) -> Self {
        let message = format!("said {code}");
        Self::json(status, &json!({ "error": { "code": code, "message": message, "status": status } }))
    }

    pub fn not_found() -> Self {
        Self::error(400, "DATASOURCE_NAME_ERROR")
    }

    pub fn in_use() -> Self {
        Self::error(400, "DATASOURCE_IN_USE")
    }

    /// A status with nothing in its body.
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::status(status).with("Content-Type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = bytes.into();
        }
        self
    }

    /// With one more header.
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), format!("{value}")));
        }
        self
    }

    /// Sends it. Whether the connection goes on.
    pub(super) fn send(&self, wire: &mut dyn Wire, sent: &Sent) -> io::Result<bool> {
        match self {
            Self::Answer { status, headers, body } => {
                let mut bytes = Vec::new();
                write!(bytes, "HTTP/1.1 {status} Scripted\r\n")?;
                for (name, value) in headers {
                    write!(bytes, "{name}: {value}\r\n")?;
                }
                // These have no body, and a length would be a promise of one.
                if matches!(status, 100..=199 | 204 | 304) {
                    bytes.extend_from_slice(b"\r\n");
                } else {
                    write!(bytes, "Content-Length: {}\r\n\r\n", body.len())?;
                    bytes.extend_from_slice(body);
                }
                wire.write_all(&bytes)?;
                wire.flush()?;
                sent.add(body.len());
                Ok(true)
            }
            Self::Fault(fault) => fault.commit(wire, sent),
        }
    }
}

impl Fault {
    fn commit(&self, wire: &mut dyn Wire, sent: &Sent) -> io::Result<bool> {
        if !matches!(self, Self::ResetBeforeAnswer) {
            // The last byte of the head, which the reader leaves.
            wire.read_exact(&mut [0])?;
        }
        match self {
            Self::CloseBeforeAnswer | Self::ResetBeforeAnswer => {}
            Self::CutHead => wire.write_all(b"HTTP/1.1 20")?,
            Self::Garbage => wire.write_all(b"\x00\xffSSH-2.0-what is this\n\n")?,
            Self::CutBody { status, sent } => {
                let length = sent.len() + 1000;
                write!(wire, "HTTP/1.1 {status} Scripted\r\nContent-Length: {length}\r\n\r\n")?;
                wire.write_all(sent)?;
            }
            Self::CutChunks { status, sent } => {
                write!(wire, "HTTP/1.1 {status} Scripted\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                write!(wire, "{:x}\r\n", sent.len())?;
                wire.write_all(sent)?;
                wire.write_all(b"\r\n")?;
            }
            Self::StallInBody { status, sent } => {
                let length = sent.len() + 1000;
                write!(wire, "HTTP/1.1 {status} Scripted\r\nContent-Length: {length}\r\n\r\n")?;
                wire.write_all(sent)?;
                wire.flush()?;
                until_hung_up(wire);
            }
            Self::NeverAnswer => until_hung_up(wire),
            Self::HugeBody { status, start, bytes } => {
                write!(wire, "HTTP/1.1 {status} Scripted\r\nContent-Length: {bytes}\r\n\r\n")?;
                wire.write_all(start)?;
                let (chunk, mut left) = (vec![b'x'; 64 * 1024], *bytes - start.len() as u64);
                while left > 0 {
                    let part = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    wire.write_all(&chunk[..part])?;
                    sent.add(part);
                    left -= part as u64;
                }
            }
            Self::OnlyInterim { status } => write!(wire, "HTTP/1.1 {status} Scripted\r\n\r\n")?,
            Self::Interim { status, then } => {
                write!(wire, "HTTP/1.1 {status} Scripted\r\n\r\n")?;
                return then.send(wire, sent);
            }
        }
        wire.flush()?;
        Ok(false)
    }
}

/// Waits until the client has had enough.
fn until_hung_up(wire: &mut dyn Wire) {
    // Whatever it says meanwhile, and however it goes, is all the same.
    while wire.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
}
