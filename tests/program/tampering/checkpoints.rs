//! Checkpoints: written by a run and by hand, good to the real `ssh-keygen`, and missed where they
//! are gone.

use std::path::{Path, PathBuf};

use decom::domain::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Case, Held, last, sql, tamper};
use crate::support::keys::{self, Key, verified_for};
use crate::support::{Output, column, files_in};

const NAMESPACE: &str = "decom-audit";

/// The statements in the folder of checkpoints, in their order.
fn statements(case: &Case) -> Vec<PathBuf> {
    let names = files_in(&case.path("checkpoints")).into_iter();
    names
        .filter(|name| name.ends_with(".checkpoint"))
        .map(|name| case.path("checkpoints").join(name))
        .collect()
}

fn by_hand(case: &Case, arguments: &[&str]) -> Output {
    case.estate.sandbox.decom(&["audit", "checkpoint"]).args(arguments).run()
}

fn good(case: &Case, statement: &Path) -> bool {
    let signature = PathBuf::from(format!("{}.sig", statement.display()));
    let allowed = case.path("allowed_signers");
    verified_for(NAMESPACE, statement, &signature, &allowed, None, "auditor@example.com")
}

#[test]
fn a_run_writes_checkpoints_that_ssh_keygen_verifies() {
    let case = Case::new();
    let (log, all) = (case.log(), statements(&case));
    assert_eq!(all.len(), 3, "{all:?}");
    let id = column(&log, "SELECT name FROM record WHERE seq = 1").remove(0);
    let mut before = "previous none".to_owned();
    for statement in &all {
        assert!(good(&case, statement), "{statement:?}");
        let text = std::fs::read_to_string(statement).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let [first, of, records, head, time, previous] = lines[..] else { panic!("{text}") };
        assert_eq!((first, of), ("decom audit checkpoint v2", &*format!("log {id}")));
        assert_eq!(previous, before);
        let records = records.strip_prefix("records ").unwrap();
        let stored =
            column(&log, &format!("SELECT lower(hex(hash)) FROM record WHERE seq = {records}")).remove(0);
        assert_eq!(head, format!("head {stored}"));
        assert!(time.starts_with("time 20") && time.len() == 32, "{time}");
        let name = statement.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("{}-{:0>12}.checkpoint", &id[..16], records));
        before = format!("previous {records} {}", hex(Sha256::digest(&text)));
    }
    let until = last(&log);
    assert!(all[2].to_str().unwrap().ends_with(&format!("-{until:0>12}.checkpoint")), "the end: {all:?}");
}

#[test]
fn there_is_another_checkpoint_every_so_many_records() {
    let case = Case::new();
    let before = statements(&case).len();
    let names: Vec<_> = (0..40).map(|n| format!("more-{n}")).collect();
    case.estate.sandbox.file("more.csv", format!("name\n{}\n", names.join("\n")));
    case.estate.sandbox.file(
        "often.toml",
        "[audit]\ncheckpoint_every = 10\nsigning_key = \"key\"\ncheckpoint_dir = \"checkpoints\"\n",
    );
    let arguments = ["run", "more.csv", "--yes", "--max-share", "100", "--config", "often.toml"];
    case.estate.decom(&arguments).run();
    // At least one every 10 records and what shares a commit with them: 8 under way, 2 records each.
    let requests = 80;
    let written = statements(&case).len() - before;
    assert!(written >= requests / 26, "{written} of {:?}", statements(&case));
    let (code, said) = case.verify(&case.log(), Held::Anchored);
    assert_eq!(
        (code, said["checkpoints"]["fitting"].as_u64()),
        (0, Some((before + written) as u64)),
        "{said:#}"
    );
}

#[test]
fn the_head_goes_to_the_log_stream() {
    let case = Case::new();
    case.estate.sandbox.file("more.csv", "name\ncustomer-8\n");
    let arguments = ["run", "more.csv", "--yes", "--max-share", "100", "--log-format", "json"];
    let ended = case.estate.decom(&arguments).run();
    let lines = ended.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let heads: Vec<_> = lines.filter(|line| line.to_string().contains("the end of the audit log")).collect();
    assert_eq!(heads.len(), 2, "at the start and at the end: {ended:?}");
    let (_, said) = case.verify(&case.log(), Held::Alone);
    let (text, head) = (heads[1].to_string(), said["head"].as_str().unwrap());
    assert!(text.contains(head) && text.contains(&format!(":{}", said["records"])), "{text} {said:#}");
}

