//! What a certificate says, and that its page needs nothing but itself and cannot be broken out of.

use std::path::Path;

use insta::assert_snapshot;

use crate::certificates::{certificate, page_of};
use crate::support::page::Page;
use crate::support::{Estate, Fault, Reply, Sandbox, Server, column};

/// Puts words in the place of what differs from run to run.
fn settings() -> insta::Settings {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "[run]");
    settings.add_filter(r"2100-11-24 09:00:00", "[issued]");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "[moment]");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[time]");
    settings.add_filter(r"127\.0\.0\.1:\d{5}", "[api]");
    settings.add_filter(r"login [^,]+, uid \d+", "login [login], uid [uid]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[sha256]");
    settings.add_filter(r"\b[0-9a-f]{32}\b", "[log]");
    settings.add_filter(r"\b[0-9a-f]{16}\b", "[id]");
    settings.add_filter(r"\b[0-9]+(\.[0-9])?\u{a0}m?s\b", "[span]");
    settings.add_filter(&format!(r"\b{}\b", machine.replace('.', r"\.")), "[machine]");
    settings.add_filter("\u{a0}|\u{202f}", " ");
    settings.add_filter(r"No pause was long enough .*|Pauses without requests:", "[pauses]");
    settings.add_filter(r"\d+ pauses", "[n] pauses");
    settings
}

/// A run with one of each outcome that a run ends with: `acme` is tried twice.
fn run() -> Sandbox {
    let (sandbox, server) = (
        Sandbox::new(),
        Server::start(|request| match (request.name.as_str(), request.attempt) {
            ("acme", 1) => Reply::error(503, "BUSY"),
            ("doubted", 1) => Fault::CloseBeforeAnswer.into(),
            ("doubted" | "missing", _) => Reply::not_found(),
            ("used", _) => Reply::in_use(),
            ("refused", _) => Reply::error(403, "FORBIDDEN"),
            ("failing", _) => Reply::server_error(),
            _ => Reply::deleted(),
        }),
    );
    server.list(&["failing", "used", "refused", "prod-1", "other"]);
    let input = "name,reason,ticket\nacme,contract ended,OFF-1\ndoubted,,OFF-2\nmissing,,\nused,,\nrefused,,\n\
                 failing,,\nprod-1,,\nacme,,\n";
    sandbox.file("leaving.csv", input);
    let flags =
        ["run", "leaving.csv", "--protect", "prod-*", "--reason", "end of contract", "--ticket", "OFF-7"];
    let finished = sandbox.run(&server, &[&flags[..], &["--operator", "Ann"]].concat());
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    sandbox
}

