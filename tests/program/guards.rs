//! What keeps a run from deleting more than was meant: guards, protection, confirmation, the dry
//! run, and the log's own memory of what is gone.

use insta::assert_snapshot;

use crate::support::{Estate, Output, Reply, Sandbox, Server, TOKEN, column};

/// An API with `names` and as many others, and a list of the names.
fn estate(names: &[&str]) -> Estate {
    let others: Vec<_> = (0..names.len()).map(|number| format!("other-{number}")).collect();
    let all: Vec<_> = names.iter().copied().chain(others.iter().map(String::as_str)).collect();
    let estate = Estate::of(&all);
    list(&estate, names);
    estate
}

/// Writes the list of names that the next run is given.
fn list(estate: &Estate, names: &[&str]) {
    estate.sandbox.file("names.csv", format!("name\n{}\n", names.join("\n")));
}

/// `decom run` of the list with `--yes` and these flags.
fn run(estate: &Estate, flags: &[&str]) -> Output {
    estate.decom(&[&["run", "names.csv", "--yes"], flags].concat()).run()
}

/// The same, refused by a guard: exit code 3, no DELETE, no run.
fn refused(estate: &Estate, flags: &[&str]) -> String {
    let said = run(estate, flags);
    assert_eq!((said.code, said.stdout.as_str()), (3, ""), "{said:?}");
    assert_eq!(estate.deletes(), [], "something was sent");
    assert_eq!(column(&estate.sandbox.log(), "SELECT run_id FROM runs"), [""; 0], "a run was begun");
    said.message().to_owned()
}

/// The names that were deleted, sorted.
fn deleted(estate: &Estate) -> Vec<String> {
    let mut names: Vec<_> =
        estate.deletes().into_iter().filter(|(_, gone)| *gone).map(|(name, _)| name).collect();
    names.sort();
    names
}

/// What the log says of the targets of all its runs.
fn results(estate: &Estate) -> Vec<String> {
    let all =
        "SELECT datasource || ' ' || outcome || ' ' || coalesce(detail, '') FROM results ORDER BY rowid";
    column(&estate.sandbox.log(), &all.replace("rowid", "finished_at, target"))
        .iter()
        .map(|row| row.trim_end().to_owned())
        .collect()
}

#[test]
fn more_than_one_run_may_delete() {
    let estate = estate(&["a", "b", "c"]);
    assert_snapshot!(refused(&estate, &["--max-deletes", "2"]), @"3 datasources are to be deleted, and one run may delete 2; if all are meant, pass --max-deletes 3; nothing was sent");
    let by_default = Estate::of(&["other"]);
    let names: Vec<_> = (0..501).map(|number| number.to_string()).collect();
    list(&by_default, &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_snapshot!(refused(&by_default, &[]), @"501 datasources are to be deleted, and one run may delete 500; if all are meant, pass --max-deletes 501; nothing was sent");

    assert_eq!(run(&estate, &["--max-deletes", "3"]).code, 0);
    assert_eq!(deleted(&estate), ["a", "b", "c"]);
}

#[test]
fn only_what_is_sent_counts() {
    let estate = estate(&["a", "b", "c"]);
    assert_eq!(run(&estate, &["--max-deletes", "2", "--protect", "c"]).code, 1);
    assert_eq!(deleted(&estate), ["a", "b"]);
}

#[test]
fn a_larger_share_than_one_run_may_delete() {
    // Two of four are 50 %, which is the most by default.
    let half = estate(&["a", "b"]);
    assert_eq!(run(&half, &[]).code, 0);

    let more = Estate::of(&["a", "b", "other"]);
    list(&more, &["a", "b"]);
    assert_snapshot!(refused(&more, &[]), @"2 of the 3 datasources that exist would be deleted (66.7 %), and one run may delete 50 %; if all are meant, raise --max-share; nothing was sent");
    assert_eq!(run(&more, &["--max-share", "66.7"]).code, 0);
    assert_eq!(deleted(&more), ["a", "b"]);

    let all = Estate::of(&["a", "b"]);
    list(&all, &["a", "b"]);
    assert_snapshot!(refused(&all, &["--max-deletes", "1"]), @"2 datasources are to be deleted, and one run may delete 1; if all are meant, pass --max-deletes 2; 2 of the 2 datasources that exist would be deleted (100.0 %), and one run may delete 50 %; if all are meant, raise --max-share; nothing was sent");
    assert_eq!(run(&all, &["--max-share", "100"]).code, 0);
}

#[test]
fn only_what_exists_has_a_share() {
    // One of three that exist: that the list is long makes it no larger.
    let estate = Estate::of(&["a", "other", "more"]);
    list(&estate, &["a", "x", "y", "z"]);
    assert_eq!(run(&estate, &["--max-share", "34", "--ignore-not-found"]).code, 0);
    assert_eq!(deleted(&estate), ["a"]);
}

#[test]
fn without_a_listing_there_is_no_share_and_no_run() {
    let server = Server::deleting();
    server.answer_listing(|_| Reply::status(404));
    let sandbox = Sandbox::new();
    sandbox.file("names.csv", "name\na\n");
    let said = sandbox.decom(&["run", "names.csv", "--yes", "--base-url", &server.url()]).run();
    assert_eq!(said.code, 3, "{said:?}");
    assert_eq!(server.deletions().len(), 0);
    assert_snapshot!(said.message(), @"one run may delete 50 % of all datasources, and the total is unknown (cannot read the list of datasources: the API answered 404 Not Found); fix this; nothing was sent");
}

#[test]
fn an_api_that_cannot_be_reached_is_said_with_what_to_check() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for command in
        [&["run", "names.csv", "--yes"][..], &["run", "names.csv", "--dry-run"], &["plan", "names.csv"]]
    {
        let sandbox = Sandbox::new();
        sandbox.file("names.csv", "name\na\n");
        let mut decom = sandbox.decom(&[command, &["--base-url", &url]].concat());
        let said = decom.env("DECOM_API_LISTING_PATIENCE", "1s").run();
        assert_eq!(said.code, 4, "it may pass: {said:?}");
        assert!(said.stderr.contains("trying again in "), "{said:?}");
        let message = said.message();
        assert!(message.starts_with(&format!("cannot reach {url}: ")), "{message}");
        assert!(message.contains("connection refused; "), "{message}");
        assert!(message.ends_with("; check --base-url and the network; nothing was sent"), "{message}");
    }
}

