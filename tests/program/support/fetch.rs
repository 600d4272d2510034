//! Fetches something over HTTP, and reads metrics.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

/// The status and the body of `GET path`; `None` where nobody listens or nothing comes back.
pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    ask(address, &format!("GET {path}"))
}

/// The same with another method.
pub fn ask(address: &str, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    write!(stream, "{request} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().unwrap(), body.to_owned()))
}

/// Each series of a text of metrics, with its value.
pub fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}
