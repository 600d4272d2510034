//! What keeps datasources in use: counted at the end of a run, and told apart from what the API does not show.

use crate::support::{Reply, Sandbox, Server, column, csv};

fn run(datamarts: &[(&str, &str)]) -> (Sandbox, String) {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::in_use()));
    server.list(&["a", "b", "c"]).list_datamarts(datamarts);
    let input = csv(&sandbox, &["a", "b", "c"]);
    let said = sandbox.run(&server, &["run", &input]).expect(1);
    (sandbox, said.stdout)
}

#[test]
fn the_end_of_a_run_counts_the_datamarts_that_stand_in_the_way() {
    let (sandbox, said) = run(&[("sales", "a"), ("hr", "a"), ("risk", "b"), ("other", "d")]);
    assert!(said.contains("\n3 datamarts keep 2 datasources in use.\n"), "{said}");
    let unexplained = "1 datasource is in use, and no datamart was listed that reads it: a workspace or another \
                       resource may hold it, which the API does not show.";
    assert!(said.contains(unexplained), "{said}");
    assert!(said.contains("in_use     c  said DATASOURCE_IN_USE; used by no datamart"), "{said}");
    let details = column(&sandbox.log(), "SELECT detail FROM results ORDER BY target");
    assert_eq!(details, [r#"["sales","hr"]"#, r#"["risk"]"#, "[]"]);
}

#[test]
fn nothing_is_said_of_datamarts_that_could_not_be_read() {
    let (sandbox, server) = (Sandbox::new(), Server::start(|_| Reply::in_use()));
    server.list(&["a"]).answer_datamarts(|_| Reply::status(403));
    let input = csv(&sandbox, &["a"]);
    let said = sandbox.run(&server, &["run", &input]).expect(1);
    assert!(!said.stdout.contains("datamart"), "{said:?}");
    assert_eq!(column(&sandbox.log(), "SELECT detail IS NULL FROM results"), ["1"]);
}

#[test]
fn what_is_left_out_of_a_long_list_is_not_counted_as_one() {
    let names: Vec<_> = (0..120).map(|number| format!("datamart-{number}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "a")).collect();
    let (_sandbox, said) = run(&pairs);
    assert!(said.contains("\nMore than 100 datamarts keep 1 datasource in use.\n"), "{said}");
}
