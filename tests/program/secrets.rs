//! The token is seen by the API and by nobody else.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::gate::Gate;
use crate::support::log::results;
use crate::support::{Fault, Output, Reply, Request, Sandbox, Server, TOKEN, csv, decom};

/// Any part of the token that is as long as this would be too much: it is the part that is secret.
const SECRET_PART: usize = 8;

/// Fails where a piece of the token's secret part is in `bytes`.
fn assert_clean(what: &str, bytes: &[u8]) {
    let secret = &TOKEN.as_bytes()["dbn_live_".len()..];
    for piece in secret.windows(SECRET_PART) {
        let place = bytes.windows(SECRET_PART).position(|window| window == piece);
        if let Some(place) = place {
            let around = &bytes[place.saturating_sub(200)..(place + 60).min(bytes.len())];
            panic!("the token is in {what}: …{}…", String::from_utf8_lossy(around));
        }
    }
}

/// Looks through what was said and through every file below the sandbox, the log's folder included.
fn assert_no_trace(sandbox: &Sandbox, ended: &Output) {
    assert_clean("stdout", ended.stdout.as_bytes());
    assert_clean("stderr", ended.stderr.as_bytes());
    let files = files_below(&sandbox.path(""));
    assert!(!files.is_empty());
    for file in files {
        assert_clean(&file, &fs::read(&file).unwrap());
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found
}

/// Answers that give the token back in every place that has room for it, and at every place where
/// something may be cut off.
fn echoing(seen: &Request) -> Reply {
    let header = seen.header("authorization").to_owned();
    let token = header.strip_prefix("Bearer ").unwrap();
    let error = |status, code: &str, message: &str| {
        Reply::json(status, &serde_json::json!({ "error": { "code": code, "message": message } }))
    };
    let reply = match seen.name.as_str() {
        "message" => error(400, "X", &format!("bad {header}!")),
        "code" => error(400, token, ""),
        "id" => Reply::json(200, &serde_json::json!({ "id": token, "message": header })),
        "html" => Reply::status(502).body(format!("<html>{header}</html>")),
        "cut" => return Fault::CutBody { status: 400, sent: header.into_bytes() }.into(),
        "half" => {
            let half = &header[..header.len() - 6];
            return Fault::CutBody { status: 400, sent: format!("{{\"m\":\"{half}").into_bytes() }.into();
        }
        // A text is cut after 500 characters, and a place to go to after 200.
        "long" => error(400, "X", &format!("{}{token}", "y".repeat(485))),
        "far" => {
            let location = format!("https://x.test/{}{token}", "z".repeat(170));
            return Reply::status(307).with("Location", location);
        }
        // A body is read up to 64 KiB.
        "huge" => Reply::status(500).body(format!("{}{token}{}", " ".repeat(65_521), "y".repeat(70_000))),
        "escaped" => Reply::status(400).body(format!("{{\"error\":\"\\u0064{}\"}}", &token[1..])),
        "entities" => {
            error(400, "X", &token.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect::<String>())
        }
        "percent" => {
            error(400, "X", &token.chars().map(|c| format!("%{:02X}", u32::from(c))).collect::<String>())
        }
        "hex" => error(400, "X", &token.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()),
        "401" => error(401, "AUTHENTICATION_ERROR", &header),
        other => panic!("{other} is not in the script"),
    };
    reply
        .with("X-Echo", &header)
        .with("Set-Cookie", format!("token={token}"))
        .with("WWW-Authenticate", header)
}

const ECHOED: [&str; 13] = [
    "message", "code", "id", "html", "cut", "half", "long", "far", "huge", "escaped", "entities", "percent",
    "hex",
];

#[test]
fn a_token_that_the_server_echoes_is_nowhere() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("logs")).unwrap();
    let server = Server::start(echoing);
    let input = csv(&sandbox, &[&ECHOED[..], &["401"]].concat());
    for (format, code) in [("json", 4), ("text", 4)] {
        let mut command = decom(&sandbox, &server, &["run", &input, "--again", "--concurrency", "1"]);
        command.env("DECOM_LOG_LEVEL", "trace").env("DECOM_LOG_DIR", "logs").args(["--log-format", format]);
        let ended = command.run().expect(code);
        assert_no_trace(&sandbox, &ended);
        assert!(ended.stdout.contains("[token]"), "what was echoed is told: {}", ended.stdout);
        assert!(ended.stderr.contains("TRACE"), "everything is logged");
    }
    let redacted = results(&sandbox.log());
    assert_eq!(redacted["message"].message, "bad Bearer [token]!");
    for encoded in ["entities", "percent", "hex"] {
        assert_eq!(redacted[encoded].message, "[token]");
    }
    assert_eq!(redacted["code"].error_code, "[token]");
    assert_eq!(redacted["id"].datasource_id, "[token]");
    assert!(fs::read_dir(sandbox.path("logs")).unwrap().count() > 0, "there is a log file");
    for words in [&["report", "--format", "json"][..], &["report", "--format", "csv"], &["runs"]] {
        let ended = sandbox.decom(words).run().expect(0);
        assert_no_trace(&sandbox, &ended);
    }
}

