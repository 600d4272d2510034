//! `decom runs` and `decom report`: the same facts as text, CSV, JSON and Markdown, and nothing in
//! a name that can pretend to be something else.

use std::io::Read;
use std::process::Stdio;

use decom::emulator::Faults;
use insta::assert_snapshot;

use crate::support::{Estate, Sandbox, column, files_in};

/// Names that mean something to a spreadsheet, to Markdown, to a terminal.
const AWKWARD: &[&str] = &[
    "=cmd|'/c calc'!A1",
    "+1",
    "-1",
    "@x",
    "a|b *c* [d](http://e) <i>",
    "invoice\u{202e}fdp.exe",
    "comma, \"quote\"",
];

/// A log with one run: what is awkward is not there, one name is protected, one has no history.
fn estate() -> Estate {
    let estate = Estate::of(&["acme", "globex", "prod-1", "other", "more"]);
    let awkward: Vec<_> =
        AWKWARD.iter().map(|name| format!("\"{}\",,\n", name.replace('"', "\"\""))).collect();
    let plain = "name,reason,ticket\nacme,contract ended,OFF-1\nglobex,,\nprod-1,,\n";
    estate.sandbox.file("names.csv", format!("{plain}{}", awkward.concat()));
    let flags = ["run", "names.csv", "--yes", "--protect", "prod-*", "--concurrency", "1"];
    let audit = ["--reason", "=1+1", "--ticket", "OFF|7", "--operator", "ann"];
    let said = estate.decom(&[&flags[..], &audit].concat()).run();
    assert_eq!(said.code, 1, "{said:?}");
    estate
}

/// What `decom` with `arguments` prints about this log.
fn printed(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let said = sandbox.decom(arguments).run();
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{arguments:?}");
    said.stdout
}

/// Puts words in the place of what differs from run to run.
fn settings() -> insta::Settings {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "[run]");
    settings.add_filter(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{6}Z)?", "[time]");
    settings.add_filter(r"http://127\.0\.0\.1:\d{5}", "[api]");
    settings.add_filter("\u{202e}", "[rlo]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[sha256]");
    settings.add_filter(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "[id]");
    settings.add_filter(&format!(r"\b{}\b", machine.replace('.', r"\.")), "[machine]");
    settings
}

