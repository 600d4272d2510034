//! Night after night the same list: what earlier runs deleted is one line, and gone means the same everywhere.

use crate::support::{Estate, Output, column};

/// A nightly job: `names.csv` grows by one name a night, and all names exist.
fn night(estate: &Estate, names: usize, flags: &[&str]) -> Output {
    let names: Vec<_> = (0..names).map(|number| format!("customer-{number:03}")).collect();
    estate.sandbox.names("names.csv", &names);
    estate.decom(&[&["run", "names.csv", "--yes", "--max-share", "100"], flags].concat()).run()
}

fn estate() -> Estate {
    let names: Vec<_> = (0..30).map(|number| format!("customer-{number:03}")).collect();
    Estate::of(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn five_nights_with_a_growing_list() {
    let estate = estate();
    for count in 20..25 {
        let said = night(&estate, count, &[]).expect(0);
        assert!(!said.stdout.contains("Not deleted"), "{}", said.stdout);
        if count > 20 {
            let line = format!("{} targets were deleted by an earlier run and not sent again.", count - 1);
            assert!(said.stdout.contains(&line), "{}", said.stdout);
            assert!(!said.stdout.contains("customer-"), "no name is worth a line: {}", said.stdout);
            assert!(said.stdout.lines().count() < 12, "{}", said.stdout);
        }
    }
    // A night without anything to do is a few lines on stderr, too.
    let idle = night(&estate, 24, &[]).expect(0);
    assert!(idle.stderr.lines().filter(|line| !line.starts_with('{')).count() < 5, "{}", idle.stderr);
    assert_eq!(estate.deletes().len(), 24);

    let runs = estate.sandbox.decom(&["runs"]).run().expect(0).stdout;
    let cells: Vec<_> = runs.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells[4..7], ["24", "24", "0"], "planned, gone, other: {runs}");
    let table = estate.sandbox.decom(&["report"]).run().expect(0).stdout;
    assert!(table.contains("24 targets were deleted by an earlier run and not sent again."), "{table}");
    assert!(table.contains("skipped             24   deleted by an earlier run, and not sent"), "{table}");
    let markdown = estate.sandbox.decom(&["report", "--format", "md"]).run().expect(0).stdout;
    assert!(
        !markdown.contains("## Not deleted") && markdown.contains("24 targets were deleted"),
        "{markdown}"
    );
    let html = estate.sandbox.decom(&["report", "--format", "html"]).run().expect(0).stdout;
    assert!(html.contains("were deleted by an earlier run."));
}

#[test]
fn names_are_shown_on_demand_and_if_they_are_few() {
    let estate = estate();
    night(&estate, 8, &[]).expect(0);
    let verbose = night(&estate, 8, &["--verbose"]).expect(0);
    assert!(verbose.stdout.contains("Deleted by an earlier run, and not sent again (8):"), "{verbose:?}");
    assert!(
        verbose.stdout.contains("skipped    customer-007  already_deleted; deleted by run "),
        "{verbose:?}"
    );
    let few = night(&estate, 2, &[]).expect(0);
    assert!(few.stdout.contains("skipped    customer-001  already_deleted; deleted by run "), "{few:?}");
    let csv = estate.sandbox.decom(&["report", "--format", "csv"]).run().expect(0).stdout;
    assert_eq!(csv.matches("already_deleted").count(), 2, "{csv}");
}

#[test]
fn hashes_are_for_machines() {
    let estate = estate();
    let text = night(&estate, 1, &["--log-format", "text"]).expect(0);
    assert!(!text.stderr.contains("the end of the audit log"), "{}", text.stderr);
    let verbose = night(&estate, 2, &["--log-format", "text", "--verbose"]).expect(0);
    assert!(verbose.stderr.contains("the end of the audit log"), "{}", verbose.stderr);
    let json = night(&estate, 3, &["--log-format", "json"]).expect(0);
    assert!(json.stderr.contains("\"head\":\""), "{}", json.stderr);
}

#[test]
fn a_run_of_an_older_list_that_is_not_finished_is_mentioned() {
    let estate = estate();
    let mut command = estate.decom(&["run", "names.csv", "--yes", "--max-share", "100"]);
    estate.sandbox.names("names.csv", &["customer-000", "customer-001"]);
    command.env("DATABRAIN_TOKEN", "dbn_live_wrong").run().expect(4);
    let run = column(&estate.sandbox.log(), "SELECT run_id FROM runs").remove(0);
    let next = night(&estate, 3, &[]).expect(0);
    assert!(next.stderr.contains(&format!("run {run} of other names is not finished")), "{}", next.stderr);
    assert!(next.stderr.contains(&format!("decom resume {run}")), "{}", next.stderr);
}

#[test]
fn retry_without_a_run_takes_the_newest_that_fits() {
    let estate = estate();
    let retry =
        |flags: &[&str]| estate.decom(&[&["retry", "--yes", "--max-share", "100"], flags].concat()).run();
    night(&estate, 1, &[]).expect(0);
    let none = retry(&[]).expect(0);
    assert_eq!(
        none.stdout,
        "nothing to retry: no target of any run on this host ended failed or unknown or pending\n"
    );
    estate.sandbox.names("names.csv", &["nowhere"]);
    let mut command = estate.decom(&["run", "names.csv", "--yes", "--max-share", "100"]);
    command.run().expect(1);
    let missing = column(&estate.sandbox.log(), "SELECT run_id FROM runs WHERE not_found = 1").remove(0);
    night(&estate, 2, &[]).expect(0);
    let retried = retry(&["--outcome", "not_found"]).expect(1);
    assert!(retried.stderr.contains(&format!("retrying run {missing}")), "{}", retried.stderr);
}
