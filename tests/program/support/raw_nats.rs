//! Publishes to NATS what no client library would: a message whose headers are any bytes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// Publishes `body` with `headers` as they are, and returns when the server has it.
pub fn publish(port: u16, subject: &str, headers: &[u8], body: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let info = lines.next().unwrap().unwrap();
    assert!(info.starts_with("INFO "), "{info}");
    stream.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\n").unwrap();
    let (of_headers, all) = (headers.len(), headers.len() + body.len());
    stream.write_all(format!("HPUB {subject} {of_headers} {all}\r\n").as_bytes()).unwrap();
    stream.write_all(&[headers, body, b"\r\nPING\r\n"].concat()).unwrap();
    let reply = lines.next().unwrap().unwrap();
    assert_eq!(reply, "PONG");
}