#[test]
fn checkpoints_that_were_removed_are_missed() {
    let case = Case::new();
    let all = statements(&case);
    let keep = |kept: &[&PathBuf]| {
        let folder = case.path("checkpoints");
        let spare = case.path("spare");
        let _ = std::fs::rename(&folder, &spare);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        for statement in kept {
            let name = statement.file_name().unwrap().to_str().unwrap();
            for name in [name.to_owned(), format!("{name}.sig")] {
                std::fs::copy(spare.join(&name), folder.join(&name)).unwrap();
            }
        }
    };
    keep(&[]);
    case.found(&case.log(), Held::Anchored, 5, "checkpoints_missing", Some(2), "all are gone");
    keep(&[&all[0], &all[1]]);
    let n = last(&case.log());
    case.found(&case.log(), Held::Anchored, 1, "checkpoint_of_end_missing", Some(n), "the last is gone");
    keep(&[&all[1], &all[2]]);
    let (code, said) = case.verify(&case.log(), Held::Anchored);
    assert_eq!(code, 0, "the newest confirms all before it: {said:#}");
    assert_eq!(
        said["findings"][0]["kind"], "checkpoints_before",
        "the oldest may be kept elsewhere: {said:#}"
    );
    keep(&[&all[0], &all[2]]);
    case.found(&case.log(), Held::Anchored, 5, "checkpoint_removed", None, "one in the middle is gone");
    let (_, said) = case.verify(&case.log(), Held::Anchored);
    assert!(!said["proven"].to_string().contains("checkpoints by"), "{said:#}");
    keep(&[&all[1], &all[2]]);

    // Without them, and without being told where they were, it says at least that there were some.
    let (code, said) = case.verify(&case.log(), Held::Alone);
    assert_eq!(code, 1, "{said:#}");
    assert!(said.to_string().contains("checkpoints were written for this log"), "{said:#}");
}

#[test]
fn only_those_who_may_vouch_for_a_log() {
    let case = Case::new();
    let sandbox = &case.estate.sandbox;
    let allowed = std::fs::read_to_string(case.path("allowed_signers")).unwrap();
    let key = allowed.trim_end().split_once(' ').unwrap().1.to_owned();
    let other = Key::new(sandbox, "other", "ed25519");
    for (what, line) in [
        ("nobody", String::new()),
        ("somebody else", format!("auditor@example.com {}", other.public)),
        ("for plans only", format!("auditor@example.com namespaces=\"decom-plan\" {key}")),
        ("not any more", format!("auditor@example.com valid-before=\"20200101\" {key}")),
    ] {
        sandbox.file("allowed_signers", line);
        let (code, said) = case.verify(&case.log(), Held::Anchored);
        assert_eq!(code, 5, "{what}: {said:#}");
        assert_eq!(said["findings"][0]["kind"], "checkpoint_unsigned", "{what}: {said:#}");
        assert!(!good(&case, &statements(&case)[0]), "{what}: ssh-keygen");
    }
    sandbox.file("allowed_signers", &allowed);
    sandbox.file("revoked", format!("{key}\n"));
    let mut command = sandbox.decom(&["audit", "verify", "--checkpoints", "checkpoints"]);
    command.args(["--allowed-signers", "allowed_signers", "--revoked-signers", "revoked"]);
    assert_eq!(command.run().code, 5);
    assert_eq!(case.verify(&case.log(), Held::Anchored).0, 0);

    let newest = statements(&case).pop().unwrap();
    let text = std::fs::read_to_string(&newest).unwrap();
    for (kind, altered) in [
        ("checkpoint_unsigned", text.replace("time 2", "time 1")),
        ("checkpoint_unreadable", text.replace("v2", "v1")),
        ("checkpoint_unreadable", text.replace("v2", "v3")),
        ("checkpoint_unreadable", text.replace('\n', "\r\n")),
    ] {
        std::fs::write(&newest, altered).unwrap();
        let (code, said) = case.verify(&case.log(), Held::Anchored);
        assert_eq!((code, said["findings"][0]["kind"].as_str()), (5, Some(kind)), "{said:#}");
    }
    std::fs::write(&newest, &text).unwrap();
    std::fs::remove_file(format!("{}.sig", newest.display())).unwrap();
    let (code, said) = case.verify(&case.log(), Held::Anchored);
    assert_eq!((code, said["findings"][0]["kind"].as_str()), (5, Some("checkpoint_unsigned")), "{said:#}");
}