#[test]
fn a_token_in_a_listing_is_nowhere() {
    let in_the_wrong_place = serde_json::json!({ "data": TOKEN });
    let as_a_name = serde_json::json!({ "data": [{ "name": format!("other {TOKEN}") }] });
    for listing in [in_the_wrong_place, as_a_name] {
        let server = Server::start(|seen| match seen.name.as_str() {
            "a" => Reply::deleted(),
            _ => Reply::in_use(),
        });
        server.answer_listing(move |_| Reply::json(200, &listing));
        server.list_datamarts(&[(&format!("mart {TOKEN}"), "used")]);
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &["a", "used"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        command.env("DECOM_LOG_LEVEL", "trace").env("DECOM_SAFETY_LISTING_CHECK", "true");
        let ended = command.run().expect(1);
        assert_no_trace(&sandbox, &ended);
        assert_eq!(ended.result("used").detail, r#"["mart [token]"]"#);
    }
}

#[test]
fn trouble_on_the_way_does_not_show_the_token() {
    for fault in [Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer, Fault::Garbage, Fault::CutHead] {
        let sandbox = Sandbox::new();
        let server = Server::start(move |_| fault.clone().into());
        let input = csv(&sandbox, &["a"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        command.env("DECOM_LOG_LEVEL", "trace");
        assert_no_trace(&sandbox, &command.run().expect(1));
    }
    let sandbox = Sandbox::new();
    let server = Server::deleting();
    let input = csv(&sandbox, &["a"]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = decom(&sandbox, &server, &["run", &input]);
    command.env("DECOM_LOG_LEVEL", "trace").env("DECOM_BASE_URL", format!("http://{free}"));
    assert_no_trace(&sandbox, &command.run().expect(4));
}

#[test]
fn neither_the_process_list_nor_the_files_of_a_running_process_show_the_token() {
    let gate = Gate::default();
    let server = gate.server();
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let running = decom(&sandbox, &server, &["run", &input]).start();
    server.wait_for_deletions(1);
    let line = running.proc("cmdline");
    assert!(line.windows(3).any(|word| word == b"run"), "it is the right process");
    assert_clean("the process list", &line);
    let wal = fs::read(sandbox.path("decom-audit.db-wal")).unwrap();
    assert!(!wal.is_empty());
    assert_clean("the write-ahead log", &wal);
    gate.open();
    assert_no_trace(&sandbox, &running.finish().expect(0));
}

/// A core pattern that is a pipe takes dumps whatever the limit says, so that the process has to refuse them itself.
/// Then the kernel lets only root read its memory: its files in /proc belong to root, whoever runs it.
#[test]
fn no_core_dump_is_written() {
    let gate = Gate::default();
    let server = gate.server();
    let sandbox = Sandbox::new();
    let input = csv(&sandbox, &["a"]);
    let own = rustix::process::getuid();
    fs::set_permissions(sandbox.path(""), PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = decom(&sandbox, &server, &["run", &input]);
    // Root's files belong to root in any case.
    command.command().uid(if own.is_root() { 65534 } else { own.as_raw() });
    let running = command.start();
    server.wait_for_deletions(1);
    let limits = String::from_utf8(running.proc("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    assert_eq!(fs::metadata(format!("/proc/{}/environ", running.id())).unwrap().uid(), 0, "it may be dumped");
    gate.open();
    running.finish().expect(0);
}

#[test]
fn errors_of_the_configuration_do_not_show_the_token() {
    let server = Server::deleting();
    let with_password = format!("http://user:{TOKEN}@127.0.0.1:1");
    let equals = format!("--token={TOKEN}");
    let (no_flag, no_setting) = (&[][..], ("LANG", "C"));
    let cases = [
        (no_flag, ("DECOM_RATE", "fast")),
        (no_flag, ("DECOM_TOKEN", TOKEN)),
        (&["--token", TOKEN], no_setting),
        (&[&equals], no_setting),
        (&["--base-url", &with_password], no_setting),
        (&["--config", "decom.toml"], no_setting),
    ];
    for (arguments, (variable, value)) in cases {
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &["a"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        let output = command.args(arguments).env(variable, value);
        // Read, and no part of what is searched, as it is the user's own.
        let config = sandbox.file("decom.toml", format!("[api]\ntoken = \"{TOKEN}\"\n"));
        let ended = output.run().expect(2);
        fs::remove_file(config).unwrap();
        assert_no_trace(&sandbox, &ended);
        assert!(!sandbox.log().exists(), "no run was begun");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn what_cannot_be_a_token_is_refused_without_showing_it() {
    let server = Server::deleting();
    let inside = format!("{TOKEN}\n{TOKEN}");
    let cases = [
        ("missing", None, None),
        ("empty", Some(Vec::new()), None),
        ("empty file", None, Some(Vec::new())),
        ("only a line break", None, Some(b"\n".to_vec())),
        ("line break inside", Some(inside.clone().into_bytes()), None),
        ("line break inside a file", None, Some(inside.into_bytes())),
        ("two line breaks at the end of a variable", Some(format!("{TOKEN}\n\n").into_bytes()), None),
        ("two line breaks at the end", None, Some(format!("{TOKEN}\n\n").into_bytes())),
        ("carriage return", Some(format!("{TOKEN}\rX").into_bytes()), None),
        ("a space", Some(format!("Bearer {TOKEN}").into_bytes()), None),
        ("not ASCII", Some(format!("{TOKEN}é").into_bytes()), None),
        ("not UTF-8", Some([TOKEN.as_bytes(), b"\xff"].concat()), None),
        ("a file that is not UTF-8", None, Some([TOKEN.as_bytes(), b"\xff"].concat())),
        ("a NUL in a file", None, Some([TOKEN.as_bytes(), b"\0"].concat())),
    ];
    for (what, variable, file) in cases {
        use std::os::unix::ffi::OsStrExt;
        let sandbox = Sandbox::new();
        let input = csv(&sandbox, &["a"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        command.env_remove("DATABRAIN_TOKEN").env("DECOM_LOG_LEVEL", "trace");
        if let Some(bytes) = &variable {
            command.env("DATABRAIN_TOKEN", std::ffi::OsStr::from_bytes(bytes));
        }
        if let Some(bytes) = &file {
            command.arg("--token-file").arg(sandbox.file("token", bytes));
        }
        let ended = command.run().expect(2);
        assert_clean(what, format!("{}{}", ended.stdout, ended.stderr).as_bytes());
        assert!(ended.stderr.to_lowercase().contains("token"), "{what}: {}", ended.stderr);
        assert!(!sandbox.log().exists(), "{what}: no run was begun");
    }
    assert_eq!(server.connections(), 0, "nothing was sent");
}

#[test]
fn the_token_comes_from_a_file_too_and_its_fingerprint_stands_for_it() {
    let server = Server::deleting();
    let other = "dbn_live_0therT0ken";
    for (variable, flag, expected) in
        [(Some("DATABRAIN_TOKEN_FILE"), None, TOKEN), (None, Some("--token-file"), other)]
    {
        let sandbox = Sandbox::new();
        let file = sandbox.file("token", format!("{expected}\r\n"));
        let input = csv(&sandbox, &["a"]);
        let mut command = decom(&sandbox, &server, &["run", &input]);
        if let Some(variable) = variable {
            command.env_remove("DATABRAIN_TOKEN").env(variable, &file);
        }
        // The flag outweighs the variable, which is still set here.
        if let Some(flag) = flag {
            command.arg(flag).arg(&file);
        }
        command.run().expect(0);
        let last = server.deletions().pop().unwrap();
        assert_eq!(last.header("authorization"), format!("Bearer {expected}"));
        let fingerprint = "SELECT detail ->> '$.token_fingerprint' FROM record WHERE kind = 'run'";
        let fingerprint = crate::support::column(&sandbox.log(), fingerprint).concat();
        assert_eq!(fingerprint.len(), 16, "{fingerprint}");
        assert_ne!(sandbox.decom(&["runs"]).run().stdout, "");
    }
}

#[test]
fn a_token_among_the_names_is_refused_before_it_is_recorded() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    sandbox.file("names.csv", format!("name,reason\nacme,left\nother,see {TOKEN}\n"));
    for command in [&["run", "names.csv", "--yes"][..], &["plan", "names.csv"], &["rehearse", "names.csv"]] {
        let refused = sandbox.decom(command).fast(&server.url()).run().expect(2);
        assert!(refused.message().contains("holds the service token in line 3"), "{refused:?}");
        assert!(!format!("{refused:?}").contains(TOKEN));
    }
    assert!(server.requests().is_empty() && !sandbox.log().exists());
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let sandbox = Sandbox::new();
    sandbox.names("names.csv", &["acme"]);
    sandbox.pipe("pipe");
    for flag in ["--config", "--ca-file"] {
        for path in ["pipe", "/dev/zero"] {
            let refused = sandbox.decom(&["plan", "names.csv", flag, path]).run().expect(2);
            assert!(refused.message().contains("it is not a regular file"), "{flag} {path}: {refused:?}");
        }
    }
    let refused = sandbox.decom(&["plan", "names.csv", "--token-file", "/dev/zero"]).run().expect(2);
    assert!(refused.message().contains("it is not a regular file"), "{refused:?}");
}

#[test]
fn a_blank_variable_leaves_the_other_source_of_the_token() {
    let (sandbox, server) = (Sandbox::new(), Server::deleting());
    let (input, file) = (csv(&sandbox, &["acme"]), sandbox.file("token", TOKEN));
    for blank in [" ", "\t \n"] {
        let mut command = decom(&sandbox, &server, &["run", &input]);
        command.env("DATABRAIN_TOKEN", blank).env("DATABRAIN_TOKEN_FILE", &file).args(["--again"]);
        assert!(command.run().expect(0).all_are("deleted"), "{blank:?}");
    }
}
