//! Decides each request: rate limit, authentication, endpoint, fault.
//!
//! A request is decided and takes effect at once, under one lock; then comes the latency, then the reply. A client
//! that stops waiting, or is killed meanwhile, leaves a deletion that was done, as with the real service.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use hyper::body::{Body, Bytes};

use super::chance::{Chance, DrawPurpose};
use super::creation::{Creation, NotCreated};
use super::faults::{Family, FaultKind, Faults};
use super::inventory::{Inventory, Listing, NO_DATASOURCE, NameState, PAGE};
use super::limiter::Limiter;
use super::query::{creates, deletable, listed, name_to_delete, page_number, parameter, values};
use super::replies::{self, ConnectionCut, Reply};
use super::request_log::{Effect, LoggedRequest, RequestLog, unix_micros};
use super::state::{SharedState, State};
use super::{EmulatorError, EmulatorOptions, Tally};
use crate::domain::{ResourceKind, lock};

const REQUEST_ID: &str = "x-request-id";
/// How much longer a slow reply takes: this many latencies, and no less than the minimum.
const SLOW_LATENCIES: u32 = 20;
const SLOW_MINIMUM: Duration = Duration::from_millis(200);
/// The longest body of a request, in bytes.
const LONGEST_BODY: usize = 1024 * 1024;
/// The `Retry-After` of replies that are faults, in seconds.
const RETRY_AFTER: u64 = 1;

/// The emulated service, shared by all connections.
#[derive(Debug)]
pub(super) struct Service {
    /// The only accepted `Authorization` header.
    credentials: String,
    in_workspaces: HashSet<String>,
    faults: Faults,
    chance: Chance,
    latency: Duration,
    pub(super) state: Arc<SharedState>,
}

/// What happens with a request. Without a reply the connection is cut.
struct Decision {
    reply: Option<Reply>,
    effect: Effect,
    wait: Duration,
}

impl Decision {
    /// Replies without an effect.
    fn reply(reply: Reply) -> Self {
        Self { reply: Some(reply), effect: Effect::Nothing, wait: Duration::ZERO }
    }
}

