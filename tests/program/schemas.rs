//! The JSON Schemas in `docs/schemas`: made of the types below, which real output is read into without a field left
//! over. With `UPDATE_SCHEMAS=1` the files are written again.
#![expect(dead_code, reason = "the fields are there to be read into")]
#![expect(clippy::struct_field_names, reason = "they are called as in the output")]

use std::path::Path;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::support::{Estate, Reply, Sandbox, Server};

/// `--json` of a command that could not do what it was asked for, or that a guard refused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Error {
    error: ErrorDetail,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ErrorDetail {
    message: String,
    /// The exit code of the process.
    exit_code: u8,
}

/// `decom plan --json`, and `--dry-run --json` of a command that deletes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Plan {
    dry_run: bool,
    /// The host of the API.
    host: String,
    /// The number of distinct names.
    targets: u64,
    repeated_rows: u64,
    repeated_names: Vec<String>,
    /// The digest of the saved plan that would be carried out.
    plan_digest: Option<String>,
    approved_by: Option<String>,
    /// The number of names that would be sent.
    due: u64,
    share: Option<Share>,
    /// All names that would be sent; null if only `decom plan` lists them.
    to_delete: Option<Vec<String>>,
    /// What the listing shows; null if it was not read.
    listing: Option<Listing>,
    protected: Vec<Named>,
    /// Names that must not be deleted for now.
    on_hold: Vec<Named>,
    already_deleted: Vec<Named>,
    exists_again: Vec<Named>,
    /// Names that are skipped because of a datamart.
    kept: Vec<Named>,
    /// The datamarts that go along, and those that stay; null without `--with-datamarts`.
    datamarts: Option<Groups>,
    guards: Vec<Guard>,
    /// False if a guard would refuse the run.
    /// What is out of the ordinary about the way to the API.
    unusual: Vec<String>,
    would_start: bool,
    /// About how long a run would take, for people.
    time: Option<String>,
    seconds: Option<f64>,
    rate: Option<String>,
}

