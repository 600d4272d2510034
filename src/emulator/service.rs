//! What happens with a request: rate limit, authentication, endpoint, fault.
//!
//! A request is decided and takes effect at once, under one lock; then comes the latency, then the
//! answer. A client that gives up waiting, or is killed meanwhile, leaves a deletion behind that was
//! done, just as with the real service.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{AUTHORIZATION, HeaderMap};
use http::{Method, Request, Response};
use url::form_urlencoded;

use super::answers::{Answer, AnswerBody, Cut};
use super::estate::{Catalog, Estate, PAGE, Standing};
use super::faults::{FaultKind, Faults};
use super::limiter::Limiter;
use super::lots::{Lots, Purpose};
use super::request_log::{Did, Entry, RequestLog, unix_micros};
use super::state::{SharedState, State};
use super::{EmulatorError, EmulatorOptions, Tally};

const DATASOURCES: &str = "/api/v2/datasource";
const DATAMARTS: &str = "/api/v2/data-app/datamarts";
const REQUEST_ID: &str = "x-request-id";
/// What a slow answer takes longer, in latencies, and at least.
const SLOWER: u32 = 20;
const SLOW_AT_LEAST: Duration = Duration::from_millis(200);
const SPURIOUS_RETRY_AFTER_SECONDS: u64 = 1;

/// The emulated service, shared by all connections.
#[derive(Debug)]
pub(super) struct Service {
    /// The `Authorization` header of a client that may come in.
    credentials: String,
    faults: Faults,
    lots: Lots,
    latency: Duration,
    pub(super) state: Arc<SharedState>,
}

/// What is to become of a request: `None` in place of an answer cuts the connection.
struct Decision {
    answer: Option<Answer>,
    wait: Duration,
    did: Did,
}

impl Decision {
    fn untouched(answer: Answer) -> Self {
        Self { answer: Some(answer), wait: Duration::ZERO, did: Did::Nothing }
    }
}

impl Service {
    pub(super) fn new(options: EmulatorOptions) -> Result<Self, EmulatorError> {
        let lots = Lots::new(options.seed);
        let log = match options.request_log {
            None => None,
            Some(path) => {
                Some(RequestLog::open(&path).map_err(|source| EmulatorError::RequestLog { path, source })?)
            }
        };
        let generation = options.header_generation;
        let state = State {
            estate: Estate::new(options.datasources, &options.faults, lots),
            tally: Tally::default(),
            limiter: options.limit.map(|limit| Limiter::new(limit, generation)),
            log,
            asked: HashMap::new(),
        };
        Ok(Self {
            credentials: format!("Bearer {}", options.token),
            faults: options.faults,
            lots,
            latency: options.latency,
            state: Arc::new(SharedState::new(state)),
        })
    }

    /// Serves one request. An error tells the server to close the connection without an answer.
    pub(super) async fn serve<B>(self: Arc<Self>, request: Request<B>) -> Result<Response<AnswerBody>, Cut> {
        let (response, wait) = self.decide(&request);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        response.ok_or(Cut)
    }

    fn decide<B>(&self, request: &Request<B>) -> (Option<Response<AnswerBody>>, Duration) {
        let wall = SystemTime::now();
        let state = &mut *self.state.lock();
        state.tally.requests += 1;
        let admission = state.limiter.as_mut().map(|limiter| limiter.admit(Instant::now(), wall));

        let refused = admission.filter(|admission| admission.refused);
        let decision = if let Some(admission) = refused {
            state.tally.throttled += 1;
            Decision::untouched(Answer::throttled(admission.reset_seconds))
        } else {
            self.act(state, request)
        };

        let Decision { mut answer, wait, did } = decision;
        if request.method() == Method::DELETE
            && let Some(log) = &mut state.log
        {
            let name = datasource_name(request.uri().query());
            let entry = Entry {
                at: unix_micros(wall),
                request_id: text(request.headers(), REQUEST_ID),
                name: name.as_deref(),
                did,
                status: answer.as_ref().map(|answer| answer.status.as_u16()),
            };
            // What cannot be logged is not answered: an account with gaps would prove nothing.
            if log.append(&entry).is_err() {
                answer = None;
            }
        }
        let response = answer.map(|answer| {
            let mut response = answer.into_response();
            if let (Some(limiter), Some(admission)) = (&state.limiter, admission) {
                limiter.announce(admission, response.headers_mut());
            }
            response
        });
        (response, self.latency.saturating_add(wait))
    }

    fn act<B>(&self, state: &mut State, request: &Request<B>) -> Decision {
        let catalog = match (request.method(), request.uri().path()) {
            (&Method::DELETE | &Method::GET, DATASOURCES) => Catalog::Datasources,
            (&Method::GET, DATAMARTS) => Catalog::Datamarts,
            _ => return Decision::untouched(Answer::no_such_endpoint()),
        };
        if text(request.headers(), AUTHORIZATION.as_str()) != Some(&self.credentials) {
            return Decision::untouched(Answer::unauthenticated());
        }
        let query = request.uri().query();
        if request.method() == Method::GET {
            return Decision::untouched(self.listing(state, catalog, query));
        }
        match datasource_name(query) {
            None => Decision::untouched(Answer::invalid("datasourceName is required")),
            Some(name) => self.delete_with_faults(state, &name),
        }
    }