#[test]
fn what_is_protected_is_skipped_and_listed() {
    let estate = estate(&["acme", "prod-1", "Prod-2", "prod", "[x]"]);
    let said = run(&estate, &["--protect", "prod-*", "--protect", "[[]x]"]);
    assert_eq!(said.code, 1, "protected names are exceptions: {said:?}");
    assert_eq!(deleted(&estate), ["Prod-2", "acme", "prod"], "case counts, and the whole name does");
    let mut skipped = results(&estate);
    skipped.retain(|result| result.contains("skipped"));
    assert_eq!(skipped, ["prod-1 skipped protected", "[x] skipped protected"]);
    let listed = said.stdout.lines().find(|line| line.contains("prod-1")).unwrap();
    assert_eq!(listed.trim(), "skipped    prod-1  protected; matches the protected pattern `prod-*`");
}

#[test]
fn a_run_of_nothing_but_protected_names_sends_nothing() {
    let estate = estate(&["acme", "globex"]);
    assert_eq!(run(&estate, &["--protect", "*", "--no-listing-check"]).code, 1);
    assert_eq!(estate.emulator.tally().requests, 0);
}

#[test]
fn nobody_to_ask_means_no() {
    let estate = estate(&["acme"]);
    let said = estate.decom(&["run", "names.csv"]).stdin("delete 1 on 127.0.0.1\nyes\ny\n").run();
    assert_eq!(said.code, 3, "{said:?}");
    assert_snapshot!(said.message(), @"there is no terminal to confirm on; run again with --yes; nothing was sent");
    assert_eq!(estate.deletes(), []);
    assert_eq!(column(&estate.sandbox.log(), "SELECT run_id FROM runs"), [""; 0]);
}

#[test]
fn a_dry_run_looks_like_one_and_deletes_nothing() {
    let estate = estate(&["acme", "globex", "prod-1"]);
    // Without --yes: there is nothing to confirm.
    for flags in [&["--dry-run"][..], &["--dry-run", "--yes"]] {
        let arguments = [&["run", "names.csv", "--protect", "prod-*"], flags].concat();
        let said = estate.decom(&arguments).run();
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.stdout.ends_with("\n(dry run) nothing was sent; a run would start\n"), "{said:?}");
        let shown: Vec<_> = said.stdout.lines().collect();
        assert!(shown.iter().all(|line| line.starts_with("(dry run) ")), "{shown:?}");
        assert!(
            shown.contains(&"(dry run)   2 to delete")
                && shown.contains(&"(dry run)   1 protected and skipped")
        );
    }
    let refused = estate.decom(&["run", "names.csv", "--dry-run", "--max-deletes", "2"]).run();
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(!refused.stdout.contains("would start"), "{refused:?}");
    assert_eq!(estate.deletes(), []);
    assert_eq!(crate::support::files_in(&estate.sandbox.path("")), ["names.csv"], "and leaves no log");
}