/// The datamarts that are deleted before the datasources that they read.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Groups {
    /// The number of all datamarts; null if it is unknown.
    exist: Option<u64>,
    /// The number of datamarts that would be sent.
    due: u64,
    /// The number of their tables.
    tables: u64,
    /// The number of their columns.
    columns: u64,
    /// All of them with `decom plan`; otherwise the first few.
    groups: Vec<Group>,
    /// The number of datamarts that stay, as their datasources are skipped.
    staying: u64,
    stay: Vec<Group>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    datasource: String,
    datamarts: Vec<Datamart>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Datamart {
    name: String,
    tables: u64,
    columns: u64,
    /// As the API writes it.
    tenancy: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Share {
    shard: String,
    due: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// The number of all datasources.
    all: u64,
    /// The number of names that exist, of those that would be sent.
    exist: u64,
    missing: Vec<Missing>,
    /// Null if the datamarts could not be read.
    in_use: Option<Vec<InUse>>,
    /// The names that probably serve several customers.
    shared: Vec<Shared>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shared {
    name: String,
    /// The datamart that shows it.
    shared_by: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Missing {
    name: String,
    /// Names that exist and are like it.
    near: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InUse {
    name: String,
    used_by: Vec<String>,
    /// The tenancy level of each of these datamarts, as the API writes it.
    tenancy: Vec<Option<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    why: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Guard {
    /// The guard and its limit, for people.
    guard: String,
    /// As its setting is called.
    name: String,
    limit: f64,
    /// Null if it could not be checked.
    holds: Option<bool>,
    why: Option<String>,
}

/// `decom report --json`: a run and all its results.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Report {
    run: Run,
    results: Vec<TargetResult>,
}

/// `--json` of `run`, `resume`, `retry`, `rehearse` and, for each of its runs, `work`: the end of a run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunEnd {
    run: Run,
    /// Why it ended early.
    stopped: Option<String>,
    /// Names that were deleted and are still listed.
    still_listed: Vec<String>,
    not_deleted: Vec<TargetResult>,
    /// Commands to continue with.
    next: Vec<Next>,
    notes: Vec<String>,
    /// The file of the definitions of the datamarts, if any were taken along.
    #[serde(default)]
    definitions: Option<Definitions>,
    /// Of a run that took its names from a queue: the number of malformed messages.
    #[serde(default)]
    refused_messages: Option<u64>,
    /// And the number of those that are known to be on the dead-letter queue.
    #[serde(default)]
    dead_letters: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Definitions {
    /// Its path, from the folder of the audit log.
    file: String,
    sha256: String,
    entries: u64,
    /// The number of entries that were found to be lost when the run was resumed.
    lost: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Next {
    what: String,
    command: String,
}

/// The columns of the view `runs`; see docs/audit-log.md.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Run {
    run_id: String,
    started_at: String,
    finished_at: Option<String>,
    status: String,
    input: String,
    input_sha256: Option<String>,
    planned: u64,
    deleted: u64,
    deleted_unconfirmed: u64,
    not_found: u64,
    in_use: u64,
    rejected: u64,
    failed: u64,
    unknown: u64,
    skipped: u64,
    pending: u64,
    operator: Option<String>,
    reason: Option<String>,
    ticket: Option<String>,
    base_url: String,
    tool_version: String,
    host: String,
    exit_code: Option<i64>,
    plan_digest: Option<String>,
    approved_by: Option<String>,
    retry_of: Option<String>,
    rate: Option<String>,
    /// Everything was sent to the embedded emulator.
    rehearsal: bool,
}

/// The columns of the view `results`; see docs/audit-log.md.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TargetResult {
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
    /// The reason of a skip, or the names of the datamarts that read a datasource in use.
    detail: Option<Detail>,
    first_attempt_at: Option<String>,
    finished_at: Option<String>,
    target_reason: Option<String>,
    target_ticket: Option<String>,
    message_id: Option<String>,
    rehearsal: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Detail {
    Reason(String),
    Dependants(Vec<String>),
}

/// `decom list --json`: the datasources that exist.
#[derive(Deserialize, JsonSchema)]
struct List(Vec<Datasource>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Datasource {
    name: String,
    /// The datamarts that read it; null if they could not be read.
    datamarts: Option<Vec<String>>,
}

/// `decom check --json`: what a run needs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Check {
    ok: bool,
    /// The exit code of the process: that of the gravest finding.
    exit_code: u8,
    checks: Vec<Finding>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Finding {
    check: String,
    status: Status,
    message: String,
    exit_code: u8,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failed,
    Skipped,
}

/// Compares the schema of `T` with its file.
#[track_caller]
pub fn documented<T: JsonSchema>(file: &str) {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
    let schema = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas").join(file);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, schema, "docs/schemas/{file} is out of date; run this test with UPDATE_SCHEMAS=1");
}

/// Reads what was printed, of which no field may be left over.
#[track_caller]
pub fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_files_are_those_of_the_types() {
    documented::<Error>("error.json");
    documented::<Plan>("plan.json");
    documented::<Report>("report.json");
    documented::<RunEnd>("run.json");
    documented::<List>("list.json");
    documented::<Check>("check.json");
}

#[test]
fn what_is_printed_is_of_these_types() {
    let estate = Estate::of(&["acme", "globex", "prod-1", "other", "more", "rest"]);
    estate.sandbox.names("names.csv", &["acme", "globex", "prod-1", "nowhere"]);
    let flags = ["--json", "--protect", "prod-*", "--max-share", "100"];
    let decom = |command: &[&str], code| estate.decom(&[command, &flags].concat()).run().expect(code).stdout;
    let plan: Plan = read(&decom(&["plan", "names.csv"], 0));
    assert_eq!((plan.due, plan.guards.len()), (3, 1));
    let dry: Plan = read(&decom(&["run", "names.csv", "--dry-run"], 0));
    assert!(dry.to_delete.is_none());
    let refused: Plan = read(&decom(&["plan", "names.csv", "--max-deletes", "1"], 3));
    assert!(!refused.would_start);
    let refused: Error = read(&decom(&["run", "names.csv", "--yes", "--max-deletes", "1"], 3));
    assert_eq!(refused.error.exit_code, 3);
    let unconfirmed: Error = read(&decom(&["run", "names.csv"], 3));
    assert!(unconfirmed.error.message.contains("--yes"), "{}", unconfirmed.error.message);
    let ended: RunEnd = read(&decom(&["run", "names.csv", "--yes"], 1));
    assert_eq!((ended.run.deleted, ended.not_deleted.len()), (2, 2));
    let report: Report = read(&estate.sandbox.decom(&["report", "--json"]).run().expect(0).stdout);
    assert_eq!(report.results.len(), 4);
    let _: Vec<Run> = read(&estate.sandbox.decom(&["runs", "--json"]).run().expect(0).stdout);
    let list: List = read(&estate.decom(&["list", "--json"]).run().expect(0).stdout);
    assert_eq!(list.0.len(), 4);
    let check: Check = read(&estate.decom(&["check", "--json"]).run().expect(0).stdout);
    assert!(check.ok);
}

#[test]
fn a_run_that_stops_early_and_one_that_is_not_possible_are_of_these_types() {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::unauthorized()));
    server.list(&["a", "b", "c"]);
    sandbox.names("names.csv", &["a"]);
    let stopped: RunEnd = read(&sandbox.run(&server, &["run", "names.csv", "--json"]).expect(4).stdout);
    assert!(stopped.stopped.is_some() && stopped.next.len() == 1);
    let missing: Error = read(&sandbox.run(&server, &["run", "nowhere.csv", "--json"]).expect(2).stdout);
    assert_eq!(missing.error.exit_code, 2);
    server.answer_listing(|_| Reply::status(503));
    let mut check = sandbox.decom(&["check", "--json", "--base-url", &server.url()]);
    let away: Check = read(&check.env("DECOM_API_LISTING_PATIENCE", "0s").run().expect(4).stdout);
    assert!(!away.ok && away.exit_code == 4);
}
