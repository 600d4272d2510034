//! The definitions of datamarts: durable before the first request, found again by their digests, and never written over.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::group_plans::decom;
use crate::support::datamarts::{api, confirmed, entry, list_entries};
use crate::support::{Reply, Sandbox, column, files_in, rows, sha256};

const RUN: &[&str] = &["run", "names.csv", "--yes", "--with-datamarts"];

fn folder(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("decom-audit.db.definitions")
}

/// The one file of definitions.
fn file(sandbox: &Sandbox) -> PathBuf {
    let files = files_in(&folder(sandbox));
    assert_eq!(files.len(), 1, "{files:?}");
    folder(sandbox).join(&files[0])
}

#[test]
fn each_entry_is_durable_before_the_first_request_and_found_by_its_digest() {
    let (sandbox, server) = (Sandbox::new(), api());
    let place = folder(&sandbox);
    server.answer(move |request| {
        let file = place.join(&files_in(&place)[0]);
        let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&place)), (0o600, 0o700));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3, "{request:?}");
        confirmed(request)
    });
    let said = decom(&sandbox, &server, RUN).run();
    assert_eq!(server.deletions().len(), 6, "{said:?}");
    let run = &column(&sandbox.log(), "SELECT run_id FROM runs")[0];
    let file = file(&sandbox);
    assert!(file.ends_with(format!("{run}.jsonl")));
    let text = fs::read_to_string(&file).unwrap();
    let digests: Vec<_> = text.lines().map(sha256).collect();
    let recorded = "SELECT detail ->> '$.definition_sha256' FROM record
                     WHERE kind = 'target' AND detail ->> '$.kind' = 'datamart' ORDER BY number";
    assert_eq!(column(&sandbox.log(), recorded), digests);
    let found: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(found, entry("crm", "globex", 1), "the complete entry");

    let name = format!("decom-audit.db.definitions/{run}.jsonl");
    let recorded =
        "SELECT detail ->> '$.settings.definitions.file', detail ->> '$.settings.definitions.sha256',
                           detail ->> '$.settings.definitions.entries' FROM record WHERE kind = 'run'";
    assert_eq!(rows(&sandbox.log(), recorded), [[name.clone(), sha256(&text), "3".to_owned()]]);
    assert!(said.stdout.contains(&format!("Definitions of the datamarts: {name} (3 datamarts)")), "{said:?}");
    let page = sandbox.decom(&["report", "--format", "html"]).run().expect(0).stdout;
    assert!(page.contains(&name) && page.contains(&sha256(&text)), "the certificate names it");
}

#[test]
fn nothing_is_sent_if_they_cannot_be_kept() {
    let (sandbox, server) = (Sandbox::new(), api());
    // Something else is in their place.
    sandbox.file("decom-audit.db.definitions", "not a folder");
    let said = decom(&sandbox, &server, RUN).run().expect(5);
    assert!(said.message().contains("cannot keep the definitions of the datamarts"), "{said:?}");
    assert!(said.message().ends_with("nothing was sent"), "{said:?}");
    assert_eq!(server.deletions().len(), 0);
    assert_eq!(column(&sandbox.log(), "SELECT run_id FROM runs"), [""; 0]);
    assert_eq!(fs::read_to_string(sandbox.path("decom-audit.db.definitions")).unwrap(), "not a folder");
}

#[test]
fn what_is_lost_of_a_run_is_read_again_when_it_is_resumed() {
    for (loss, left) in [("all of it", 2), ("the last line", 3), ("nothing", 3)] {
        let (sandbox, server) = (Sandbox::new(), api());
        server
            .answer(|request| if request.name == "crm" { confirmed(request) } else { Reply::unauthorized() });
        decom(&sandbox, &server, RUN).run().expect(4);
        let (file, before) = (file(&sandbox), server.names_sent().len());
        let text = fs::read_to_string(&file).unwrap();
        match loss {
            "all of it" => fs::remove_file(&file).unwrap(),
            "the last line" => {
                fs::write(&file, text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>())
                    .unwrap()
            }
            _ => {}
        }
        list_entries(&server, vec![entry("sales", "acme", 1), entry("web", "acme", 1)]);
        let place = file.clone();
        server.answer(move |request| {
            let text = fs::read_to_string(&place).unwrap();
            assert!(["sales", "web"].iter().all(|name| text.contains(&format!("\"name\":\"{name}\""))));
            confirmed(request)
        });
        let said = decom(&sandbox, &server, &["resume", "--yes"]).run();
        assert_eq!(server.names_sent().len(), before + 5, "{loss}: {said:?}");
        let now = fs::read_to_string(&file).unwrap();
        assert_eq!(now.lines().count(), left, "{loss}");
        let recorded = "SELECT detail ->> '$.definitions.lost', detail ->> '$.definitions.read_again',
                               detail ->> '$.definitions.sha256' FROM record WHERE kind = 'resume'";
        let (lost, again) = match loss {
            "all of it" => ("3", "2"),
            "the last line" => ("1", "1"),
            _ => ("", ""),
        };
        let digest = if loss == "nothing" { String::new() } else { sha256(&now) };
        assert_eq!(rows(&sandbox.log(), recorded), [[lost.to_owned(), again.to_owned(), digest]], "{loss}");
        let page = sandbox.decom(&["report", "--format", "html"]).run().expect(0).stdout;
        assert!(page.contains(&sha256(&now)), "{loss}");
        assert_eq!(page.contains("lost"), loss != "nothing", "{loss}");
        sandbox.decom(&["audit", "verify"]).run();
    }
}

#[test]
fn no_output_is_written_among_them() {
    let (sandbox, server) = (Sandbox::new(), api());
    decom(&sandbox, &server, RUN).run();
    let file = file(&sandbox);
    let text = fs::read_to_string(&file).unwrap();
    let paths = [file.clone(), folder(&sandbox).join("new.json")];
    for path in paths.iter().map(|path| path.to_str().unwrap()) {
        for arguments in [
            &["report", "--format", "csv", "--out", path, "--force"][..],
            &["report", "--format", "html", "--out", path],
            &["audit", "export", "--format", "jsonl", "--out", path, "--force"],
            &["plan", "names.csv", "--with-datamarts", "--out", path, "--force"],
            &["run", "names.csv", "--yes", "--metrics-file", path],
        ] {
            let asks_the_api = ["plan", "run"].contains(&arguments[0]);
            let said = if asks_the_api {
                decom(&sandbox, &server, arguments).run()
            } else {
                sandbox.decom(arguments).run()
            };
            assert!(said.code != 0 && said.code != 1, "{arguments:?}: {said:?}");
            assert!(said.message().contains("definitions"), "{arguments:?}: {said:?}");
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(files_in(&folder(&sandbox)).len(), 1);
}