#[test]
fn what_is_known_to_be_gone_is_not_sent_again() {
    let estate = estate(&["acme", "globex", "hooli"]);
    list(&estate, &["acme", "globex"]);
    assert_eq!(run(&estate, &[]).code, 0);
    assert_eq!(estate.deletes().len(), 2);
    let first = column(&estate.sandbox.log(), "SELECT run_id FROM runs");

    list(&estate, &["hooli", "acme"]);
    let second = run(&estate, &[]);
    assert_eq!(second.code, 0, "already deleted is as good as deleted: {second:?}");
    assert_eq!(estate.deletes().len(), 3, "only hooli was sent");
    assert_eq!(results(&estate)[2..], ["acme skipped already_deleted", "hooli deleted"]);
    assert!(second.stderr.contains("1 already deleted according to the audit log"), "{second:?}");
    let line = second.stdout.lines().find(|line| line.contains("acme")).unwrap();
    assert!(line.contains(&format!("already_deleted; deleted by run {}", first[0])), "{line}");

    // A name can have been made anew since: on demand it is sent.
    list(&estate, &["acme"]);
    let again = run(&estate, &["--again"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(estate.deletes()[3], ("acme".to_owned(), false));
    assert_eq!(results(&estate).last().unwrap(), "acme not_found");
}

#[test]
fn gone_on_one_host_is_not_gone_on_another() {
    let (here, there) = (estate(&["acme"]), estate(&["acme"]));
    assert_eq!(run(&here, &[]).code, 0);
    // The second address takes the place of the first.
    let arguments = ["run", "names.csv", "--yes", "--rate", "unlimited", "--base-url"];
    let mut command = here.sandbox.decom(&arguments);
    assert_eq!(command.arg(there.emulator.base_url()).run().code, 0);
    assert_eq!((deleted(&here), deleted(&there)), (vec!["acme".to_owned()], vec!["acme".to_owned()]));
}

/// A run that the API did not let in: begun, stopped, to be continued.
fn interrupted(estate: &Estate) -> String {
    let arguments = ["run", "names.csv", "--yes", "--max-share", "100", "--concurrency", "1"];
    let mut command = estate.decom(&arguments);
    let said = command.env("DATABRAIN_TOKEN", "dbn_live_wrong").run();
    assert_eq!(said.code, 4, "{said:?}");
    let runs = column(&estate.sandbox.log(), "SELECT run_id || ' ' || status || ' ' || exit_code FROM runs");
    let (run, rest) = runs[0].split_once(' ').unwrap();
    assert_eq!(rest, "stopped 4");
    let next = format!("decom resume {run} --base-url {}", estate.emulator.base_url());
    assert!(said.stdout.contains(&next), "{} tells how to go on: {next}", said.stdout);
    assert_eq!(estate.deletes().len(), 1, "no other name fares better");
    assert_eq!(deleted(estate), [""; 0]);
    run.to_owned()
}

/// The id and the status of each run in the log.
fn runs(estate: &Estate) -> Vec<String> {
    column(
        &estate.sandbox.log(),
        "SELECT run_id || ' ' || status || ' ' || exit_code FROM runs ORDER BY started_at",
    )
}

#[test]
fn an_interrupted_run_of_the_same_names_is_continued() {
    let estate = estate(&["acme", "globex"]);
    let run_id = interrupted(&estate);
    // The names count, and not how the file is called or laid out.
    estate.sandbox.file("same.csv", "ticket;datasource\nOFF-1;acme\n;globex\n;acme\n");
    let arguments = ["run", "same.csv", "--yes", "--delimiter", ";"];
    let said = estate.decom(&arguments).run();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(runs(&estate), [format!("{run_id} finished 0")], "one run, and not a second one");
    assert_eq!(deleted(&estate), ["acme", "globex"]);
    let attempts = column(
        &estate.sandbox.log(),
        "SELECT attempt || ' ' || verdict FROM attempts WHERE datasource = 'acme'",
    );
    assert_eq!(attempts, ["1 unauthorized", "2 deleted"]);
}

#[test]
fn resume_continues_it_too_and_only_where_there_is_something_to_continue() {
    let estate = estate(&["acme", "globex"]);
    let run_id = interrupted(&estate);
    assert_eq!(estate.decom(&["resume", &run_id, "--yes"]).run().code, 0);
    assert_eq!(runs(&estate), [format!("{run_id} finished 0")]);

    let nothing = estate.decom(&["resume", "--yes"]).run();
    assert_eq!((nothing.code, nothing.stdout.as_str()), (0, "nothing to resume: all runs are finished\n"));
    let finished = estate.decom(&["resume", &run_id, "--yes"]).run();
    assert_eq!(finished.code, 0);
    let wanted =
        format!("nothing to resume: run {run_id} is finished; `decom retry {run_id}` makes a new run");
    assert!(finished.stdout.starts_with(&wanted), "{finished:?}");
}

#[test]
fn other_names_are_another_run() {
    let estate = estate(&["acme", "globex"]);
    let stopped = interrupted(&estate);
    list(&estate, &["globex", "acme"]);
    assert_eq!(run(&estate, &[]).code, 0);
    assert_eq!(runs(&estate).len(), 2, "another order is another list");
    assert_eq!(runs(&estate)[0], format!("{stopped} stopped 4"));
}

#[test]
fn again_begins_anew() {
    let estate = estate(&["acme"]);
    let stopped = interrupted(&estate);
    assert_eq!(run(&estate, &["--again"]).code, 0);
    assert_eq!(runs(&estate).len(), 2);
    assert_eq!(runs(&estate)[0], format!("{stopped} stopped 4"));
}

#[test]
fn what_is_continued_is_guarded_and_confirmed_as_well() {
    let estate = estate(&["acme", "prod-1", "globex"]);
    interrupted(&estate);
    let before = estate.deletes().len();
    let guarded = run(&estate, &["--max-deletes", "2"]);
    assert_eq!(guarded.code, 3, "{guarded:?}");
    let unconfirmed = estate.decom(&["run", "names.csv"]).run();
    assert_eq!(unconfirmed.code, 3, "{unconfirmed:?}");
    let dry = estate.decom(&["run", "names.csv", "--dry-run"]).run();
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(estate.deletes().len(), before);

    // What has been protected in the meantime stays.
    let protected = run(&estate, &["--protect", "prod-*"]);
    assert_eq!(protected.code, 1, "{protected:?}");
    assert_eq!(deleted(&estate), ["acme", "globex"]);
    assert_eq!(runs(&estate).len(), 1);
}

#[test]
fn the_token_is_in_none_of_this() {
    let estate = estate(&["acme"]);
    interrupted(&estate);
    let said = run(&estate, &[]);
    assert!(!said.stderr.contains(TOKEN) && !said.stdout.contains(TOKEN));
    let log = std::fs::read(estate.sandbox.log()).unwrap();
    assert!(!log.windows(TOKEN.len()).any(|bytes| bytes == TOKEN.as_bytes()));
}

/// A name that was deleted may have been given again: it is not sent, and not reported as gone.
#[test]
fn what_is_known_to_be_gone_and_exists_again_is_reported() {
    let estate = estate(&["acme"]);
    assert_eq!(run(&estate, &[]).code, 0);
    // Another API in the same place, where somebody has made it anew.
    let server = Server::deleting();
    let anew = |flags: &[&str]| {
        let mut command = estate.sandbox.decom(&[&["run", "names.csv", "--yes"], flags].concat());
        command.args(["--rate", "unlimited", "--base-url", &server.url()]).run()
    };
    list(&estate, &["acme", "other"]);
    server.list(&["acme", "other", "x", "y", "z"]);
    assert_eq!(anew(&["--no-listing-check"]).code, 0);
    assert_eq!(server.deletions().len(), 2, "gone from another host is not gone from here");
    let again = anew(&["--no-listing-check"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(server.deletions().len(), 2);
    let last =
        "SELECT detail FROM results JOIN runs USING (run_id) WHERE input = 'names.csv' AND skipped = 2";
    assert_eq!(column(&estate.sandbox.log(), last), ["exists_again", "exists_again"]);
    assert!(again.stderr.contains("exists again, and is skipped; --again sends it"), "{again:?}");
    assert!(again.stderr.contains(", AND EXISTS AGAIN; --again sends it"), "{again:?}");
}
