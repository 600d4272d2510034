//! A request as an event of the Open Cybersecurity Schema Framework, for a SIEM: class 6003, API
//! Activity, with the activity "Delete".
//!
//! What OCSF has no field for is in `unmapped`, together with the numbers and hashes of the records, which lead from
//! an event back to the log.

use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::domain::{RequestAnswer, RequestOrigin, SentRequest, Timestamp, Verdict};

/// The version of the schema.
pub const OCSF_VERSION: &str = "1.5.0";

/// The path of the endpoint after the base URL.
const PATH: &str = "/api/v2/datasource";

/// The status and severity of an event in OCSF's terms.
struct Status {
    id: u8,
    name: &'static str,
    severity: (u8, &'static str),
}

impl Status {
    /// An attempt in doubt is neither a success nor a failure.
    fn of(answer: Option<&RequestAnswer>) -> Self {
        let verdict = answer
            .and_then(|answer| Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == answer.verdict));
        let (informational, low, medium) = ((1, "Informational"), (2, "Low"), (3, "Medium"));
        match verdict {
            Some(Verdict::Deleted) => Self { id: 1, name: "Success", severity: informational },
            Some(Verdict::Unauthorized) => Self { id: 2, name: "Failure", severity: medium },
            Some(
                Verdict::NotFound
                | Verdict::NotFoundOrInvalid
                | Verdict::InUse
                | Verdict::Rejected
                | Verdict::Throttled
                | Verdict::NotSent,
            ) => Self { id: 2, name: "Failure", severity: low },
            Some(Verdict::ServerError | Verdict::NoAnswer) | None => {
                Self { id: 0, name: "Unknown", severity: low }
            }
        }
    }
}

/// The event of one request.
#[must_use]
pub fn ocsf_event(by: &RequestOrigin, request: &SentRequest) -> Value {
    let answer = request.answer.as_ref();
    let status = Status::of(answer);
    let request_id = by.request_id(request);
    let mut event = json!({
        "activity_id": 4,
        "activity_name": "Delete",
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "type_uid": 600_304,
        "type_name": "API Activity: Delete",
        "severity_id": status.severity.0,
        "severity": status.severity.1,
        "status_id": status.id,
        "status": status.name,
        "status_detail": answer.map_or("no_word", |answer| &answer.verdict),
        "message": message(request),
        "time": millis(request.at),
        "start_time": millis(request.at),
        "timezone_offset": 0,
        "metadata": {
            "version": OCSF_VERSION,
            "product": { "name": "decom", "vendor_name": "decom", "version": by.tool_version },
            "uid": request_id,
            "correlation_uid": by.run_id,
            "sequence": request.record.0,
            "log_name": "decom audit log",
            "original_time": request.at.to_string(),
            "logged_time": millis(request.at),
        },
        "actor": {
            "user": user(by),
            "app_name": "decom",
        },
        "src_endpoint": source(by),
        "resources": [resource(request)],
        "http_request": {
            "http_method": "DELETE",
            "uid": request_id,
            "user_agent": format!("decom/{}", by.tool_version),
            "url": url(by),
        },
        "unmapped": unmapped(by, request),
    });
    let mut api = json!({
        "operation": format!("DELETE {PATH}"),
        "version": "v2",
        "service": { "name": "Databrain" },
        "request": { "uid": request_id },
    });
    if by.rehearsal {
        event["metadata"]["labels"] = json!(["rehearsal"]);
        event["message"] = json!(format!("rehearsal, nothing real: {}", message(request)));
    }
    if let Some(destination) = destination(by) {
        event["dst_endpoint"] = destination;
    }
    if let Some(answer) = answer {
        event["end_time"] = json!(millis(answer.at));
        event["duration"] = json!(millis(answer.at) - millis(request.at));
        if let Some(code) = status_code(answer) {
            event["status_code"] = json!(code);
        }
        if let Some(http_status) = answer.http_status {
            let mut response = json!({ "code": http_status });
            if let Some(latency) = answer.latency_ms {
                response["latency"] = json!(whole(latency));
            }
            event["http_response"] = response;
        }
        api["response"] = response(answer);
    }
    event["api"] = api;
    event
}

/// Who sent it: the operator as stated, and the number of the user that the process ran as.
fn user(by: &RequestOrigin) -> Value {
    let mut user = json!({ "name": by.operator.as_deref().unwrap_or("unknown") });
    if let Some(uid) = by.uid {
        user["uid"] = json!(uid.to_string());
    }
    user
}

