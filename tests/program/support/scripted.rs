//! A server that says what a test tells it to, request by request, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server does with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Answers with this status and body.
    Says(u16, String),
    /// As before, with headers of its own, each on a line that ends with `\r\n`.
    SaysWith(u16, &'static str, String),
    /// Closes the connection without an answer.
    Cuts,
    /// Never answers, and keeps the connection until the client gives up.
    Hangs,
    /// Answers with this status and the beginning of a body, and then nothing more.
    Stalls(u16, &'static str),
}

impl Reply {
    pub fn deleted() -> Self {
        Self::Says(200, r#"{"id":"4b2f","message":"Datasource deleted successfully"}"#.to_owned())
    }

    pub fn error(status: u16, code: &str) -> Self {
        Self::Says(
            status,
            format!(r#"{{"error":{{"code":"{code}","message":"as scripted","status":{status}}}}}"#),
        )
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
}

/// A request to delete that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub name: String,
    pub request_id: String,
}

type Script = Box<dyn FnMut(&str, usize) -> Reply + Send>;

struct State {
    script: Script,
    /// What is answered to a reading of this path and query.
    listing: Box<dyn FnMut(&str) -> Reply + Send>,
    deletions: Vec<Deletion>,
    asked: HashMap<String, usize>,
    listings_read: usize,
}

/// The server. Its threads end with the test.
pub struct Scripted {
    base_url: String,
    state: Arc<Mutex<State>>,
}

impl Scripted {
    /// Serves deletions by `script`, which is told the name and how often it was asked for before.
    pub fn start(script: impl FnMut(&str, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            script: Box::new(script),
            listing: Box::new(|target| listed(target, &[])),
            deletions: Vec::new(),
            asked: HashMap::new(),
            listings_read: 0,
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                // A connection that breaks is the client's doing, or by design.
                std::thread::spawn(move || drop(serve(&stream, &state)));
            }
        });
        Self { base_url, state }
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Goes on by another script; how often a name was asked for counts from 0 again.
    pub fn now(&self, script: impl FnMut(&str, usize) -> Reply + Send + 'static) {
        let mut state = self.state.lock().unwrap();
        state.script = Box::new(script);
        state.asked.clear();
    }

    pub fn lists(&self, names: &[&str]) {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        self.answers_listings(move |target| listed(target, &names));
    }

    pub fn fails_to_list(&self, status: u16) {
        self.answers_listings(move |_| Reply::error(status, "LISTING_ERROR"));
    }

    /// Answers everything but deletions like this, by path and query.
    pub fn answers_listings(&self, answer: impl FnMut(&str) -> Reply + Send + 'static) {
        self.state.lock().unwrap().listing = Box::new(answer);
    }

    pub fn deletions(&self) -> Vec<Deletion> {
        self.state.lock().unwrap().deletions.clone()
    }

    /// The names of the deletions that arrived, in their order.
    pub fn asked_for(&self) -> Vec<String> {
        self.deletions().into_iter().map(|deletion| deletion.name).collect()
    }

    pub fn listings_read(&self) -> usize {
        self.state.lock().unwrap().listings_read
    }
}

/// All of these in one listing of datasources, and nothing on any page or in any other.
fn listed(target: &str, names: &[String]) -> Reply {
    let names = if target.ends_with("/datasource") { names } else { &[] };
    let data: Vec<_> = names.iter().map(|name| serde_json::json!({ "name": name })).collect();
    Reply::Says(200, serde_json::json!({ "data": data }).to_string())
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut request_id = String::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.split_once(':') else { break };
            if name.eq_ignore_ascii_case("x-request-id") {
                value.trim().clone_into(&mut request_id);
            }
        }
        let target = line.split(' ').nth(1).unwrap_or_default();
        let reply = reply(state, line.starts_with("DELETE"), target, request_id);
        let (status, headers, body, whole) = match &reply {
            Reply::Says(status, body) => (status, "", body.as_str(), true),
            Reply::SaysWith(status, headers, body) => (status, *headers, body.as_str(), true),
            Reply::Stalls(status, body) => (status, "", *body, false),
            Reply::Cuts => return Ok(()),
            Reply::Hangs => return reader.read_to_end(&mut Vec::new()).map(drop),
        };
        let length = body.len() + usize::from(!whole);
        write!(
            &mut &*stream,
            "HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )?;
        if !whole {
            return reader.read_to_end(&mut Vec::new()).map(drop);
        }
    }
}

fn reply(state: &Mutex<State>, deletes: bool, target: &str, request_id: String) -> Reply {
    let mut state = state.lock().unwrap();
    if !deletes {
        state.listings_read += usize::from(target.ends_with("/datasource"));
        return (state.listing)(target);
    }
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let name = url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "datasourceName")
        .map(|(_, name)| name.into_owned())
        .unwrap_or_default();
    state.deletions.push(Deletion { name: name.clone(), request_id });
    let asked = state.asked.entry(name.clone()).or_default();
    let before = *asked;
    *asked += 1;
    (state.script)(&name, before)
}
