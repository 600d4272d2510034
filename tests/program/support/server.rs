//! An HTTP server that does what a test tells it to, right or wrong: HTTP/1.1 over plain TCP or TLS, with a
//! script that answers each deletion, and a memory of every request that arrived.
//!
//! The script maps a [`Request`] to a [`Reply`]. It runs on the connection's own thread before anything is
//! answered, so it may read the audit log or wait for the test.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::listings::{datamart_entry, listing};
use super::process::PATIENCE;
use super::reply::{BodyBytes, Reply};
use super::tls;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Everything before the `?`, as it was sent.
    pub path: String,
    /// Everything after the `?`, as it was sent.
    pub query: String,
    /// The value of `datasourceName` or `datamartName`, decoded; empty if there is none.
    pub name: String,
    /// In the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When its head had arrived.
    pub at: Instant,
    /// How many deletions of this name the current script has seen, this one included.
    pub attempt: usize,
}

impl Request {
    /// The value of a header that must be there exactly once.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let value = values.next().unwrap_or_else(|| panic!("no {name} in {self:?}"));
        assert_eq!(values.next(), None, "{name} twice in {self:?}");
        value
    }

    /// The id under which the audit log knows it.
    pub fn id(&self) -> &str {
        self.header("x-request-id")
    }

    pub fn is_deletion(&self) -> bool {
        self.method == "DELETE" && (self.path.ends_with("/api/v2/datasource") || self.is_of_datamart())
    }

    /// Returns true if it is the deletion of a datamart.
    pub fn is_of_datamart(&self) -> bool {
        self.path.ends_with("/api/v2/data-app/datamart")
    }

    /// The number of the page that it asks for, from 1; `None` if it asks for all at once.
    pub fn page(&self) -> Option<usize> {
        self.query.strip_prefix("isPagination=true&pageNumber=").map(|number| number.parse().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// Who answers what.
struct Scripts {
    deletions: Script,
    datasources: Script,
    datamarts: Script,
    others: Script,
}

struct State {
    scripts: Mutex<Scripts>,
    tls: Option<Arc<rustls::ServerConfig>>,
    requests: Mutex<Vec<Request>>,
    arrival: Condvar,
    attempts: Mutex<HashMap<String, usize>>,
    /// The names of the datamarts whose deletion was confirmed.
    datamarts_gone: Mutex<HashSet<String>>,
    body_bytes: BodyBytes,
    connections: AtomicUsize,
    closing: AtomicBool,
}

/// A server on a loopback port, until it is dropped.
pub struct Server {
    state: Arc<State>,
    address: SocketAddr,
}

impl Server {
    /// Answers each deletion as `script` says, and lists nothing.
    pub fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(Scripts::of_api(script), None)
    }

    /// The same over TLS, with a certificate for `host`.
    pub fn start_tls(
        authority: &tls::Authority,
        host: &str,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Scripts::of_api(script), Some(authority.server_config(host)))
    }

    /// Confirms every deletion.
    pub fn deleting() -> Self {
        Self::start(|_| Reply::deleted())
    }

    /// A server of another kind, such as a webhook: every request gets the same reply.
    pub fn receiving(reply: impl Into<Reply>) -> Self {
        let reply = reply.into();
        Self::replying(move |_| reply.clone())
    }

    /// A server of another kind: every request gets what `script` says.
    pub fn replying(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let all: Script = Arc::new(script);
        let [deletions, datasources, datamarts, others] = [all.clone(), all.clone(), all.clone(), all];
        Self::serve(Scripts { deletions, datasources, datamarts, others }, None)
    }

    fn serve(scripts: Scripts, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            scripts: Mutex::new(scripts),
            tls,
            requests: Mutex::default(),
            arrival: Condvar::new(),
            attempts: Mutex::default(),
            datamarts_gone: Mutex::default(),
            body_bytes: BodyBytes::default(),
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
                // Errors here are for the client to report.
                std::thread::spawn(move || state.connection(stream));
            }
        });
        Self { state, address }
    }

    /// Answers deletions by another script from now on; attempts are counted from 1 again.
    pub fn answer(&self, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> &Self {
        lock(&self.state.scripts).deletions = Arc::new(script);
        lock(&self.state.attempts).clear();
        self
    }

    /// Lists these datasources from now on: all at once, or a page if one is asked for.
    pub fn list(&self, names: &[&str]) -> &Self {
        let entries = names.iter().map(|name| json!({ "name": name })).collect();
        lock(&self.state.scripts).datasources = Arc::new(listing(entries));
        self
    }

    /// Answers requests for the list of datasources by a script from now on.
    pub fn answer_listing(&self, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> &Self {
        lock(&self.state.scripts).datasources = Arc::new(script);
        self
    }

    /// Answers requests for the list of datamarts by a script from now on.
    pub fn answer_datamarts(&self, script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> &Self {
        lock(&self.state.scripts).datamarts = Arc::new(script);
        self
    }

    /// Lists these datamarts from now on: each with the datasource that it reads.
    pub fn list_datamarts(&self, pairs: &[(&str, &str)]) -> &Self {
        let entries = pairs.iter().map(|(name, reads)| datamart_entry(name, reads)).collect();
        lock(&self.state.scripts).datamarts = Arc::new(listing(entries));
        self
    }

    /// The same, but for those of them whose deletion was confirmed.
    pub fn keep_datamarts(&self, pairs: &[(&str, &str)]) -> &Self {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, reads)| ((*name).to_owned(), (*reads).to_owned())).collect();
        let state = Arc::downgrade(&self.state);
        self.answer_datamarts(move |request| {
            let Some(state) = state.upgrade() else { return Reply::status(503) };
            let gone = lock(&state.datamarts_gone).clone();
            let left = pairs.iter().filter(|(name, _)| !gone.contains(name));
            listing(left.map(|(name, reads)| datamart_entry(name, reads)).collect())(request)
        })
    }

    /// Lists `before` until a deletion arrives, and answers by a script from then on.
    pub fn list_datamarts_until_sent(
        &self,
        before: &[(&str, &str)],
        after: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> &Self {
        let before = listing(before.iter().map(|(name, reads)| datamart_entry(name, reads)).collect());
        let state = Arc::downgrade(&self.state);
        self.answer_datamarts(move |request| {
            let is_sent =
                state.upgrade().is_some_and(|it| lock(&it.requests).iter().any(Request::is_deletion));
            if is_sent { after(request) } else { before(request) }
        })
    }

    pub fn url(&self) -> String {
        let scheme = if self.state.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.requests).clone()
    }

    /// Every deletion so far, in order of arrival.
    pub fn deletions(&self) -> Vec<Request> {
        self.requests().into_iter().filter(Request::is_deletion).collect()
    }

    /// The names of the deletions so far, in order of arrival.
    pub fn names_sent(&self) -> Vec<String> {
        self.deletions().into_iter().map(|request| request.name).collect()
    }

    /// How many deletions of `name` have arrived.
    pub fn deletions_of(&self, name: &str) -> usize {
        self.deletions().iter().filter(|request| request.name == name).count()
    }

    /// How often the whole list of datasources was asked for.
    pub fn listings_read(&self) -> usize {
        let is_listing = |it: &&Request| it.method == "GET" && it.path.ends_with("/api/v2/datasource");
        self.requests().iter().filter(is_listing).filter(|request| request.page().is_none()).count()
    }

    /// Waits until `condition` holds for the requests so far.
    #[track_caller]
    pub fn wait_until(&self, condition: impl Fn(&[Request]) -> bool) {
        let guard = lock(&self.state.requests);
        let (requests, result) =
            self.state.arrival.wait_timeout_while(guard, PATIENCE, |requests| !condition(requests)).unwrap();
        assert!(!result.timed_out(), "only this arrived in {PATIENCE:?}: {requests:#?}");
    }

    /// Waits until this many deletions have arrived.
    #[track_caller]
    pub fn wait_for_deletions(&self, count: usize) {
        self.wait_until(|requests| requests.iter().filter(|request| request.is_deletion()).count() >= count);
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies the clients took.
    pub fn body_bytes(&self) -> u64 {
        self.state.body_bytes.get()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Scripts {
    fn of_api(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            deletions: Arc::new(script),
            datasources: Arc::new(listing(Vec::new())),
            datamarts: Arc::new(listing(Vec::new())),
            others: Arc::new(|_| Reply::status(404)),
        }
    }

    fn of(&self, request: &Request) -> Script {
        let script = match request.path.as_str() {
            _ if request.is_deletion() => &self.deletions,
            path if path.ends_with("/api/v2/datasource") => &self.datasources,
            path if path.ends_with("/api/v2/data-app/datamarts") => &self.datamarts,
            _ => &self.others,
        };
        script.clone()
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
            let mut request = parsed(&head);
            let length = request.headers.iter().find(|(name, _)| name == "content-length");
            let length = length.map_or(0, |(_, value)| value.parse().unwrap());
            if length > 0 {
                // The last byte of the head as well.
                let mut rest = vec![0; 1 + length];
                wire.read_exact(&mut rest)?;
                request.body = rest.split_off(1);
            }
            self.remember(&mut request);
            let script = lock(&self.scripts).of(&request);
            let reply = script(&request);
            if request.is_of_datamart() && matches!(reply, Reply::Answer { status: 200, .. }) {
                lock(&self.datamarts_gone).insert(request.name.clone());
            }
            if !reply.send(&mut *wire, length == 0, &self.body_bytes)? {
                break;
            }
        }
        Ok(())
    }

    fn remember(&self, request: &mut Request) {
        if request.is_deletion() {
            let mut attempts = lock(&self.attempts);
            let attempt = attempts.entry(format!("{}?{}", request.path, request.name)).or_default();
            *attempt += 1;
            request.attempt = *attempt;
        }
        lock(&self.requests).push(request.clone());
        self.arrival.notify_all();
    }
}

/// Reads a head up to, but without, its very last byte: a server that closes with a byte unread resets the
/// connection. `None` if the client closed in good order.
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

fn parsed(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    // Percent-decoded literally: a plus is a plus.
    let name = query.strip_prefix("datasourceName=").or_else(|| query.strip_prefix("datamartName="));
    let name = name.unwrap_or_default();
    let name = percent_encoding::percent_decode_str(name).decode_utf8().unwrap().into_owned();
    let (path, query) = (path.to_owned(), query.to_owned());
    Request { method, path, query, name, headers, body: Vec::new(), at: Instant::now(), attempt: 0 }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