#[test]
fn it_says_who_asked_for_what_and_what_became_of_it() {
    let sandbox = run();
    let page = certificate(&sandbox, &[]);
    settings().bind(|| {
        assert_snapshot!(page.lines("", "3Exceptions").join("\n"), @r"
        Certificate of deletion [id]
        Certificate of deletion
        Certificate: [id]
        Run: [run]
        Issued: [issued] UTC
        StatusComplete with exceptions
        The run is finished. 1 of 7 datasources was deleted; 1 is gone after an attempt without a clear reply; 5 are exceptions.
        1Run
        Organisation: not named
        API host: [api] (http://[api])
        Period (UTC): [time] – [time] ([span])
        Machine: [machine] (decom 0.2.0)
        Connection: without a proxy
        (SHA-256 of the configuration: [sha256])
        Carried out by: Ann (operator as stated, login [login], uid [uid], on [machine], decom 0.2.0)
        Approved by: no approval is recorded
        Ticket: OFF-7
        Reason: end of contract
        2Scope and reconciliation
        Input: leaving.csv
        SHA-256 of the input: [sha256]
        Datasources requested: 7 (different names in 8 rows, of which 1 repeats a name)
        SHA-256 of the names: [sha256]
        Every requested name has exactly one outcome.
        Outcome | Targets | Share | Meaning
        deleted | 1 | 14.3 % | the API confirmed the deletion
        deleted_unconfirmed | 1 | 14.3 % | gone, after an attempt without a clear reply
        not_found | 1 | 14.3 % | no such datasource
        in_use | 1 | 14.3 % | something depends on it; remove that first
        rejected | 1 | 14.3 % | the API refused the request
        failed | 1 | 14.3 % | all attempts failed; as far as is known it still exists
        skipped | 1 | 14.3 % | not sent: 1 protected
        Sum | 7 | 100 % | equals the number of names requested
        ");
    });
}

#[test]
fn exceptions_come_before_everything_else_each_with_its_reason() {
    let sandbox = run();
    let page = certificate(&sandbox, &[]);
    settings().bind(|| {
        assert_snapshot!(page.lines("3Exceptions", "4Figures").join("\n"), @r"
        3Exceptions
        Failed 1
        All attempts failed. As far as is known, these exist.
        No. | Datasource | Why | Attempts | Settled (UTC)
        6 | failing | said INTERNAL_SERVER_ERROR (INTERNAL_SERVER_ERROR HTTP 500) (still in the listing) | 3 | [moment]
        Rejected 1
        The API refused to delete these, for the reason given.
        No. | Datasource | Why | Attempts | Settled (UTC)
        5 | refused | said FORBIDDEN (FORBIDDEN HTTP 403) | 1 | [moment]
        In use 1
        The API did not delete these, as something depends on them. Remove the dependants first.
        No. | Datasource | Why | Dependants | Attempts | Settled (UTC)
        4 | used | said DATASOURCE_IN_USE (DATASOURCE_IN_USE HTTP 400) | no datamart | 1 | [moment]
        Protected 1
        A rule protects these names. This run sent no request for them.
        No. | Datasource | Why | Attempts | Settled (UTC)
        7 | prod-1 | matches the protected pattern `prod-*` | 0 | [moment]
        Not found 1
        The API or its listing has none of these names, and no attempt can have deleted them. Check the spelling.
        No. | Datasource | Why | Attempts | Settled (UTC)
        3 | missing | said DATASOURCE_NAME_ERROR (DATASOURCE_NAME_ERROR HTTP 400) | 1 | [moment]
        Remarks on targets that are not exceptions
        Gone, without the API’s own confirmation 1
        An attempt got no clear reply, and afterwards the API or its listing did not have these any more. Most likely that attempt deleted them.
        No. | Datasource | Why | Attempts | Settled (UTC)
        2 | doubted (OFF-2) | said DATASOURCE_NAME_ERROR (DATASOURCE_NAME_ERROR HTTP 400) | 2 | [moment]
        ");
    });
}

#[test]
fn the_figures_say_in_words_what_they_draw() {
    let sandbox = run();
    let page = certificate(&sandbox, &[]);
    settings().bind(|| {
        let lines = page.lines("4Figures", "5Schedule of all targets");
        // Which marks the axes have, and which pauses there were, is a matter of time.
        let is_mark = |line: &str| line.chars().all(|c| "0123456789:.ms \u{a0}\u{202f}".contains(c));
        let is_pause = |line: &str| line.contains("waiting for the rate limit") || line.contains("waiting for replies");
        let lines: Vec<_> = lines.into_iter().filter(|line| !is_mark(line) && !is_pause(line)).collect();
        assert_snapshot!(lines.join("\n"), @r"
        4Figures
        Outcomes of 7 targets
        Outcomes
        Of 7 targets: deleted 1, deleted_unconfirmed 1, not_found 1, in_use 1, rejected 1, failed 1, skipped 1.
        deleted  1  14.3 %
        deleted unconfirmed  1  14.3 %
        not found  1  14.3 %
        in use  1  14.3 %
        rejected  1  14.3 %
        failed  1  14.3 %
        skipped  1  14.3 %
        Deletions over time in each [span], UTC
        deleted
        other outcome
        attempt without a result (tried again while attempts were left)
        pause
        Deletions over time
        2 deleted, 4 with another outcome, 5 attempts without a result; 4 attempts repeated an earlier one; [n] pauses.
        10 requests were sent, 4 of them again. The rate was set to unlimited when the run began. [pauses]
        Latency of the replies, on a logarithmic axis
        Latency of the replies
        10 replies: half took at most [span], 95 % at most [span], 99 % at most [span]; the shortest [span], the longest [span].
        half ≤ [span]
        95 % ≤ [span]
        99 % ≤ [span]
        10 replies: half took at most [span], 95 % at most [span], 99 % at most [span]. The shortest took [span], the longest [span].
        ");
    });
    for drawing in page.all("svg").iter().filter(|svg| svg.attributes.contains_key("role")) {
        let named = drawing.attributes["aria-labelledby"].split(' ').all(|id| page.ids().contains(id));
        assert!(named && drawing.attributes["role"] == "img", "{drawing:?}");
    }
    // Each pattern that something is filled with is there.
    let fills = page.tags.iter().filter_map(|tag| tag.attributes.get("fill"));
    for fill in fills {
        let pattern = fill.strip_prefix("url(#").and_then(|fill| fill.strip_suffix(')')).unwrap();
        assert!(page.ids().contains(pattern), "{fill}");
    }
}

#[test]
fn the_schedule_has_every_target_and_the_rest_stands_behind_it() {
    let sandbox = run();
    let page = certificate(&sandbox, &[]);
    settings().bind(|| {
        assert_snapshot!(page.lines("5Schedule of all targets", "").join("\n"), @r"
        5Schedule of all targets
        Times are UTC. The API id is the one in the API’s reply. Evidence is how the outcome is known, as explained below the table.
        No. | Datasource | Outcome | First attempt | Settled | Attempts | API id | Evidence
        1 | acme (OFF-1: contract ended) | ✓ deleted | [moment] | [moment] | 2 | 6f1c2d3e-0000-4000-8000-000000000001 | absent from listing
        2 | doubted (OFF-2) | ✓ deleted unconfirmed | [moment] | [moment] | 2 | – | absent from listing
        3 | missing | – not found | [moment] | [moment] | 1 | – | refused
        4 | used | – in use | [moment] | [moment] | 1 | – | refused
        5 | refused | – rejected | [moment] | [moment] | 1 | – | refused
        6 | failing | – failed | [moment] | [moment] | 3 | – | still listed
        7 | prod-1 | – skipped | – | [moment] | 0 | – | rule
        acknowledged: the API replied that it deleted it
        absent from listing: a listing that was read after the attempts did not hold the name
        still listed: that listing still held the name
        not found after doubt: the API did not find it after an attempt without a clear reply
        not found after redelivery: the API did not find it; another worker had received the same message before, and its log shows what it did
        refused: the API replied that it did not delete it
        no clear answer: no attempt got a clear reply
        audit log: the audit log holds an earlier outcome of the same name
        rule: a rule kept it from being sent
        queue: the message that names it is on its queue again
        6Integrity
        This page was made from the audit log, in which each record holds the SHA-256 of the one before. Before the page was made, the log was checked: every record matches its hash, and its records fit together. What a record says rests on the program that wrote it, on the API’s replies and on the clock of the machine.
        Audit log: [log]
        The run’s last record: no. 33, [moment] UTC ([sha256])
        The log at the time of issue: 33 records; hash of the last one ([sha256])
        Certificate id: [id] (the first 16 digits of the SHA-256 over the run’s id and the hash of its last record, each followed by a line feed)
        Requests: 10 attempts, of which 4 repeated an earlier one (the result of each is in the log)
        Listing afterwards: read by [time] UTC, with 5 names (no deleted datasource is among them)
        Service token: [id] (a keyed fingerprint; the log does not hold the token)
        Checkpoint
        None was looked for: no folder of checkpoints was given (--checkpoint-dir). So nothing here shows that the end of the log was not cut off, or that the log was not written again as a whole.
        How to check it
        This command needs the audit log. It finds records that were changed, inserted or removed. Without a checkpoint it finds neither a log that was cut off at its end nor one that was written again as a whole.
        decom audit verify --audit-db decom-audit.db
        7Controls supported
        What this is not. This is logical deletion through the provider’s API, not media sanitisation: NIST SP 800-88 is not claimed. A deleted datasource is a configuration in Databrain with its cached schemas; the database that it pointed to was not touched. This record does not show what the provider keeps in backups, replicas or logs of its own.
        The record supports these controls as evidence. Whether a control is met is for its assessor to say.
        Framework | Control | What this record contributes
        NIST SP 800-53 Rev. 5 | AU-3 Content of audit records | for each request: what, when, where, by whom as stated, and how it ended
        NIST SP 800-53 Rev. 5 | AU-9 Protection of audit information | a log in which each record holds the SHA-256 of the one before, so that a change within it is found; nothing here shows that its end was not cut off, or that it was not written again as a whole
        PCI DSS v4.0.1 | Requirement 10 | who did what as stated, when, to which object and with which result (10.2)
        SOC 2 (Trust Services Criteria) | CC6.5 | what was decommissioned, who carried it out as stated, and what was left
        ISO/IEC 27001:2022 | A.8.10 Information deletion | which deletions were carried out, and the exceptions
        ISO/IEC 27001:2022 | A.8.15 Logging | a log of the requests that can be checked and analysed
        GDPR | Article 5(2) Accountability | a record with which the controller can show what was done
        GDPR | Article 17 Right to erasure | which configurations were deleted, and when
        8Signatures
        Operator
        Name: Ann
        Signature:
        Date:
        Approver
        Name:
        Signature:
        Date:
        Certificate of deletion [id], issued [issued] UTC by decom 0.2.0 from the audit log. The same log, checkpoints, settings and time of issue give the same bytes.
        ");
    });
}

/// Texts that would mean something to a browser, to a terminal or to the eye.
const AWKWARD: &[&str] = &[
    "<script>alert(1)</script>",
    "</td></table><b>free</b>",
    "\" onmouseover=\"alert(1)",
    "' & &amp; &lt;",
    "<!-- --> <style>*{display:none}</style>",
    "invoice\u{202e}fdp.exe",
    "line\u{2028}separator\u{2029}s",
    "zero\u{200b}width\u{feff}",
    "two  spaces and a \u{5e9}\u{5dc}\u{5d5}\u{5dd}",
];

#[test]
fn nothing_breaks_out_of_its_place_whatever_it_is_called() {
    let estate = Estate::of(AWKWARD);
    let quoted: Vec<_> = AWKWARD.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    let rows: Vec<_> = quoted.iter().map(|text| format!("{text},{text},{text}\n")).collect();
    estate.sandbox.file("a<b>&\"c\".csv", format!("name,reason,ticket\n{}", rows.concat()));
    let flags = ["run", "a<b>&\"c\".csv", "--yes", "--max-share", "100", "--operator", AWKWARD[0]];
    let more = ["--reason", AWKWARD[2], "--ticket", AWKWARD[5]];
    assert_eq!(estate.decom(&[&flags[..], &more].concat()).run().code, 0);
    let mut command = estate.sandbox.decom(&["report", "--format", "html"]);
    let page = page_of(command.env("DECOM_REPORT_ORGANISATION", AWKWARD[4]));

    // Read strictly, it is the page that it is with plain names.
    let names: Vec<_> = (0..AWKWARD.len()).map(|number| format!("plain-{number}")).collect();
    let plain = Estate::with(names.clone(), decom::emulator::Faults::none());
    plain.sandbox.file(
        "plain.csv",
        format!(
            "name,reason,ticket\n{}\n",
            names.iter().map(|n| format!("{n},{n},{n}")).collect::<Vec<_>>().join("\n")
        ),
    );
    let flags = ["run", "plain.csv", "--yes", "--max-share", "100", "--reason", "x", "--ticket", "x"];
    assert_eq!(plain.decom(&flags).run().code, 0);
    let mut command = plain.sandbox.decom(&["report", "--format", "html"]);
    let other = page_of(command.env("DECOM_REPORT_ORGANISATION", "x"));
    let outline = |page: &Page| {
        // How many bars there are, and the marks along the axes, is a matter of time.
        let drawn = ["rect", "line", "text", "g", "title", "li", "ul", "span"];
        let kept = page.tags.iter().filter(|tag| !drawn.contains(&tag.name.as_str()));
        kept.map(|tag| tag.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(outline(&page), outline(&other));

    for hidden in ['\u{202e}', '\u{2028}', '\u{2029}', '\u{200b}', '\u{feff}'] {
        assert!(!page.source.contains(hidden), "{hidden:?} cannot be seen");
    }
    let text = page.text();
    for name in AWKWARD {
        assert!(text.contains(&*decom::report::visible(name)), "{name:?} is shown: {text}");
    }
    // Only by the style sheet.
    assert!(page.source.contains(".name { white-space: pre-wrap; }"), "spaces count in a name");
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = certificate(&run(), &[]);
    let elements =
        ["script", "link", "img", "iframe", "object", "embed", "audio", "video", "form", "a", "use", "base"];
    for element in elements {
        assert!(page.all(element).is_empty(), "<{element}>");
    }
    for tag in &page.tags {
        for (attribute, value) in &tag.attributes {
            assert!(!["src", "href", "srcset", "style", "action"].contains(&attribute.as_str()), "{tag:?}");
            assert!(!attribute.starts_with("on"), "{tag:?}");
            assert!(!value.contains("://"), "{tag:?}");
        }
    }
    let (_, style) = page.source.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    for word in ["@import", "@font-face", "url(", "//", "<"] {
        assert!(!style.contains(word), "{word} in the style sheet");
    }
    let policy =
        page.all("meta").into_iter().find(|meta| meta.attributes.contains_key("http-equiv")).unwrap();
    assert!(policy.attributes["content"].starts_with("default-src 'none';"), "{policy:?}");
}

#[test]
fn only_the_style_sheet_is_not_escaped() {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| line.contains("PreEscaped(")).map(str::trim);
                found.extend(lines.map(str::to_owned));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert_eq!(
        found,
        ["style { (PreEscaped(STYLE)) (PreEscaped(frame.style)) (PreEscaped(margins(frame))) }"]
    );
}

#[test]
fn it_all_adds_up() {
    let sandbox = run();
    let page = certificate(&sandbox, &[]);
    let digits =
        |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u64>().unwrap();
    let cells = |line: &String| line.split(" | ").map(str::to_owned).collect::<Vec<_>>();
    let table = page.lines("Outcome | Targets | Share | Meaning", "3Exceptions");
    let rows: Vec<_> = table[1..].iter().map(cells).collect();
    let (sum, outcomes) = rows.split_last().unwrap();
    let planned: u64 = column(&sandbox.log(), "SELECT planned FROM runs")[0].parse().unwrap();
    assert_eq!((sum[0].as_str(), digits(&sum[1])), ("Sum", planned));
    assert_eq!(outcomes.iter().map(|row| digits(&row[1])).sum::<u64>(), planned);
    for row in outcomes {
        let counted = column(&sandbox.log(), &format!("SELECT {} FROM runs", row[0]));
        assert_eq!(counted, [digits(&row[1]).to_string()], "{row:?}");
    }
    let schedule = page.lines("5Schedule of all targets", "6Integrity");
    let scheduled = schedule.iter().filter(|line| line.split(" | ").count() == 8).count() as u64;
    assert_eq!(scheduled, planned + 1, "a row for each, and the head");
    let listed = page.lines("3Exceptions", "4Figures");
    let listed =
        listed.iter().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(" | "));
    let exceptions = listed.count() as u64;
    // All but the one that was deleted; the one that was deleted without confirmation is a remark.
    assert_eq!(exceptions, planned - 1);
    let sentence = page.lines("", "1Run");
    let sentence = sentence.iter().find(|line| line.starts_with("The run is finished")).unwrap();
    assert_eq!(
        sentence.replace('\u{a0}', " "),
        "The run is finished. 1 of 7 datasources was deleted; 1 is gone after an attempt without a clear reply; 5 are \
         exceptions."
    );
}
