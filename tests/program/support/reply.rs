//! What the server answers to a request: proper replies, and every fault on the way to one.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::server::Wire;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
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
    /// The head announces more than `sent`, and the connection ends after that.
    CutBody { status: u16, sent: Vec<u8> },
    /// The same in chunks: the last chunk, of length zero, never comes.
    CutChunks { status: u16, sent: Vec<u8> },
    /// Bytes that are not HTTP.
    Garbage,
    /// The connection stays open, and nothing comes.
    NeverAnswer,
    /// A head, `sent`, and nothing more; the connection stays open.
    StallInBody { status: u16, sent: Vec<u8> },
    /// A body of so many bytes, beginning with `start`.
    HugeBody { status: u16, start: Vec<u8>, bytes: u64 },
    /// Interim answers only, and then the end.
    OnlyInterim { status: u16 },
    /// An interim answer before the proper one.
    Interim { status: u16, then: Box<Reply> },
}

/// Counts the bytes of bodies that clients took.
#[derive(Debug, Default)]
pub struct BodyBytes(AtomicU64);

impl BodyBytes {
    pub fn get(&self) -> u64 {
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

    /// The documented answer to the deletion of a datamart.
    pub fn datamart_deleted(name: &str) -> Self {
        Self::json(200, &json!({ "id": name, "error": null }))
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

    pub fn server_error() -> Self {
        Self::error(500, "INTERNAL_SERVER_ERROR")
    }

    pub fn unauthorized() -> Self {
        Self::error(401, "AUTHENTICATION_ERROR")
    }

    /// A status with an empty body.
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

    /// Sends it, and returns true if the connection can carry another request. If `unread`, the last byte of
    /// the request's head is still to be read.
    pub(super) fn send(&self, wire: &mut dyn Wire, unread: bool, sent: &BodyBytes) -> io::Result<bool> {
        match self {
            Self::Answer { status, headers, body } => {
                let mut bytes = Vec::new();
                write!(bytes, "HTTP/1.1 {status} Scripted\r\n")?;
                for (name, value) in headers {
                    write!(bytes, "{name}: {value}\r\n")?;
                }
                // These have no body, and a length would announce one.
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
            Self::Fault(fault) => {
                if unread && !matches!(fault, Fault::ResetBeforeAnswer) {
                    wire.read_exact(&mut [0])?;
                }
                fault.commit(wire, sent)
            }
        }
    }
}

impl Fault {
    fn commit(&self, wire: &mut dyn Wire, sent_bytes: &BodyBytes) -> io::Result<bool> {
        match self {
            Self::CloseBeforeAnswer | Self::ResetBeforeAnswer => {}
            Self::CutHead => wire.write_all(b"HTTP/1.1 20")?,
            Self::Garbage => wire.write_all(b"\x00\xffSSH-2.0-what is this\n\n")?,
            Self::CutBody { status, sent } => begin_body(wire, *status, sent.len() + 1000, sent)?,
            Self::CutChunks { status, sent } => {
                write!(wire, "HTTP/1.1 {status} Scripted\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                write!(wire, "{:x}\r\n", sent.len())?;
                wire.write_all(sent)?;
                wire.write_all(b"\r\n")?;
            }
            Self::StallInBody { status, sent } => {
                begin_body(wire, *status, sent.len() + 1000, sent)?;
                wire.flush()?;
                until_hung_up(wire);
            }
            Self::NeverAnswer => until_hung_up(wire),
            Self::HugeBody { status, start, bytes } => {
                begin_body(wire, *status, usize::try_from(*bytes).map_err(io::Error::other)?, start)?;
                let (chunk, mut left) = (vec![b'x'; 64 * 1024], *bytes - start.len() as u64);
                while left > 0 {
                    let part = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    wire.write_all(&chunk[..part])?;
                    sent_bytes.add(part);
                    left -= part as u64;
                }
            }
            Self::OnlyInterim { status } => write!(wire, "HTTP/1.1 {status} Scripted\r\n\r\n")?,
            Self::Interim { status, then } => {
                write!(wire, "HTTP/1.1 {status} Scripted\r\n\r\n")?;
                return then.send(wire, false, sent_bytes);
            }
        }
        wire.flush()?;
        Ok(false)
    }
}

/// A head that announces `length` bytes, and the first of them.
fn begin_body(wire: &mut dyn Wire, status: u16, length: usize, start: &[u8]) -> io::Result<()> {
    write!(wire, "HTTP/1.1 {status} Scripted\r\nContent-Length: {length}\r\n\r\n")?;
    wire.write_all(start)
}

/// Waits until the client closes the connection.
fn until_hung_up(wire: &mut dyn Wire) {
    while wire.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
}
