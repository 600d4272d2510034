//! A server that can do anything to whoever calls it: HTTP/1.1 by hand over plain TCP, scripted for
//! each deletion, and with a memory of every request that reached it.
//!
//! A script is a function from what arrived to a [`Reply`]. It runs on the connection's own thread
//! before anything is answered, so it may look at the audit log, or wait for the test.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::live::PATIENCE;
use super::reply::{Reply, Sent};
use super::tls;

/// A request that reached the server.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Everything before the `?`, as it stood on the wire.
    pub path: String,
    /// Everything after it, as it stood on the wire.
    pub query: String,
    /// The value of `datasourceName`, decoded; empty where there is none.
    pub name: String,
    /// In the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// When its head had arrived.
    pub at: Instant,
    /// How many deletions of this name have arrived, this one included.
    pub attempt: usize,
}

impl Seen {
    /// The value of a header that must be there exactly once.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let value = values.next().unwrap_or_else(|| panic!("no {name} in {self:?}"));
        assert_eq!(values.next(), None, "{name} twice in {self:?}");
        value
    }

    pub fn is_deletion(&self) -> bool {
        self.method == "DELETE" && self.path.ends_with("/api/v2/datasource")
    }
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

struct State {
    script: Box<Script>,
    tls: Option<Arc<rustls::ServerConfig>>,
    seen: Mutex<Vec<Seen>>,
    news: Condvar,
    attempts: Mutex<HashMap<String, usize>>,
    listing: Mutex<Reply>,
    datamarts: Mutex<Reply>,
    sent: Sent,
    connections: AtomicUsize,
    closing: AtomicBool,
}

/// A server on a loopback port, until it is dropped.
pub struct Server {
    state: Arc<State>,
    address: SocketAddr,
}

impl Server {
    /// Answers each deletion as `script` says. The listings are not found until they are given.
    pub fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(Box::new(script), None)
    }

    /// The same over TLS, with a certificate for `host`.
    pub fn start_tls(
        authority: &tls::Authority,
        host: &str,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Box::new(script), Some(authority.server_config(host)))
    }

    fn serve(script: Box<Script>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script,
            tls,
            seen: Mutex::default(),
            news: Condvar::new(),
            attempts: Mutex::default(),
            listing: Mutex::new(Reply::status(404)),
            datamarts: Mutex::new(Reply::status(404)),
            sent: Sent::default(),
            connections: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        });
        let accepting = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.closing.load(Ordering::SeqCst) {
                    return;
                }
                let (state, Ok(stream)) = (accepting.clone(), stream) else { continue };
                state.connections.fetch_add(1, Ordering::SeqCst);
                // What goes wrong here is for the client to report.
                std::thread::spawn(move || state.connection(stream));
            }
        });
        Self { state, address }
    }

    /// Lists these datasources from now on.
    pub fn list(&self, names: &[&str]) -> &Self {
        let data: Vec<_> = names.iter().map(|name| serde_json::json!({ "name": name })).collect();
        self.answer_listing(Reply::json(200, &serde_json::json!({ "data": data })))
    }

    /// Answers the listing like this from now on.
    pub fn answer_listing(&self, reply: Reply) -> &Self {
        *lock(&self.state.listing) = reply;
        self
    }

    /// Lists these datamarts from now on: each with the datasource that it reads.
    pub fn list_datamarts(&self, pairs: &[(&str, &str)]) -> &Self {
        let data: Vec<_> = pairs
            .iter()
            .map(|(name, reads)| serde_json::json!({ "name": name, "companyIntegration": { "name": reads } }))
            .collect();
        *lock(&self.state.datamarts) = Reply::json(200, &serde_json::json!({ "data": data, "error": null }));
        self
    }

    pub fn url(&self) -> String {
        let scheme = if self.state.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Every request so far, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// Waits until what has arrived so far is as `wanted`.
    #[track_caller]
    pub fn wait_until(&self, wanted: impl Fn(&[Seen]) -> bool) {
        let guard = lock(&self.state.seen);
        let (seen, result) =
            self.state.news.wait_timeout_while(guard, PATIENCE, |seen| !wanted(seen)).unwrap();
        assert!(!result.timed_out(), "only this arrived in {PATIENCE:?}: {seen:#?}");
    }

    /// Every deletion so far, in order of arrival.
    pub fn deletions(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(Seen::is_deletion).collect()
    }

    /// The deletions of `name` so far.
    pub fn deletions_of(&self, name: &str) -> usize {
        lock(&self.state.attempts).get(name).copied().unwrap_or(0)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies were taken off our hands.
    pub fn body_bytes(&self) -> u64 {
        self.state.sent.bytes()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// Both directions of a connection, with TLS or without.
pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl State {
    fn connection(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // A test that hangs is worse than one that fails.
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        stream.set_write_timeout(Some(Duration::from_mins(1)))?;
        let mut wire: Box<dyn Wire> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let tls = rustls::ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                Box::new(rustls::StreamOwned::new(tls, stream))
            }
        };
        while let Some(head) = read_head(&mut *wire)? {
            let seen = self.record(&head);
            let reply = match (seen.is_deletion(), seen.path.as_str()) {
                (true, _) => (self.script)(&seen),
                (_, path) if path.ends_with("/api/v2/datasource") => lock(&self.listing).clone(),
                (_, path) if path.ends_with("/api/v2/data-app/datamarts") => lock(&self.datamarts).clone(),
                _ => Reply::status(404),
            };
            if !reply.send(&mut *wire, &self.sent)? {
                break;
            }
        }
        Ok(())
    }

    fn record(&self, head: &str) -> Seen {
        let at = Instant::now();
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let name = query.strip_prefix("datasourceName=").map(decoded).unwrap_or_default();
        let (path, query) = (path.to_owned(), query.to_owned());
        let mut seen = Seen { method, path, query, name, headers, at, attempt: 0 };
        if seen.is_deletion() {
            let mut attempts = lock(&self.attempts);
            let attempt = attempts.entry(seen.name.clone()).or_default();
            *attempt += 1;
            seen.attempt = *attempt;
        }
        lock(&self.seen).push(seen.clone());
        self.news.notify_all();
        seen
    }
}

/// Reads a head up to, but without, its very last byte: whoever closes with a byte unread resets the
/// connection. `None` where the client closed in good order.
fn read_head(wire: &mut dyn Wire) -> io::Result<Option<String>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r") {
        if wire.read(&mut byte)? == 0 {
            return Ok(None);
        }
        // The last byte of the head before.
        if !(head.is_empty() && byte[0] == b'\n') {
            head.push(byte[0]);
        }
    }
    String::from_utf8(head).map(Some).map_err(io::Error::other)
}

/// Percent-decoded by the letter: a plus is a plus.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
