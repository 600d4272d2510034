//! The server's own account: what it was asked, what it did, and what exists.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

/// One request to delete, as the server saw it.
#[derive(Debug)]
pub struct Request {
    pub id: String,
    pub name: String,
    pub deleted: bool,
    /// `None` where the connection was cut instead.
    pub status: Option<u64>,
}

/// Every request to delete so far, in the order in which the server took them.
pub fn requests(log: &Path) -> Vec<Request> {
    let text = std::fs::read_to_string(log).unwrap();
    // The server may be writing a line just now.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            Request {
                id: line["request_id"].as_str().unwrap_or("(none)").to_owned(),
                name: line["name"].as_str().unwrap_or("(none)").to_owned(),
                deleted: line["did"] == "deleted",
                status: line["status"].as_u64(),
            }
        })
        .collect()
}

/// The names that exist at the server now.
pub fn existing(base_url: &str, token: &str) -> HashSet<String> {
    let host = base_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    // HTTP/1.0: the body ends where the connection does.
    write!(
        stream,
        "GET /api/v2/datasource HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    let names = body["data"].as_array().unwrap();
    names.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}