#[test]
fn a_checkpoint_names_a_time_at_which_it_can_have_been_made() {
    let case = Case::new();
    let newest = statements(&case).pop().unwrap();
    let text = std::fs::read_to_string(&newest).unwrap();
    let time = text.lines().find_map(|line| line.strip_prefix("time ")).unwrap();
    let n = last(&case.log());
    // The key is good for all of these times; only they are not.
    for (dated, code) in [("2020-01-01T00:00:00.000000Z", 5), ("2099-01-01T00:00:00.000000Z", 5), (time, 0)] {
        std::fs::write(&newest, text.replace(time, dated)).unwrap();
        let signature = case.key.sign(&newest, NAMESPACE);
        std::fs::rename(signature, format!("{}.sig", newest.display())).unwrap();
        assert!(good(&case, &newest), "ssh-keygen takes it: {dated}");
        let (found, said) = case.verify(&case.log(), Held::Anchored);
        assert_eq!(found, code, "{dated}: {said:#}");
        if code == 5 {
            let finding = &said["findings"][0];
            assert_eq!(
                (&finding["kind"], &finding["record"]),
                (&"checkpoint_time".into(), &n.into()),
                "{said:#}"
            );
            assert!(!said["proven"].to_string().contains("nothing was altered or cut off"), "{said:#}");
        }
    }
}

#[test]
fn a_checkpoint_by_hand_is_signed_or_says_how_to_sign_it() {
    let case = Case::new();
    let sandbox = &case.estate.sandbox;
    let signed = by_hand(&case, &["--out", "checkpoints/signed.checkpoint", "--signing-key", "key"]);
    assert_eq!(signed.code, 0, "{signed:?}");
    assert!(good(&case, &case.path("checkpoints/signed.checkpoint")));
    let allowed = std::fs::read_to_string(case.path("allowed_signers")).unwrap();
    let unsigned = by_hand(&case, &["--out", "by-hand.checkpoint"]);
    assert_eq!(unsigned.code, 0, "{unsigned:?}");
    assert!(
        unsigned.stdout.contains("ssh-keygen -Y sign -n decom-audit -f KEY by-hand.checkpoint"),
        "{unsigned:?}"
    );
    assert!(!case.path("by-hand.checkpoint.sig").exists());
    // Then by the hand of ssh-keygen, with a key of any kind.
    for kind in ["ecdsa-521", "rsa-2048"] {
        let key = Key::new(sandbox, kind, kind);
        let statement = case.path("checkpoints/by-hand.checkpoint");
        std::fs::copy(case.path("by-hand.checkpoint"), &statement).unwrap();
        let signature = key.sign(&statement, NAMESPACE);
        std::fs::rename(signature, case.path("checkpoints/by-hand.checkpoint.sig")).unwrap();
        sandbox.file("allowed_signers", format!("{allowed}auditor@example.com {}\n", key.public));
        let (code, said) = case.verify(&case.log(), Held::Anchored);
        assert_eq!((code, said["checkpoints"]["fitting"].as_u64()), (0, Some(5)), "{kind}: {said:#}");
    }
    let again = by_hand(&case, &["--out", "decom-audit.db"]);
    assert_eq!(again.code, 2, "nothing is written over: {again:?}");
    assert_eq!(by_hand(&case, &[]).code, 2);
}

#[test]
fn keys_of_every_type_sign_checkpoints() {
    let case = Case::new();
    let sandbox = &case.estate.sandbox;
    // OpenSSH writes the secret number of one in four P-521 keys without a leading zero.
    let types = ["ed25519", "ecdsa-256", "ecdsa-384", "rsa-2048", "rsa-4096"].into_iter();
    for (n, kind) in types.chain(std::iter::repeat_n("ecdsa-521", 12)).enumerate() {
        let name = format!("{kind}-{n}");
        let key = Key::new(sandbox, &name, kind);
        if n % 2 == 0 {
            keys::rewrap(&case.path(&name), 64, "\r\n");
        }
        let checkpoint = format!("{name}.checkpoint");
        let signed = by_hand(&case, &["--out", &checkpoint, "--signing-key", &name]);
        assert_eq!(signed.code, 0, "{name}: {signed:?}");
        let allowed = sandbox.file("their_signers", format!("auditor {}\n", key.public));
        let (checkpoint, signature) = (case.path(&checkpoint), case.path(&format!("{checkpoint}.sig")));
        assert!(
            verified_for(NAMESPACE, &checkpoint, &signature, &allowed, None, "auditor"),
            "{name}: ssh-keygen"
        );
        std::fs::rename(&checkpoint, case.path("checkpoints/theirs.checkpoint")).unwrap();
        std::fs::rename(&signature, case.path("checkpoints/theirs.checkpoint.sig")).unwrap();
        let ours = std::fs::read_to_string(case.path("allowed_signers")).unwrap();
        sandbox.file("allowed_signers", format!("{ours}auditor {}\n", key.public));
        let (code, said) = case.verify(&case.log(), Held::Anchored);
        assert_eq!(code, 0, "{name}: {said:#}");
    }
}

