//! The log as Datasette shows it with `docs/metadata.yml`: real pages of the real program.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::audit_queries::{ask, queries};
use crate::support::history::eventful;
use crate::support::{Sandbox, column, venv};

const VIEWS: [&str; 3] = ["runs", "results", "attempts"];

/// A Datasette on a loopback port, until it is dropped.
struct Datasette {
    process: Child,
    port: u16,
}

impl Datasette {
    fn start(program: &Path, log: &Path, flags: &[&str]) -> Self {
        let metadata = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metadata.yml");
        let mut command = Command::new(program);
        command.args(flags).arg(log).arg("--metadata").arg(metadata).args([
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        let line = said.by_ref().map(Result::unwrap).find(|line| line.contains("http://127.0.0.1:"));
        let (_, rest) = line.as_deref().unwrap().split_once("http://127.0.0.1:").unwrap();
        let port = rest.split(' ').next().unwrap().parse().unwrap();
        // It says more later, and somebody has to take it.
        std::thread::spawn(move || said.count());
        Self { process, port }
    }

    /// What it answers with, as JSON.
    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET /decom-audit/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Datasette {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// `docs/metadata.yml`, as Datasette read it.
fn metadata(datasette: &Datasette) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", datasette.port)).unwrap();
    write!(stream, "GET /-/metadata.json HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str::<Value>(body).unwrap()["databases"]["decom-audit"].clone()
}

fn datasette(test: &str) -> Option<PathBuf> {
    venv::program("datasette", test)
}

#[test]
fn datasette_shows_the_views_and_answers_the_queries() {
    let Some(program) = datasette("datasette_shows_the_views_and_answers_the_queries") else { return };
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let log = sandbox.log();
    for flags in [&[][..], &["--immutable"]] {
        let datasette = Datasette::start(&program, &log, flags);
        for view in VIEWS {
            let found = datasette.get(&format!("{view}.json?_shape=array&_size=max"));
            let rows = found.as_array().unwrap();
            assert_eq!(rows.len().to_string(), column(&log, &format!("SELECT count(*) FROM {view}"))[0]);
            let names = column(&log, &format!("SELECT name FROM pragma_table_info('{view}')"));
            assert_eq!(keys(&rows[0]), names.into_iter().collect());
        }
        for query in queries() {
            let found = datasette.get(&format!("{}.json?_shape=array&datasource=lost&run=", query.name));
            let (rows, expected) = (found.as_array().unwrap(), ask(&log, &query.sql, "lost"));
            assert_eq!(rows.len(), expected.len(), "{}: {found}", query.name);
            assert_eq!(keys(&rows[0]), expected[0].keys().cloned().collect(), "{}", query.name);
        }
    }
}

#[test]
fn the_descriptions_are_those_of_the_log_and_the_queries_those_of_the_page() {
    let test = "the_descriptions_are_those_of_the_log_and_the_queries_those_of_the_page";
    let Some(program) = datasette(test) else { return };
    let sandbox = Sandbox::new();
    let _server = eventful(&sandbox);
    let metadata = metadata(&Datasette::start(&program, &sandbox.log(), &[]));
    for view in VIEWS {
        let view_of = &metadata["tables"][view];
        assert!(view_of["description"].as_str().is_some_and(|text| text.len() > 20), "{view}");
        let names = column(&sandbox.log(), &format!("SELECT name FROM pragma_table_info('{view}')"));
        assert_eq!(keys(&view_of["columns"]), names.into_iter().collect(), "{view}");
    }
    let page = queries();
    let names = page.iter().map(|query| query.name.clone()).collect();
    assert_eq!(keys(&metadata["queries"]), names);
    for query in page {
        let shown = &metadata["queries"][&query.name];
        assert_eq!(shown["sql"].as_str().unwrap(), query.sql);
        assert_eq!(shown["title"].as_str().unwrap().to_lowercase(), query.title.to_lowercase());
    }
}
