//! How one datamart is deleted: what is sent, what each reply means, and what the listing settles. The run is put into
//! the log as decom records one, and the real program continues it.

use decom::domain::{CustomerRequest, DatasourceName, NewTarget, TargetRole};

use super::kinds::{open, opening};
use crate::support::listings::{datamart_entry, listing};
use crate::support::{Output, Reply, Request, Sandbox, Server, rows, sha256};

/// A run over these targets, each a name and the datasource that it reads if it is a datamart. The server has these
/// datamarts.
pub(super) fn recorded(sandbox: &Sandbox, server: &Server, targets: &[(&str, Option<&str>)]) {
    server.keep_datamarts(&datamarts_of(targets));
    put_into_log(sandbox, server, targets);
}

/// The datamarts among these targets, each with the datasource that it reads.
pub(super) fn datamarts_of<'a>(targets: &[(&'a str, Option<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    targets.iter().filter_map(|(name, reads)| Some((*name, (*reads)?))).collect()
}

fn put_into_log(sandbox: &Sandbox, server: &Server, targets: &[(&str, Option<&str>)]) {
    let made = sandbox.path("made.db");
    let log = open(&made);
    let read = |name: &str| targets.iter().filter(|(_, reads)| *reads == Some(name)).count() as u64;
    let role = |name: &str, reads: Option<&str>| match reads {
        Some(of) => TargetRole::Dependant {
            of: of.to_owned(),
            definition_sha256: sha256(datamart_entry(name, of).to_string()),
        },
        None => TargetRole::Group { datamarts: read(name) },
    };
    let targets: Vec<_> = targets
        .iter()
        .map(|(name, reads)| {
            let (name, role) = (DatasourceName::new(name).unwrap(), role(name, *reads));
            Ok(NewTarget {
                name,
                role,
                reason: None,
                ticket: None,
                request: CustomerRequest::default(),
                skip: None,
            })
        })
        .collect();
    let recorder = log.recorder();
    let begun = recorder.begin_run(opening("one", &server.url()), Box::new(targets.into_iter()));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(begun).unwrap();
    drop(recorder);
    log.close();
    // A copy: a process that another test starts may hold the lock of the first one for a moment, as it was forked.
    std::fs::copy(made, sandbox.log()).unwrap();
}

fn resume(sandbox: &Sandbox, server: &Server) -> Output {
    sandbox.sequential(server, &["resume", "one"]).run()
}

/// `kind name outcome evidence` of each target.
pub(super) fn outcomes(sandbox: &Sandbox) -> Vec<String> {
    let query = "SELECT kind, name, outcome, evidence FROM results ORDER BY target";
    rows(&sandbox.log(), query).iter().map(|row| row.join(" ").trim_end().to_owned()).collect()
}

const GROUP: &[(&str, Option<&str>)] = &[("sales", Some("acme")), ("acme", None)];

/// The reply to a datamart that does not exist, or to a malformed request.
fn refused(request: &Request) -> Reply {
    if request.is_of_datamart() { Reply::error(400, "INVALID_REQUEST_BODY") } else { Reply::deleted() }
}

#[test]
fn a_datamart_is_deleted_by_its_own_request_and_held_against_its_own_listing() {
    let sandbox = Sandbox::new();
    let server = Server::start(|request: &Request| {
        if request.is_of_datamart() { Reply::datamart_deleted(&request.name) } else { Reply::deleted() }
    });
    // A datamart that has the name of a datasource that exists, and the other way round.
    server.list(&["sales & hr"]);
    recorded(&sandbox, &server, &[("sales & hr", Some("acme")), ("acme", None)]);
    server.keep_datamarts(&[("sales & hr", "acme"), ("acme", "sales & hr")]);
    resume(&sandbox, &server).expect(0);
    let sent: Vec<_> = server.deletions().iter().map(|it| format!("{}?{}", it.path, it.query)).collect();
    assert_eq!(
        sent,
        ["/api/v2/data-app/datamart?datamartName=sales%20%26%20hr", "/api/v2/datasource?datasourceName=acme"]
    );
    assert_eq!(server.deletions()[0].id(), "one-1-1");
    assert_eq!(
        outcomes(&sandbox),
        ["datamart sales & hr deleted absent_from_listing", "datasource acme deleted absent_from_listing"]
    );
    sandbox.decom(&["audit", "verify"]).run().expect(1);
}

#[test]
fn a_datamart_that_is_still_listed_after_its_deletion_is_reported() {
    let sandbox = Sandbox::new();
    let server = Server::start(|request: &Request| Reply::datamart_deleted(&request.name));
    recorded(&sandbox, &server, GROUP);
    server.list_datamarts(&[("sales", "acme")]);
    let said = resume(&sandbox, &server).expect(1);
    assert!(said.stdout.contains("datamart sales"), "{said:?}");
    assert_eq!(outcomes(&sandbox)[0], "datamart sales deleted still_listed");
}

#[test]
fn not_found_and_malformed_share_a_code_and_the_listing_decides() {
    for (listed, outcome) in
        [(&[][..], "not_found absent_from_listing"), (&[("sales", "acme")][..], "failed still_listed")]
    {
        let sandbox = Sandbox::new();
        let server = Server::start(refused);
        recorded(&sandbox, &server, GROUP);
        // The datasource of that name exists either way.
        server.list(&["sales"]).list_datamarts_until_sent(&datamarts_of(GROUP), move |request| {
            let listed = listed.iter().map(|(name, reads)| datamart_entry(name, reads));
            listing(listed.collect())(request)
        });
        // It is the canary.
        resume(&sandbox, &server).expect(4);
        assert_eq!(server.deletions_of("sales"), 1, "nothing is gained by another attempt");
        assert_eq!(outcomes(&sandbox)[0], format!("datamart sales {outcome}"));
        let verdict =
            rows(&sandbox.log(), "SELECT verdict, error_code FROM attempts WHERE kind = 'datamart'");
        assert_eq!(verdict, [["not_found_or_invalid", "INVALID_REQUEST_BODY"]]);
    }
}

#[test]
fn a_listing_that_hides_what_a_datamart_reads_settles_nothing() {
    let sandbox = Sandbox::new();
    let server = Server::start(refused);
    recorded(&sandbox, &server, GROUP);
    server.list_datamarts_until_sent(&datamarts_of(GROUP), |_| {
        Reply::json(200, &serde_json::json!({ "data": [{ "name": "other" }], "error": null }))
    });
    resume(&sandbox, &server).expect(4);
    assert_eq!(outcomes(&sandbox)[0], "datamart sales failed no_clear_answer");
}

#[test]
fn the_run_stops_if_the_api_deletes_another_datamart_than_was_sent() {
    let sandbox = Sandbox::new();
    let server = Server::start(|_| Reply::datamart_deleted("hr"));
    recorded(&sandbox, &server, &[("sales", Some("acme")), ("acme", None)]);
    let said = resume(&sandbox, &server).expect(4);
    let why = "the API says that it deleted `hr`, and `sales` was asked for; find out why before you resume";
    assert!(said.stdout.contains(why), "{said:?}");
    assert_eq!(server.names_sent(), ["sales"]);
    assert_eq!(outcomes(&sandbox), ["datamart sales pending", "datasource acme pending"]);
    let attempt = rows(&sandbox.log(), "SELECT verdict, error_code, http_status FROM attempts");
    assert_eq!(attempt, [["no_answer", "other_deleted", "200"]]);
}