/// One sentence for people.
fn message(request: &SentRequest) -> String {
    let SentRequest { name, kind, .. } = request;
    match &request.answer {
        None => format!("the request to delete `{name}` was recorded, and no reply to it"),
        Some(answer) if answer.verdict == "deleted" => format!("deleted the {kind} `{name}`"),
        Some(answer) => match &answer.message {
            Some(text) => format!("the deletion of `{name}` was not confirmed ({}): {text}", answer.verdict),
            None => format!("the deletion of `{name}` was not confirmed ({})", answer.verdict),
        },
    }
}

/// The API's error code if there is one, otherwise the HTTP status.
fn status_code(answer: &RequestAnswer) -> Option<String> {
    answer.error_code.clone().or_else(|| answer.http_status.map(|status| status.to_string()))
}

fn response(answer: &RequestAnswer) -> Value {
    let mut response = Map::new();
    if let Some(status) = answer.http_status {
        response.insert("code".to_owned(), json!(status));
    }
    if let Some(code) = &answer.error_code {
        response.insert("error".to_owned(), json!(code));
    }
    if let Some(text) = &answer.message {
        let key = if answer.verdict == "deleted" { "message" } else { "error_message" };
        response.insert(key.to_owned(), json!(text));
    }
    response.into()
}

fn resource(request: &SentRequest) -> Value {
    let mut resource = json!({ "name": request.name, "type": request.kind.as_str() });
    if let Some(id) = request.answer.as_ref().and_then(|answer| answer.datasource_id.as_ref()) {
        resource["uid"] = json!(id);
    }
    resource
}

/// The machine that decom ran on. `hostname` must be a valid host name.
fn source(by: &RequestOrigin) -> Value {
    let mut source = json!({ "name": by.host });
    if is_hostname(&by.host) {
        source["hostname"] = json!(by.host);
    }
    source
}

/// The API; `None` if the base URL is malformed.
fn destination(by: &RequestOrigin) -> Option<Value> {
    let url = Url::parse(&by.base_url).ok()?;
    let mut destination = json!({ "svc_name": "Databrain API" });
    match url.host()? {
        Host::Domain(name) if is_hostname(name) => destination["hostname"] = json!(name),
        Host::Domain(name) => destination["name"] = json!(name),
        Host::Ipv4(address) => destination["ip"] = json!(address.to_string()),
        Host::Ipv6(address) => destination["ip"] = json!(address.to_string()),
    }
    if let Some(port) = url.port_or_known_default() {
        destination["port"] = json!(port);
    }
    Some(destination)
}

/// The URL without its query, which holds the name: that is in `resources`.
fn url(by: &RequestOrigin) -> Value {
    let base = by.base_url.trim_end_matches('/');
    let mut shown = json!({ "url_string": format!("{base}{PATH}") });
    if let Ok(url) = Url::parse(&format!("{base}{PATH}")) {
        shown["scheme"] = json!(url.scheme());
        shown["path"] = json!(url.path());
        if let Some(Host::Domain(name)) = url.host().filter(|_| url.host_str().is_some_and(is_hostname)) {
            shown["hostname"] = json!(name);
        }
        if let Some(port) = url.port_or_known_default() {
            shown["port"] = json!(port);
        }
    }
    shown
}

fn unmapped(by: &RequestOrigin, request: &SentRequest) -> Value {
    let answer = request.answer.as_ref();
    let (outcome, evidence) = match &request.outcome {
        Some((outcome, evidence)) => (Some(outcome.as_str()), evidence.as_deref()),
        None => (None, None),
    };
    let mut unmapped = json!({
        "log_id": by.log_id,
        "send_record": request.record.0,
        "send_hash": request.record.1,
        "answer_record": answer.map(|answer| answer.record.0),
        "answer_hash": answer.map(|answer| &answer.record.1),
        "target": request.target,
        "attempt": request.attempt,
        "verdict": answer.map(|answer| &answer.verdict),
        "outcome": outcome,
        "evidence": evidence,
        "waited_ms": request.waited_ms,
        "latency_ms": answer.and_then(|answer| answer.latency_ms),
        "reason": request.reason.as_ref().or(by.reason.as_ref()),
        "ticket": request.ticket.as_ref().or(by.ticket.as_ref()),
        "plan_digest": by.plan_digest,
        "approved_by": by.approved_by,
        "token_fingerprint": by.token_fingerprint,
        "operator_is": "as stated",
        "login": by.login,
        "rehearsal": by.rehearsal.then_some(true),
    });
    if let Some(object) = unmapped.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    unmapped
}

/// Returns true if OCSF's stricter versions accept this as a host name.
fn is_hostname(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.split('.').all(label)
}

const fn millis(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1000)
}

#[expect(clippy::cast_possible_truncation, reason = "the nearest integer is meant")]
fn whole(millis: f64) -> i64 {
    millis.round() as i64
}
