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
    /// The name, that of a datamart as [`of_datamart`] writes it.
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
                name: match (line["kind"].as_str(), line["name"].as_str().unwrap_or("(none)")) {
                    (Some("datamart"), name) => of_datamart(name),
                    (_, name) => name.to_owned(),
                },
                deleted: line["did"] == "deleted",
                status: line["status"].as_u64(),
            }
        })
        .collect()
}

/// How the name of a datamart is written here: a datasource may have the same one.
pub fn of_datamart(name: &str) -> String {
    format!("datamart {name}")
}

/// The names that exist at the server now.
pub fn existing(base_url: &str, token: &str) -> HashSet<String> {
    let names = |path: &str| {
        let entries = entries(base_url, token, path).into_iter();
        entries.map(|entry| entry["name"].as_str().unwrap().to_owned())
    };
    let datamarts = names("/api/v2/data-app/datamarts").map(|name| of_datamart(&name));
    names("/api/v2/datasource").chain(datamarts).collect()
}

/// The entries of a listing.
pub fn entries(base_url: &str, token: &str, path: &str) -> Vec<Value> {
    let host = base_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    // HTTP/1.0: the body ends where the connection does.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    body["data"].as_array().unwrap().clone()
}