#[test]
fn a_report_as_text() {
    let estate = estate();
    settings().bind(|| {
        assert_snapshot!(printed(&estate.sandbox, &["report"]), @r#"
         Run            [run]
         Status         finished
         Started        [time]
         Finished       [time]
         API            [api]
         Input          names.csv
         Input SHA-256  [sha256]
         Operator       ann
         Reason         =1+1
         Ticket         OFF|7
         Machine        [machine]
         Version        decom 0.2.0
         Exit code      1

        Not deleted (8):
          skipped    prod-1  protected; matches the protected pattern `prod-*`
          not_found  =cmd|'/c calc'!A1  Datasource not found
          not_found  +1  Datasource not found
          not_found  -1  Datasource not found
          not_found  @x  Datasource not found
          not_found  a|b *c* [d](http://e) <i>  Datasource not found
          not_found  invoice\u{202e}fdp.exe  Datasource not found
          not_found  comma, "quote"  Datasource not found

        The run is finished. 2 of 10 datasources were deleted; 8 are exceptions.

          deleted              2   the API confirmed the deletion
          not_found            7   no such datasource
          skipped              1   not sent
                              ──
          planned             10
        "#);
    });
}

#[test]
fn a_report_as_markdown() {
    let estate = estate();
    let report = printed(&estate.sandbox, &["report", "--format", "md"]);
    settings().bind(|| {
        assert_snapshot!(report, @r#"
        # Run [run]

        | | |
        |---|---|
        | Run | [run] |
        | Status | finished |
        | Started | [time] |
        | Finished | [time] |
        | API | [api] |
        | Input | names.csv |
        | Input SHA-256 | [sha256] |
        | Operator | ann |
        | Reason | =1+1 |
        | Ticket | OFF\|7 |
        | Machine | [machine] |
        | Version | decom 0.2.0 |
        | Exit code | 1 |

        The run is finished. 2 of 10 datasources were deleted; 8 are exceptions.

        ## Outcomes

        | outcome | targets | meaning |
        |---|---:|---|
        | deleted | 2 | the API confirmed the deletion |
        | not\_found | 7 | no such datasource |
        | skipped | 1 | not sent |
        | **planned** | **10** | |

        ## Not deleted

        | target | datasource | outcome | why |
        |---:|---|---|---|
        | 3 | prod-1 | skipped | protected; matches the protected pattern \`prod-\*\` |
        | 4 | =cmd\|'/c calc'!A1 | not\_found | Datasource not found |
        | 5 | +1 | not\_found | Datasource not found |
        | 6 | -1 | not\_found | Datasource not found |
        | 7 | @x | not\_found | Datasource not found |
        | 8 | a\|b \*c\* \[d\](http://e) \<i\> | not\_found | Datasource not found |
        | 9 | invoice\\u{202e}fdp.exe | not\_found | Datasource not found |
        | 10 | comma, "quote" | not\_found | Datasource not found |
        "#);
    });
}

#[test]
fn a_report_as_csv() {
    let estate = estate();
    let report = printed(&estate.sandbox, &["report", "--format", "csv"]);
    settings().bind(|| assert_snapshot!(report, @r#"
    run_id,target,datasource,outcome,attempts,http_status,error_code,message,datasource_id,evidence,detail,first_attempt_at,finished_at,target_reason,target_ticket,message_id,resource,kind,dependant_of,rehearsal,plan_digest,approved_by,rows
    [run],1,acme,deleted,1,200,,Datasource deleted successfully,[id],absent_from_listing,,[time],[time],contract ended,OFF-1,,acme,datasource,,0,,,10
    [run],2,globex,deleted,1,200,,Datasource deleted successfully,[id],absent_from_listing,,[time],[time],,,,globex,datasource,,0,,,10
    [run],3,prod-1,skipped,0,,,matches the protected pattern `prod-*`,,rule,protected,,[time],,,,prod-1,datasource,,0,,,10
    [run],4,'=cmd|'/c calc'!A1,not_found,1,400,DATASOURCE_NAME_ERROR,Datasource not found,,refused,,[time],[time],,,,'=cmd|'/c calc'!A1,datasource,,0,,,10
    [run],5,'+1,not_found,1,400,DATASOURCE_NAME_ERROR,Datasource not found,,refused,,[time],[time],,,,'+1,datasource,,0,,,10
    [run],6,'-1,not_found,1,400,DATASOURCE_NAME_ERROR,Datasource not found,,refused,,[time],[time],,,,'-1,datasource,,0,,,10
    [run],7,'@x,not_found,1,400,DATASOURCE_NAME_ERROR,Datasource not found,,refused,,[time],[time],,,,'@x,datasource,,0,,,10
    [run],8,a|b *c* [d](http://e) <i>,not_found,1,400,DATASOURCE_NAME_ERROR,Datasource not found,,refused,,[time],[time],,,,a|b *c* [d](http://e) <i>,datasource,,0,,,10
    [run],9,invoice[rlo]fdp.exe,not_found,1,400,DATASOURCE_NAME_ERROR,Datasource not found,,refused,,[time],[time],,,,invoice[rlo]fdp.exe,datasource,,0,,,10
    [run],10,"comma, ""quote""",not_found,1,400,DATASOURCE_NAME_ERROR,Datasource not found,,refused,,[time],[time],,,,"comma, ""quote""",datasource,,0,,,10
    "#));

    // Read as CSV, no cell begins like a formula, and behind the apostrophe each name is whole.
    let mut reader = csv::Reader::from_reader(report.as_bytes());
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    let formula = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    assert!(records.iter().flatten().all(|cell| !formula(cell)), "{report}");
    let names: Vec<_> = records.iter().skip(3).map(|record| record[2].trim_start_matches('\'')).collect();
    assert_eq!(names, AWKWARD);
}

#[test]
fn a_report_as_json() {
    let estate = estate();
    let report = printed(&estate.sandbox, &["report", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let names: Vec<_> =
        report["results"].as_array().unwrap().iter().map(|r| r["datasource"].as_str().unwrap()).collect();
    assert_eq!(names[3..], *AWKWARD, "JSON needs no apostrophes and no escapes of ours");
    // The keys are the columns of the public views.
    let log = estate.sandbox.log();
    for (view, object) in [("runs", &report["run"]), ("results", &report["results"][0])] {
        let mut keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        let mut columns = column(&log, &format!("SELECT name FROM pragma_table_info('{view}')"));
        keys.sort();
        columns.sort();
        assert_eq!(keys, columns, "{view}");
    }
    settings().bind(|| {
        assert_snapshot!(report["run"], @r#"{"approved_by":null,"base_url":"[api]","deleted":2,"deleted_unconfirmed":0,"exit_code":1,"failed":0,"finished_at":"[time]","host":"[machine]","in_use":0,"input":"names.csv","input_sha256":"[sha256]","not_found":7,"operator":"ann","pending":0,"plan_digest":null,"planned":10,"rate":"unlimited","reason":"=1+1","rehearsal":false,"rejected":0,"retry_of":null,"run_id":"[run]","skipped":1,"started_at":"[time]","status":"finished","ticket":"OFF|7","tool_version":"0.2.0","unknown":0}"#);
        assert_snapshot!(report["results"][2], @r#"{"attempts":0,"datasource":"prod-1","datasource_id":null,"dependant_of":null,"detail":"protected","error_code":null,"evidence":"rule","finished_at":"[time]","first_attempt_at":null,"http_status":null,"kind":"datasource","message":"matches the protected pattern `prod-*`","message_id":null,"name":"prod-1","outcome":"skipped","rehearsal":false,"run_id":"[run]","target":3,"target_reason":null,"target_ticket":null}"#);
    });
}

#[test]
fn runs_in_every_form() {
    let estate = estate();
    let runs = |format| printed(&estate.sandbox, &["runs", "--format", format]);
    settings().bind(|| {
        assert_snapshot!(runs("table"), @r#"
        run                        started              status    planned  gone  other  pending  exit  API                     input
        [run]  [time]  finished       10     2      8        0     1  [api]  names.csv
        "#);
        assert_snapshot!(runs("md"), @r#"
        | run                       | started             | status   | planned | gone | other | pending | exit | API                    | input     |
        |---------------------------|---------------------|----------|---------|------|-------|---------|------|------------------------|-----------|
        | [run] | [time] | finished |      10 |    2 |     8 |       0 |    1 | [api] | names.csv |
        "#);
        assert_snapshot!(runs("csv"), @r"
        run_id,started_at,finished_at,status,input,input_sha256,planned,deleted,deleted_unconfirmed,not_found,in_use,rejected,failed,unknown,skipped,pending,operator,reason,ticket,base_url,tool_version,host,exit_code,plan_digest,approved_by,retry_of,rate,rehearsal
        [run],[time],[time],finished,names.csv,[sha256],10,2,0,7,0,0,0,0,1,0,ann,'=1+1,OFF|7,[api],0.2.0,[machine],1,,,,unlimited,0
        ");
    });
    let log = estate.sandbox.log();
    let columns = column(&log, "SELECT group_concat(name, ',') FROM pragma_table_info('runs')");
    assert_eq!(
        runs("csv").lines().next(),
        Some(columns[0].as_str()),
        "the columns of the view, in its order"
    );
    let json: serde_json::Value = serde_json::from_str(&runs("json")).unwrap();
    assert_eq!((&json[0]["planned"], &json[0]["deleted"]), (&10.into(), &2.into()));
}

#[test]
fn the_newest_run_comes_first_and_is_the_one_reported() {
    let estate = Estate::of(&["acme", "globex", "other", "more", "rest"]);
    for name in ["acme", "globex"] {
        estate.sandbox.file("names.csv", format!("name\n{name}\n"));
        let said = estate.decom(&["run", "names.csv", "--yes"]).run();
        assert_eq!(said.code, 0, "{said:?}");
    }
    let ids = column(&estate.sandbox.log(), "SELECT run_id FROM runs ORDER BY started_at DESC");
    let listed: serde_json::Value =
        serde_json::from_str(&printed(&estate.sandbox, &["runs", "--format", "json"])).unwrap();
    let listed: Vec<_> =
        listed.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert_eq!(listed, ids);

    let reported = |arguments: &[&str]| {
        let report = printed(&estate.sandbox, &[&["report", "--format", "json"], arguments].concat());
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        report["results"][0]["datasource"].as_str().unwrap().to_owned()
    };
    assert_eq!(reported(&[]), "globex");
    assert_eq!(reported(&[&ids[1]]), "acme");
    // The beginning of an id is enough where it is the beginning of only one.
    let same = ids[0].bytes().zip(ids[1].bytes()).take_while(|(a, b)| a == b).count();
    assert_eq!(reported(&[&ids[1][..=same]]), "acme");

    let ambiguous = estate.sandbox.decom(&["report", &ids[1][..same]]).run();
    assert_eq!(ambiguous.code, 2, "{ambiguous:?}");
    assert!(ids.iter().all(|id| ambiguous.message().contains(id)), "{ambiguous:?}");
    assert!(ambiguous.message().ends_with("write more of it"), "{ambiguous:?}");

    let unknown = estate.sandbox.decom(&["report", "nine"]).run();
    assert_eq!(unknown.code, 2);
    assert_snapshot!(unknown.message(), @"decom-audit.db: no run `nine` in this audit log; `decom runs` lists them");
    // Nothing, as from an unset variable, is not the beginning of anything.
    assert_eq!(estate.sandbox.decom(&["report", ""]).run().code, 2);
}

#[test]
fn a_report_to_a_file() {
    let estate = estate();
    let path = estate.sandbox.path("report.md");
    assert_eq!(printed(&estate.sandbox, &["report", "--format", "md", "--out", "report.md"]), "");
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(written, printed(&estate.sandbox, &["report", "--format", "md"]));

    let nowhere = estate.sandbox.decom(&["report", "--out", "no/report.md"]).run();
    assert_eq!(nowhere.code, 2);
    assert_snapshot!(nowhere.message(), @"no/report.md: cannot write this file: No such file or directory (os error 2)");
}

#[test]
fn a_report_never_overwrites_the_log_that_it_reports() {
    let estate = estate();
    std::os::unix::fs::symlink(estate.sandbox.log(), estate.sandbox.path("other.csv")).unwrap();
    for out in ["decom-audit.db", "./decom-audit.db", "other.csv"] {
        let said = estate.sandbox.decom(&["report", "--out", out]).run();
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.message().contains("this is the audit log"), "{said:?}");
    }
    assert_eq!(column(&estate.sandbox.log(), "SELECT planned FROM runs"), ["10"]);
}

#[test]
fn no_log() {
    let sandbox = Sandbox::new();
    let said = |command| sandbox.decom(&[command]).run();
    assert_eq!((said("runs").code, said("report").code), (2, 2));
    assert_snapshot!(said("runs").message(), @"decom-audit.db: there is no audit log here; name one with --audit-db");
    assert_eq!(said("report").message(), said("runs").message());
    assert_eq!(files_in(&sandbox.path("")), [""; 0], "reading makes no log");
}

#[test]
fn a_file_that_is_no_log() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "decom-audit.db",
        "once upon a time, there was a text that was no database at all\n".repeat(99),
    );
    rusqlite::Connection::open(sandbox.path("other.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    let said = |command, log| {
        let said = sandbox.decom(&[command, "--audit-db", log]).run();
        assert_eq!(said.code, 5, "{said:?}");
        said.message().to_owned()
    };
    assert_snapshot!(said("runs", "decom-audit.db"), @"decom-audit.db: this is not an audit log of decom (it is no SQLite database); name another file with --audit-db");
    assert_snapshot!(said("runs", "other.db"), @"other.db: this is not an audit log of decom (it is another program's database, with application id 0); name another file with --audit-db");
    for log in ["decom-audit.db", "other.db"] {
        assert_eq!(said("report", log), said("runs", log));
    }
}

#[test]
fn a_log_that_turns_out_damaged_while_it_is_reported() {
    let estate = estate();
    // What the report needs to find its results: damaged behind decom's back.
    let log = rusqlite::Connection::open(estate.sandbox.log()).unwrap();
    log.execute_batch(
        "DROP TRIGGER record_is_never_updated; UPDATE record SET http_status = 70000 WHERE outcome = 'not_found'",
    )
    .unwrap();
    for arguments in [&["report"][..], &["report", "--out", "report.txt"]] {
        let said = estate.sandbox.decom(arguments).run();
        assert_eq!(said.code, 5, "the log is at fault, and not the output: {said:?}");
        assert!(said.message().starts_with("decom-audit.db: cannot read the audit log"), "{said:?}");
    }
}

#[test]
fn a_log_without_runs() {
    let estate = Estate::of(&["acme"]);
    estate.sandbox.file("names.csv", "name\nacme\n");
    let refused = estate.decom(&["run", "names.csv", "--yes", "--max-deletes", "0"]).run();
    assert_eq!(refused.code, 3, "{refused:?}");
    assert_eq!(printed(&estate.sandbox, &["runs"]), "No runs.\n");
    assert_eq!(printed(&estate.sandbox, &["runs", "--format", "json"]), "[]\n");
    let report = estate.sandbox.decom(&["report"]).run();
    assert_eq!(report.code, 2);
    assert_snapshot!(report.message(), @"decom-audit.db: there is no run in this audit log yet");
}

#[test]
fn a_format_that_is_none() {
    let said = Sandbox::new().decom(&["report", "--format", "xml"]).run();
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("`xml` is not a format; the formats are table, csv, json, md and html"),
        "{said:?}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    // More than a pipe holds, so that writing goes on after the reader has gone.
    let names: Vec<_> = (0..300).map(|number| format!("{number}-{}", "x".repeat(1000))).collect();
    let estate = Estate::with(vec![], Faults::none());
    estate.sandbox.file("names.csv", names.join("\n"));
    let flags = ["run", "names.csv", "--no-header", "--yes", "--max-share", "100", "--concurrency", "64"];
    assert_eq!(estate.decom(&flags).run().code, 1);
    for format in ["table", "csv", "json", "md"] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_decom"))
            .args(["report", "--format", format])
            .current_dir(estate.sandbox.path(""))
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 10]).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), stderr.as_ref()), (Some(0), ""), "{format}");
    }
}