impl Service {
    pub(super) fn new(options: EmulatorOptions) -> Result<Self, EmulatorError> {
        let chance = Chance { seed: options.seed };
        let open = |path: PathBuf| {
            RequestLog::open(&path).map_err(|source| EmulatorError::RequestLog { path, source })
        };
        let generation = options.header_generation;
        let state = State {
            log: options.request_log.map(open).transpose()?,
            inventory: Inventory::new(options.datasources, options.datamarts, &options.faults, chance),
            tally: Tally::default(),
            limiter: options.limit.map(|limit| Limiter::new(limit, generation)),
            faulty_requests: [HashMap::new(), HashMap::new()],
            pages: 0,
            datamarts_listed: false,
        };
        Ok(Self {
            credentials: format!("Bearer {}", options.token),
            in_workspaces: options.in_workspaces,
            faults: options.faults,
            chance,
            latency: options.latency,
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// Serves one request. An error makes the server close the connection without a reply.
    pub(super) async fn serve<B>(self: Arc<Self>, request: Request<B>) -> Result<Reply, ConnectionCut>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        // Nothing else has a body that counts.
        let body = if head.method == Method::POST { read_whole(body).await? } else { Vec::new() };
        let Decision { reply, wait, .. } = self.decide(&Request::from_parts(head, body));
        let wait = self.latency.saturating_add(wait);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        reply.ok_or(ConnectionCut)
    }

    fn decide(&self, request: &Request<Vec<u8>>) -> Decision {
        let wall = SystemTime::now();
        let state = &mut *lock(&self.state);
        state.tally.requests += 1;
        let admission = state.limiter.as_mut().map(|limiter| limiter.admit(Instant::now(), wall));

        let refused = admission.filter(|admission| admission.refused);
        let mut decision = if let Some(admission) = refused {
            state.tally.throttled += 1;
            Decision::reply(replies::with_retry_after(replies::throttled(), admission.reset_seconds))
        } else {
            self.handle(state, request)
        };

        if request.method() == Method::DELETE
            && let Some(log) = &mut state.log
        {
            let kind = deletable(request.uri().path()).unwrap_or(ResourceKind::Datasource);
            let name = name_to_delete(kind, request.uri().query());
            let logged = LoggedRequest {
                at: unix_micros(wall),
                request_id: header(request, REQUEST_ID),
                kind: kind.as_str(),
                name: name.as_deref(),
                did: decision.effect,
                status: decision.reply.as_ref().map(|reply| reply.status().as_u16()),
            };
            // A log with gaps would prove nothing.
            if log.append(&logged).is_err() {
                decision.reply = None;
            }
        }
        if let (Some(limiter), Some(admission), Some(reply)) =
            (&state.limiter, admission, &mut decision.reply)
        {
            limiter.write_headers(admission, reply.headers_mut());
        }
        decision
    }

    fn handle(&self, state: &mut State, request: &Request<Vec<u8>>) -> Decision {
        let path = request.uri().path();
        let (listing, deletes) = match *request.method() {
            Method::GET => (listed(path), None),
            Method::DELETE => (None, deletable(path)),
            _ => (None, None),
        };
        let creates = *request.method() == Method::POST && creates(path);
        if listing.is_none() && deletes.is_none() && !creates {
            return Decision::reply(replies::no_such_endpoint());
        }
        if header(request, AUTHORIZATION.as_str()) != Some(&self.credentials) {
            return Decision::reply(replies::unauthenticated());
        }
        if creates {
            return Decision::reply(create(state, request.body()));
        }
        let query = request.uri().query();
        if let Some(listing) = listing {
            return Decision::reply(self.list(state, listing, query));
        }
        let kind = deletes.unwrap_or(ResourceKind::Datasource);
        match name_to_delete(kind, query) {
            None => Decision::reply(replies::invalid(&format!("{} is required", parameter(kind)))),
            Some(name) => self.delete_with_faults(state, kind, &name),
        }
    }

    fn list(&self, state: &mut State, listing: Listing, query: Option<&str>) -> Reply {
        let begins = page_number(query).is_none_or(|page| page == 1);
        if listing == Listing::Datamarts && begins && std::mem::replace(&mut state.datamarts_listed, true) {
            // At the second reading: the first one is read to its end.
            state.inventory.change_datamarts();
        }
        match values(query, "isPagination").as_slice() {
            [] if self.faults.has_any(Family::Page) => replies::invalid("isPagination must be true"),
            [] => replies::listing(Arc::clone(&self.state), listing),
            [no] if no == "false" => replies::listing(Arc::clone(&self.state), listing),
            [yes] if yes == "true" => match page_number(query) {
                None => replies::invalid("pageNumber must be a number from 1"),
                Some(page) => {
                    let first = self.first_of_page(state, page);
                    let mut body = Listing::OPENING.to_vec();
                    if let Some(from) = state.inventory.position(listing, first) {
                        state
                            .inventory
                            .list(listing, from, &mut false, &mut body, |entries, _| entries < PAGE);
                    }
                    body.extend_from_slice(listing.closing());
                    replies::page(body)
                }
            },
            _ => replies::invalid("isPagination must be true or false"),
        }
    }

    /// The index of the first entry of a page, which a fault moves by one.
    fn first_of_page(&self, state: &mut State, page: usize) -> usize {
        let first = (page - 1).saturating_mul(PAGE);
        if first == 0 || !self.faults.has_any(Family::Page) {
            return first;
        }
        let draw = self.chance.draw(DrawPurpose::PageFault, "", state.pages);
        state.pages += 1;
        let Some(fault) = self.faults.of_draw(Family::Page, draw) else { return first };
        state.count(fault);
        if draw.is_multiple_of(2) { first + 1 } else { first - 1 }
    }

    fn delete_with_faults(&self, state: &mut State, kind: ResourceKind, name: &str) -> Decision {
        let Some((fault, draw)) = self.next_fault(state, kind, name) else {
            return self.delete(state, kind, name);
        };
        state.count(fault);
        if let Some(decision) = fault_before(fault, draw) {
            return decision;
        }
        let deletable =
            kind == ResourceKind::Datamart || matches!(state.inventory.state(name), NameState::Free(_));
        if fault == FaultKind::Http200Error && deletable {
            return Decision::reply(replies::with_status(replies::server_error(), StatusCode::OK));
        }
        let mut decision = self.delete(state, kind, name);
        let deleted = decision.effect == Effect::Deleted;
        decision.reply = match fault {
            FaultKind::Drop | FaultKind::DropAfter => None,
            FaultKind::Http500After => Some(replies::server_error()),
            FaultKind::Empty if deleted => Some(replies::empty(StatusCode::OK)),
            FaultKind::Http204 if deleted => Some(replies::empty(StatusCode::NO_CONTENT)),
            FaultKind::Http200Error => {
                decision.reply.map(|reply| replies::with_status(reply, StatusCode::OK))
            }
            FaultKind::Truncate => decision.reply.map(replies::cut_short),
            FaultKind::Gzip => decision.reply.map(replies::compressed),
            _ => decision.reply,
        };
        if fault == FaultKind::Slow {
            decision.wait = self.latency.saturating_mul(SLOW_LATENCIES).max(SLOW_MINIMUM);
        }
        decision
    }

    /// The fault of this request for `name` with its draw, if there is one.
    fn next_fault(&self, state: &mut State, kind: ResourceKind, name: &str) -> Option<(FaultKind, u64)> {
        if !self.faults.has_any(Family::Request) {
            return None;
        }
        let faulty_requests = &mut state.faulty_requests[kind as usize];
        let earlier = faulty_requests.get(name).copied().unwrap_or_default();
        let purpose = match kind {
            ResourceKind::Datasource => DrawPurpose::RequestFault,
            ResourceKind::Datamart => DrawPurpose::DatamartFault,
        };
        let draw = self.chance.draw(purpose, name, earlier);
        let fault = self.faults.of_draw(Family::Request, draw);
        if fault.is_some() {
            // Also if the reply is slow or compressed, because the client may not have understood it.
            faulty_requests.insert(Box::from(name), earlier.saturating_add(1));
        } else {
            faulty_requests.remove(name);
        }
        Some((fault?, draw))
    }

    fn delete(&self, state: &mut State, kind: ResourceKind, name: &str) -> Decision {
        if kind == ResourceKind::Datamart {
            if !state.inventory.delete_datamart(name) {
                return Decision::reply(replies::no_such_datamart());
            }
            state.tally.datamart_deletions += 1;
            return Decision { effect: Effect::Deleted, ..Decision::reply(replies::datamart_deleted(name)) };
        }
        match state.inventory.state(name) {
            NameState::Free(_) if self.in_workspaces.contains(name) => Decision::reply(replies::in_use()),
            NameState::Free(at) => {
                state.inventory.delete(at);
                state.tally.deletions += 1;
                let reply = replies::deleted(&self.chance.uuid(name));
                Decision { effect: Effect::Deleted, ..Decision::reply(reply) }
            }
            NameState::InUse => {
                state.count(FaultKind::InUse);
                Decision::reply(replies::in_use())
            }
            NameState::Bound => {
                state.count(FaultKind::Workspace);
                Decision::reply(replies::in_use())
            }
            NameState::Missing => {
                state.count(FaultKind::Missing);
                Decision::reply(replies::no_such_datasource())
            }
            NameState::Absent => Decision::reply(replies::no_such_datasource()),
        }
    }
}

/// Creates a datamart.
fn create(state: &mut State, body: &[u8]) -> Reply {
    let creation = match Creation::read(body) {
        Ok(creation) => creation,
        Err(NotCreated::Malformed(why)) => return replies::invalid(why),
        Err(NotCreated::Tenancy) => return replies::invalid_tenancy(),
    };
    match state.inventory.create_datamart(&creation) {
        Ok(()) => replies::datamart_created(&creation.name),
        Err(NO_DATASOURCE) => replies::invalid_datasource(NO_DATASOURCE),
        Err(why) => replies::invalid(why),
    }
}

/// Reads a body; one that is longer than any request's cuts the connection.
async fn read_whole<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<Vec<u8>, ConnectionCut> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| ConnectionCut)?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if bytes.len() > LONGEST_BODY {
            return Err(ConnectionCut);
        }
    }
    Ok(bytes)
}

/// The decision of a fault that keeps the deletion from being done.
fn fault_before(fault: FaultKind, draw: u64) -> Option<Decision> {
    let reply = match fault {
        FaultKind::Http500 => Some(replies::server_error()),
        FaultKind::Http502Html => Some(replies::bad_gateway()),
        FaultKind::Http503 => Some(replies::unavailable()),
        FaultKind::Http503Retry => Some(replies::with_retry_after(replies::unavailable(), RETRY_AFTER)),
        FaultKind::Throttle => Some(replies::with_retry_after(replies::throttled(), RETRY_AFTER)),
        FaultKind::LoginPage => Some(replies::login_page()),
        FaultKind::DropBefore => None,
        FaultKind::Drop if draw.is_multiple_of(2) => None,
        _ => return None,
    };
    Some(Decision { reply, effect: Effect::Nothing, wait: Duration::ZERO })
}

fn header<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}
