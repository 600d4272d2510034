//! Spans to an OpenTelemetry collector: the real exporter, and a server that reads what it sends.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::{Fault, Reply, Sandbox, Server, csv, decom};

/// The fields of a message of Protocol Buffers: their numbers, and what is in them. Numbers are
/// given as they are, and everything else as bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Bytes(take(&mut bytes, 8)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Bytes(take(&mut bytes, 4)),
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, field));
    }
    found
}

#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

/// The messages in the field `number`.
fn all(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let those = fields(bytes).into_iter().filter(|(found, _)| *found == number);
    those
        .map(|(_, field)| match field {
            Field::Bytes(bytes) => bytes,
            Field::Number(value) => panic!("{value} is a number"),
        })
        .collect()
}

/// Attributes: the key in field 1, the value in field 2, a text in its field 1 or a number in 3.
fn attributes(messages: &[&[u8]]) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let value = |bytes: &[u8]| match fields(bytes).first() {
        Some((1, Field::Bytes(bytes))) => text(bytes),
        Some((_, Field::Number(number))) => number.to_string(),
        other => format!("{other:?}"),
    };
    messages.iter().map(|message| (text(all(message, 1)[0]), value(all(message, 2)[0]))).collect()
}

#[derive(Debug)]
struct Span {
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: BTreeMap<String, String>,
    service: String,
}

/// The spans of an `ExportTraceServiceRequest`.
fn spans(body: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    for resource_spans in all(body, 1) {
        let resource = attributes(&all(all(resource_spans, 1)[0], 1));
        for scope_spans in all(resource_spans, 2) {
            found.extend(all(scope_spans, 2).into_iter().map(|span| Span {
                id: all(span, 2)[0].to_vec(),
                parent: all(span, 4).first().map(|parent| parent.to_vec()).unwrap_or_default(),
                name: String::from_utf8(all(span, 5)[0].to_vec()).unwrap(),
                attributes: attributes(&all(span, 9)),
                service: resource["service.name"].clone(),
            }));
        }
    }
    found
}

fn scripted() -> Server {
    Server::start(|seen| match (seen.name.as_str(), seen.attempt) {
        ("a", 1) => Reply::status(503),
        ("used", _) => Reply::in_use(),
        _ => Reply::deleted(),
    })
}

#[test]
fn spans_arrive_whatever_is_logged() {
    let collector = Server::receiving(Reply::status(200));
    let server = scripted();
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a", "used"]);
    let mut command = decom(&sandbox, &server, &["run", &input, "--quiet"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    let ended = command.run().expect(1);
    assert!(!ended.stderr.contains("collector"), "{}", ended.stderr);

    let letters = collector.requests();
    assert!(!letters.is_empty(), "{}", ended.stderr);
    assert!(letters.iter().all(|letter| letter.path == "/v1/traces" && letter.method == "POST"));
    assert_eq!(letters[0].header("content-type"), "application/x-protobuf");
    let spans: Vec<_> = letters.iter().flat_map(|letter| spans(&letter.body)).collect();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let (runs, targets, attempts) = (named("run"), named("target"), named("attempt"));
    assert_eq!((runs.len(), targets.len(), attempts.len()), (1, 2, 3), "{spans:#?}");
    assert!(spans.iter().all(|span| span.service == "decom"));
    let run_id = crate::support::column(&sandbox.log(), "SELECT run_id FROM runs");
    assert_eq!(runs[0].attributes["run_id"], run_id[0]);
    assert!(targets.iter().all(|target| target.parent == runs[0].id), "{spans:#?}");
    let status = |span: &&Span| span.attributes["http.response.status_code"].clone();
    let mut statuses: Vec<_> = attempts.iter().map(status).collect();
    statuses.sort();
    assert_eq!(statuses, ["200", "400", "503"]);
    for attempt in &attempts {
        assert!(targets.iter().any(|target| target.id == attempt.parent), "{spans:#?}");
        assert_eq!(attempt.attributes["http.request.method"], "DELETE");
    }
}

#[test]
fn a_collector_that_fails_changes_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (errs, hangs) = (Server::receiving(Reply::status(500)), Server::receiving(Fault::NeverAnswer));
    for url in [format!("http://{free}"), errs.url(), hangs.url()] {
        let server = scripted();
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &["a", "used"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url);
        let begun = Instant::now();
        let ended = command.run().expect(1);
        assert!(begun.elapsed() < Duration::from_secs(15), "bounded");
        assert_eq!((ended.outcome("a"), ended.outcome("used")), ("deleted", "in_use"));
    }
}

#[test]
fn nothing_is_sent_where_no_collector_is_named() {
    let server = scripted();
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["b"]);
    decom(&sandbox, &server, &["run", &input]).run().expect(0);
    assert!(server.requests().iter().all(|seen| !seen.path.contains("traces")));
}
