//! The JSON Schemas of `decom show --json` and `decom report --from --json`, as in `schemas.rs`.
#![expect(dead_code, reason = "the fields are there to be read into")]
#![expect(clippy::struct_field_names, reason = "they are called as in the output")]

use schemars::JsonSchema;
use serde::Deserialize;

use crate::schemas::{Detail, documented, read};
use crate::support::{Sandbox, Server};

/// `decom show NAME --json`: all that the logs hold of one name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Show {
    name: String,
    /// The ids of the logs that were read, the oldest first.
    logs: Vec<String>,
    /// The closed logs that are named, and were not at hand: what they hold is not here.
    missing_logs: Vec<MissingLog>,
    /// Each resource of this name, and each datamart that a run took along for it.
    resources: Vec<Resource>,
    /// What each run did.
    results: Vec<Account>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MissingLog {
    log_id: String,
    records: u64,
    /// The hash of its last record.
    head: String,
    /// Where it was put.
    file: String,
    why: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Resource {
    kind: String,
    name: String,
    dependant_of: Option<String>,
    base_url: String,
    /// Nothing real was deleted.
    rehearsal: bool,
    /// What became of it over all runs.
    standing: Standing,
    /// The run that decided that.
    run_id: String,
    at: Option<String>,
}

#[derive(Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Deleted,
    DeletedUnconfirmed,
    NotFound,
    ExistsAgain,
    NotDeleted,
    Unclear,
}

/// The columns of the view `results`, what is said of the run, who asked for it, and each record.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Account {
    run_id: String,
    target: u64,
    datasource: Option<String>,
    name: String,
    kind: String,
    dependant_of: Option<String>,
    outcome: String,
    attempts: u32,
    http_status: Option<u16>,
    error_code: Option<String>,
    message: Option<String>,
    datasource_id: Option<String>,
    evidence: Option<String>,
    detail: Option<Detail>,
    first_attempt_at: Option<String>,
    finished_at: Option<String>,
    target_reason: Option<String>,
    target_ticket: Option<String>,
    message_id: Option<String>,
    log_id: String,
    run_started_at: String,
    run_status: String,
    base_url: String,
    /// The operator, as stated.
    operator: Option<String>,
    /// Of the whole run, as the ticket.
    reason: Option<String>,
    ticket: Option<String>,
    plan_digest: Option<String>,
    approved_by: Option<String>,
    retry_of: Option<String>,
    rehearsal: bool,
    customer: Option<String>,
    requested_at: Option<String>,
    /// From date to date, in UTC; null if it was not deleted, or the date is not known.
    days_from_request: Option<i64>,
    requests: Vec<SentRequest>,
    listings: Vec<Listing>,
    records: Vec<Record>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SentRequest {
    attempt: u32,
    /// Sent as `X-Request-Id`.
    request_id: String,
    sent_at: String,
    /// Null, as the verdict, if the process ended before there was a reply.
    replied_at: Option<String>,
    verdict: Option<String>,
    http_status: Option<u16>,
}

/// A reading of the listing after it was deleted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listing {
    at: String,
    still_listed: bool,
}

/// A record of the log that this was read from.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Record {
    seq: u64,
    kind: String,
    at: String,
    hash: String,
}

/// `decom report --from --to --json`: what got its outcome in a period.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PeriodReport {
    period: Period,
    counts: PeriodCounts,
    population: Population,
    /// The logs that were read, the oldest first.
    logs: Vec<Log>,
    missing_logs: Vec<MissingLog>,
    /// What is missing, or may be; empty if nothing is.
    gaps: Vec<String>,
    not_covered: Vec<String>,
    /// There is nothing but rehearsals: nothing real was deleted.
    rehearsal: bool,
    sample: Option<Sample>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Period {
    from: String,
    to: String,
    begins_at: String,
    ends_before: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PeriodCounts {
    targets: u64,
    /// Confirmed or not.
    deleted: u64,
    still_listed: u64,
    by_outcome: std::collections::BTreeMap<String, u64>,
    by_month: Vec<Group>,
    by_operator: Vec<Group>,
    by_ticket: Vec<Group>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    value: Option<String>,
    targets: u64,
    deleted: u64,
}

/// The CSV file with every target of the period.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Population {
    sha256: String,
    bytes: u64,
    /// The command that writes it.
    command: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Log {
    log_id: String,
    records: u64,
    /// The hash of its last record.
    head: String,
    begun_at: String,
    last_record_at: String,
    file: String,
    /// How many records a checkpoint confirms whose signature was checked; null if there is none.
    checked_up_to: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sample {
    seed: u64,
    wanted: u64,
    /// In the order in which they are drawn.
    targets: Vec<Account>,
}

#[test]
fn the_files_are_those_of_the_types() {
    documented::<Show>("show.json");
    documented::<PeriodReport>("period.json");
}

#[test]
fn what_is_printed_is_of_these_types() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    server.list(&["other"]);
    sandbox.file("names.csv", "name,customer,requested_at\nacme,Acme Ltd,2026-11-01\n");
    sandbox.run(&server, &["run", "names.csv"]).expect(0);
    sandbox.decom(&["audit", "rotate", "--quiet", "--out", "closed.db"]).run().expect(0);
    sandbox.file("names.csv", "name\nacme\n");
    sandbox.run(&server, &["run", "names.csv"]).expect(0);
    std::fs::remove_file(sandbox.path("closed.db")).unwrap();
    let shown: Show = read(&sandbox.decom(&["show", "acme", "--json"]).run().expect(0).stdout);
    assert!(shown.resources[0].standing == Standing::Deleted && shown.missing_logs.len() == 1);
    let wide =
        ["report", "--from", "2020-01-01", "--to", "2099-12-31", "--json", "--sample", "1", "--seed", "1"];
    let period: PeriodReport = read(&sandbox.decom(&wide).run().expect(0).stdout);
    assert_eq!((period.counts.targets, period.sample.unwrap().targets.len()), (1, 1));
    assert_eq!((shown.results[0].requests.len(), shown.results[0].listings.len()), (1, 1));
}