#[test]
fn a_key_that_cannot_sign_by_itself_is_refused_with_what_to_do() {
    let case = Case::new();
    let sandbox = &case.estate.sandbox;
    let encrypted = Key::encrypted(sandbox, "encrypted");
    let short = Key::new(sandbox, "short", "rsa-1024");
    let public = sandbox.file("public", format!("{}\n", short.public));
    let open = sandbox.file("open", std::fs::read(case.path("key")).unwrap());
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::set_permissions(&public, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for (key, wanted) in [
        (encrypted.as_path(), "this key is encrypted"),
        (Path::new("short"), "an RSA key of fewer than 2048 bits"),
        (Path::new("public"), "this is not a private key"),
        (Path::new("open"), "`chmod 600` it"),
        (Path::new("nowhere"), "cannot read it"),
    ] {
        let refused = by_hand(&case, &["--out", "x.checkpoint", "--signing-key", key.to_str().unwrap()]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.message().contains(wanted), "{refused:?}");
        assert!(!case.path("x.checkpoint").exists());

        // A run is refused before anything is in the log, let alone sent.
        let requests = case.estate.deletes().len();
        sandbox.file("more.csv", "name\ncustomer-9\n");
        let mut command = case.estate.decom(&["run", "more.csv", "--yes", "--max-share", "100"]);
        command.arg("--signing-key").arg(key).args(["--checkpoint-dir", "checkpoints"]);
        let refused = command.run();
        assert_eq!(refused.code, 5, "{refused:?}");
        assert!(refused.message().contains(wanted), "{refused:?}");
        assert_eq!(case.estate.deletes().len(), requests, "something was sent");
    }
}

#[test]
fn checkpoints_that_cannot_be_written_stop_a_run_before_it_begins_and_not_later() {
    let case = Case::new();
    let sandbox = &case.estate.sandbox;
    let (n, requests) = (last(&case.log()), case.estate.deletes().len());
    sandbox.file("more.csv", "name\ncustomer-9\n");
    let run = |dir: &str, key: &str| {
        let mut command =
            case.estate.decom(&["run", "more.csv", "--yes", "--max-share", "100", "--ignore-not-found"]);
        command.args(["--checkpoint-dir", dir, "--signing-key", key]);
        command.run()
    };
    let refused = run("nowhere", "key");
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.message().contains("cannot write this checkpoint"), "{refused:?}");
    assert_eq!((last(&case.log()), case.estate.deletes().len()), (n, requests));
    assert_eq!(run("checkpoints", "").code, 2, "a folder, and nothing that signs");
    assert_eq!((last(&case.log()), case.estate.deletes().len()), (n, requests));

    // Without a folder none are written, and that is said.
    let rehearsal = ["rehearse", "more.csv", "--signing-key", "key", "--fault", "none", "--latency", "0ms"];
    let ended = sandbox.decom(&rehearsal).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("no checkpoints are written"), "{ended:?}");

    // A folder has the name of the next checkpoint: the run continues, and reports it.
    let id = column(&case.log(), "SELECT name FROM record WHERE seq = 1").remove(0);
    std::fs::create_dir(case.path(&format!("checkpoints/{}-{:0>12}.checkpoint", &id[..16], n + 2))).unwrap();
    let ended = run("checkpoints", "key");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("cannot be written; the run continues"), "{ended:?}");
}

#[test]
fn a_log_that_was_altered_is_not_signed() {
    let case = Case::new();
    tamper(&case.log(), sql("UPDATE record SET ticket = 'x' WHERE seq = 3"));
    let refused = by_hand(&case, &["--out", "x.checkpoint", "--signing-key", "key"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.message().contains("nothing was signed"), "{refused:?}");
    assert_eq!((case.path("x.checkpoint").exists(), case.path("x.checkpoint.sig").exists()), (false, false));
}

#[test]
fn what_is_asked_for_by_halves_is_refused() {
    let case = Case::new();
    for arguments in [
        &["--checkpoints", "checkpoints"][..],
        &["--allowed-signers", "allowed_signers"],
        &["--checkpoints", "nowhere", "--allowed-signers", "allowed_signers"],
        &["--checkpoints", "checkpoints", "--allowed-signers", "nowhere"],
    ] {
        let refused = case.estate.sandbox.decom(&["audit", "verify"]).args(arguments).run();
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
    }
    // The folder of the settings counts where none is named.
    case.estate
        .sandbox
        .file("decom.toml", "[audit]\ncheckpoint_dir = \"checkpoints\"\nsigning_key = \"key\"\n");
    let mut command = case.estate.sandbox.decom(&["audit", "verify", "--config", "decom.toml"]);
    let ended = command.args(["--allowed-signers", "allowed_signers"]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let until = last(&case.log());
    assert!(
        ended.stdout.contains(&format!("OK: the log is intact, and anchored up to record {until}")),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("Not checked:\n"), "{ended:?}");
}