    fn listing(&self, state: &State, catalog: Catalog, query: Option<&str>) -> Answer {
        match parameter(query, "isPagination").as_deref() {
            Parameter::Absent | Parameter::Once("false") => Answer::listing(Arc::clone(&self.state), catalog),
            Parameter::Once("true") => match page_number(query) {
                None => Answer::invalid("pageNumber must be a number from 1"),
                Some(page) => {
                    let mut body = Catalog::OPENING.to_vec();
                    if let Some(begin) = state.estate.page_begin(catalog, page) {
                        state.estate.list(catalog, begin, &mut false, &mut body, |entries, _| entries < PAGE);
                    }
                    body.extend_from_slice(catalog.closing());
                    Answer::page(body)
                }
            },
            _ => Answer::invalid("isPagination must be true or false"),
        }
    }

    fn delete_with_faults(&self, state: &mut State, name: &str) -> Decision {
        let Some((fault, lot)) = self.next_fault(state, name) else {
            let (answer, did) = self.delete(state, name);
            return Decision { answer: Some(answer), wait: Duration::ZERO, did };
        };
        *state.tally.faults.entry(fault).or_default() += 1;
        let before = match fault {
            FaultKind::Http500 => Some(Some(Answer::server_error())),
            FaultKind::Http502Html => Some(Some(Answer::bad_gateway())),
            FaultKind::Http503 => Some(Some(Answer::unavailable())),
            FaultKind::Throttle => Some(Some(Answer::throttled(SPURIOUS_RETRY_AFTER_SECONDS))),
            FaultKind::DropBefore => Some(None),
            FaultKind::Drop if lot % 2 == 0 => Some(None),
            _ => None,
        };
        if let Some(answer) = before {
            return Decision { answer, wait: Duration::ZERO, did: Did::Nothing };
        }
        let (right, did) = self.delete(state, name);
        let (answer, wait) = match fault {
            FaultKind::Http500After => (Some(Answer::server_error()), Duration::ZERO),
            FaultKind::Drop | FaultKind::DropAfter => (None, Duration::ZERO),
            FaultKind::Truncate => (Some(right.cut_short()), Duration::ZERO),
            FaultKind::Slow => (Some(right), self.latency.saturating_mul(SLOWER).max(SLOW_AT_LEAST)),
            _ => (Some(right), Duration::ZERO),
        };
        Decision { answer, wait, did }
    }

    /// The fault of this request for `name`, with the lot that drew it; `None` is a clear answer.
    fn next_fault(&self, state: &mut State, name: &str) -> Option<(FaultKind, u64)> {
        if !self.faults.has_any(false) {
            return None;
        }
        let asked = state.asked.get(name).copied().unwrap_or_default();
        let lot = self.lots.lot(Purpose::Fault, name, asked);
        let fault = self.faults.drawn(false, lot);
        if fault.is_some() {
            // A slow answer counts among the unclear ones, because the client may not have waited.
            state.asked.insert(Box::from(name), asked.saturating_add(1));
        } else {
            state.asked.remove(name);
        }
        Some((fault?, lot))
    }

    fn delete(&self, state: &mut State, name: &str) -> (Answer, Did) {
        let mut count = |fault| *state.tally.faults.entry(fault).or_default() += 1;
        match state.estate.standing(name) {
            Standing::Free(at) => {
                state.estate.delete(at);
                state.tally.deletions += 1;
                (Answer::deleted(&self.lots.uuid(name)), Did::Deleted)
            }
            Standing::InUse => {
                count(FaultKind::InUse);
                (Answer::in_use(), Did::Nothing)
            }
            Standing::Missing => {
                count(FaultKind::Missing);
                (Answer::no_such_datasource(), Did::Nothing)
            }
            Standing::Absent => (Answer::no_such_datasource(), Did::Nothing),
        }
    }
}

/// A parameter of a query, decoded once, with `+` for a space as Express decodes it.
enum Parameter<T> {
    Absent,
    Once(T),
    /// Express makes an array of it, which no endpoint takes.
    Repeated,
}

impl Parameter<Cow<'_, str>> {
    fn as_deref(&self) -> Parameter<&str> {
        match self {
            Self::Absent => Parameter::Absent,
            Self::Once(value) => Parameter::Once(value),
            Self::Repeated => Parameter::Repeated,
        }
    }
}

fn parameter<'a>(query: Option<&'a str>, key: &str) -> Parameter<Cow<'a, str>> {
    let mut values = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).filter(|(k, _)| k == key);
    match (values.next(), values.next()) {
        (None, _) => Parameter::Absent,
        (Some((_, value)), None) => Parameter::Once(value),
        _ => Parameter::Repeated,
    }
}

fn datasource_name(query: Option<&str>) -> Option<Cow<'_, str>> {
    match parameter(query, "datasourceName") {
        Parameter::Once(name) if !name.is_empty() => Some(name),
        _ => None,
    }
}

fn page_number(query: Option<&str>) -> Option<usize> {
    match parameter(query, "pageNumber") {
        Parameter::Once(number) if number.bytes().all(|b| b.is_ascii_digit()) => {
            number.parse().ok().filter(|page| *page > 0)
        }
        _ => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
