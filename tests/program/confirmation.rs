//! The question before a run, on a real pseudo-terminal: what it shows, and that only the phrase
//! means yes.

use decom::emulator::{EmulatorOptions, Faults};
use rexpect::process::WaitStatus;
use rexpect::reader::Options;
use rexpect::session::PtySession;

use crate::support::{Estate, Reply, Server, TOKEN, column};

/// By the emulator's first seed t-03, t-04, t-05 and wayne are in use.
const THERE: &[&str] = &[
    "t-01", "t-02", "t-03", "t-04", "t-05", "t-06", "wayne", "t-08", "other-1", "other-2", "other-3",
    "other-4", "other-5", "other-6", "other-7", "other-8", "other-9",
];
const NAMES: &str = "name\nt-01\nt-02\nt-03\nt-04\nnowhere\nt-05\nwayne\nt-06\nt-08\n";

fn estate() -> Estate {
    let names = THERE.iter().map(|name| (*name).to_owned()).collect();
    let estate = Estate::with(names, "in-use=30%".parse::<Faults>().unwrap());
    estate.sandbox.file("names.csv", NAMES);
    estate
}

/// Where the API is, as it is shown.
fn host(estate: &Estate) -> &str {
    estate.emulator.base_url().strip_prefix("http://").unwrap()
}

/// `decom` on a terminal of its own.
fn on_terminal(estate: &Estate, arguments: &[&str]) -> PtySession {
    let mut decom = estate.decom(arguments);
    decom.env("TERM", "xterm");
    decom.on_terminal(Options::new().strip_ansi_escape_codes(true))
}

/// Waits for the question and returns what is shown before it, and the phrase that is asked for.
fn asked(terminal: &mut PtySession) -> (String, String) {
    let shown = terminal.exp_string("To continue, type `").unwrap();
    let phrase = terminal.exp_string("`: ").unwrap();
    (shown, phrase)
}

/// The exit code, once all that is said has been read.
fn code(terminal: &mut PtySession) -> (i32, String) {
    let said = terminal.exp_eof().unwrap();
    match terminal.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => (code, said),
        other => panic!("{other:?}: {said}"),
    }
}

fn assert_not_begun(estate: &Estate) {
    assert_eq!(estate.deletes(), []);
    assert_eq!(column(&estate.sandbox.log(), "SELECT run_id FROM runs"), [""; 0]);
    // And the log is free again.
    let yes = estate.decom(&["run", "names.csv", "--yes"]).run();
    assert_eq!(yes.code, 1, "not all of them can be deleted: {yes:?}");
}

#[test]
fn the_right_phrase_after_all_is_shown() {
    let estate = estate();
    let mut terminal = on_terminal(&estate, &["run", "names.csv", "--protect", "t-08"]);
    let (shown, phrase) = asked(&mut terminal);
    assert_eq!(phrase, format!("delete 8 on {}", host(&estate)));
    for wanted in [
        &format!("9 datasources on {}", host(&estate)),
        "  8 to delete\r\n      t-01\r\n      t-02\r\n      t-03\r\n",
        " 2 more ",
        "\r\n      t-05\r\n      wayne\r\n      t-06\r\n  7 of them exist",
        "  7 of them exist, of 17 datasources in all\r\n",
        "  1 does not exist\r\n      nowhere\r\n",
        "  4 in use, which the API refuses\r\n      t-03  used by ",
        "  1 protected and skipped\r\n      t-08  matches the protected pattern `t-08`\r\n",
    ] {
        assert!(shown.contains(wanted), "`{wanted}` is not in:\n{shown}");
    }
    assert_eq!(estate.deletes(), [], "before it was answered");
    terminal.send_line(&phrase).unwrap();
    let (code, said) = code(&mut terminal);
    assert_eq!(code, 1, "not all of them can be deleted: {said}");
    let mut sent: Vec<_> = estate.deletes().into_iter().map(|(name, _)| name).collect();
    sent.sort();
    assert_eq!(sent, ["nowhere", "t-01", "t-02", "t-03", "t-04", "t-05", "t-06", "wayne"]);
}

/// Whoever is asked is shown what there is to decide, with whatever flags.
#[test]
fn nothing_hides_what_is_asked_about() {
    for flags in [&["--max-share", "100"][..], &["--quiet"], &["--max-share", "100", "--quiet"]] {
        let estate = estate();
        let mut terminal = on_terminal(&estate, &[&["run", "names.csv"], flags].concat());
        let (shown, phrase) = asked(&mut terminal);
        for wanted in ["  9 to delete\r\n", "  1 does not exist\r\n", "  4 in use, "] {
            assert!(shown.contains(wanted), "{flags:?}: `{wanted}` is not in:\n{shown}");
        }
        terminal.send_line(&phrase).unwrap();
        assert_eq!(code(&mut terminal).0, 1);
    }
    // Where nothing can be read, it is asked all the same.
    let estate = estate();
    let server = Server::deleting();
    server.answer_listing(|_| Reply::status(404));
    let mut decom = estate.sandbox.decom(&["run", "names.csv", "--max-share", "100"]);
    decom.args(["--base-url", &server.url()]).env("TERM", "xterm");
    let mut terminal = decom.on_terminal(Options::new().strip_ansi_escape_codes(true));
    let (shown, _) = asked(&mut terminal);
    assert!(shown.contains("existence was not checked: the listing could not be read"), "{shown}");
}

/// The question of a plan shows which it is and who approved it; and its time goes on meanwhile.
#[test]
fn a_plan_that_expires_at_the_question() {
    for seconds in ["2s", "4s", "8s", "16s", "32s"] {
        let estate = Estate::of(&["acme", "globex", "zeta", "other-1", "other-2", "other-3", "other-4"]);
        let plan = crate::plan_runs::planned(&estate, &["--valid-for", seconds]);
        let digest = decom::plan::SavedPlan::read(&plan).unwrap().0.digest;
        let mut terminal = on_terminal(&estate, &["run", "--plan", "plan.json"]);
        let Ok(shown) = terminal.exp_string("To continue, type `") else {
            // It was over before the question came.
            continue;
        };
        let phrase = terminal.exp_string("`: ").unwrap();
        assert!(shown.contains(&format!("  plan {digest}\r\n  not approved\r\n")), "{shown}");
        let is_over = || {
            let shown = estate.sandbox.decom(&["plan", "--show", "plan.json"]).run();
            shown.stdout.contains("EXPIRED at")
        };
        while !is_over() {}
        terminal.send_line(&phrase).unwrap();
        let (code, said) = code(&mut terminal);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("the plan expired at "), "{said}");
        assert_eq!(estate.deletes(), []);
        assert_eq!(column(&estate.sandbox.log(), "SELECT run_id FROM runs"), [""; 0]);
        return;
    }
    panic!("half a minute is not enough to be asked");
}

#[test]
fn the_right_phrase_at_the_third_try() {
    let estate = estate();
    let mut terminal = on_terminal(&estate, &["run", "names.csv"]);
    let (_, phrase) = asked(&mut terminal);
    terminal.send_line("yes").unwrap();
    terminal.exp_string("That does not match; two attempts left.").unwrap();
    asked(&mut terminal);
    terminal.send_line(&phrase.to_uppercase()).unwrap();
    terminal.exp_string("That does not match; one attempt left.").unwrap();
    asked(&mut terminal);
    assert_eq!(estate.deletes(), []);
    terminal.send_line(&phrase).unwrap();
    assert_eq!(code(&mut terminal).0, 1);
    assert_eq!(estate.deletes().len(), 9);
}

#[test]
fn what_does_not_mean_yes() {
    let phrases = |answer: &str| vec![answer.to_owned(); 3];
    let estate_of = |answers: Vec<String>| {
        let estate = estate();
        let mut terminal = on_terminal(&estate, &["run", "names.csv"]);
        for answer in answers {
            asked(&mut terminal);
            terminal.send_line(&answer).unwrap();
            terminal.exp_string("That does not match; ").unwrap();
        }
        let (code, said) = code(&mut terminal);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("decom: not confirmed; nothing was sent"), "{said}");
        assert_not_begun(&estate);
    };
    for answer in ["", "y", "yes", "delete 9", "delete 10 on api.usedatabrain.com"] {
        estate_of(phrases(answer));
    }
}

#[test]
fn the_end_of_the_input_is_no_answer() {
    for typed in ["", "delete 9 on"] {
        let estate = estate();
        let mut terminal = on_terminal(&estate, &["run", "names.csv"]);
        asked(&mut terminal);
        terminal.send(typed).unwrap();
        terminal.flush().unwrap();
        // The first one hands over what is typed, the second one is the end.
        terminal.send_control('d').unwrap();
        terminal.send_control('d').unwrap();
        let (code, said) = code(&mut terminal);
        assert_eq!(code, 3, "{said}");
        assert_not_begun(&estate);
    }
}

#[test]
fn ctrl_c_at_the_question() {
    let estate = estate();
    let mut terminal = on_terminal(&estate, &["run", "names.csv"]);
    asked(&mut terminal);
    terminal.send_control('c').unwrap();
    terminal.exp_eof().unwrap();
    // Shells make 130 of it.
    let ended = terminal.process().wait().unwrap();
    let interrupted = matches!(ended, WaitStatus::Signaled(_, signal, _) if signal as i32 == 2);
    assert!(interrupted || matches!(ended, WaitStatus::Exited(_, 130)), "{ended:?}");
    assert_not_begun(&estate);
}

#[test]
fn a_pipe_cannot_confirm() {
    let estate = estate();
    let phrase = format!("delete 9 on {}\n", host(&estate));
    let mut command = estate.decom(&["run", "names.csv"]);
    let refused = command.stdin(phrase).run();
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.message().contains("there is no terminal to confirm on; run again with --yes"));
    assert_not_begun(&estate);
}

/// What is confirmed is what was shown, whatever becomes of the file meanwhile.
#[test]
fn the_names_are_not_read_again() {
    let estate = estate();
    let mut terminal = on_terminal(&estate, &["run", "names.csv"]);
    let (_, phrase) = asked(&mut terminal);
    estate.sandbox.file("names.csv", "name\nother-1\nother-2\n");
    terminal.send_line(&phrase).unwrap();
    assert_eq!(code(&mut terminal).0, 1);
    let sent: Vec<_> = estate.deletes().into_iter().map(|(name, _)| name).collect();
    assert_eq!(sent.len(), 9);
    assert!(sent.iter().all(|name| NAMES.contains(name.as_str())), "{sent:?}");
}

#[test]
fn a_resumed_run_and_a_plan_are_asked_about_too() {
    // The canary is in use, and the rest is due.
    let estate = Estate::of_options(EmulatorOptions {
        in_workspaces: ["t-01".to_owned()].into(),
        faults: "in-use=30%".parse().unwrap(),
        ..EmulatorOptions::new(TOKEN, THERE.iter().map(|name| (*name).to_owned()))
    });
    estate.sandbox.file("names.csv", NAMES);
    assert_eq!(estate.decom(&["run", "names.csv", "--yes", "--canary", "1"]).run().code, 4);
    let sent = estate.deletes().len();
    let mut terminal = on_terminal(&estate, &["resume", "--protect", "t-02"]);
    let (shown, phrase) = asked(&mut terminal);
    assert_eq!(phrase, format!("delete 7 on {}", host(&estate)), "but for the one protected since");
    assert!(shown.contains("  7 to delete\r\n      t-03\r\n"), "{shown}");
    assert!(shown.contains("      wayne  used by "), "{shown}");
    terminal.send_control('d').unwrap();
    assert_eq!(code(&mut terminal).0, 3);

    assert_eq!(estate.decom(&["plan", "names.csv", "--out", "plan.json"]).run().code, 0);
    let mut terminal = on_terminal(&estate, &["run", "--plan", "plan.json"]);
    let (shown, phrase) = asked(&mut terminal);
    assert_eq!(phrase, format!("delete 9 on {}", host(&estate)));
    assert!(shown.contains("  9 to delete\r\n      nowhere\r\n      t-01\r\n      t-02\r\n"), "{shown}");
    terminal.send_control('d').unwrap();
    assert_eq!(code(&mut terminal).0, 3);
    assert_eq!(estate.deletes().len(), sent, "nobody confirmed");
}

/// `sh -c SCRIPT` on a terminal of its own, with `decom` in `$DECOM` and this API.
fn shell_on_terminal(estate: &Estate, script: &str) -> PtySession {
    let mut shell = estate.sandbox.program("sh");
    shell.args(["-c", script]).env("TERM", "xterm").env("DECOM", env!("CARGO_BIN_EXE_decom"));
    shell.env("DECOM_BASE_URL", estate.emulator.base_url()).env("DECOM_RATE", "unlimited");
    shell.on_terminal(Options::new().strip_ansi_escape_codes(true))
}

#[test]
fn the_terminal_is_asked_though_names_come_through_a_pipe_and_stderr_goes_to_a_file() {
    let estate = estate();
    let script = "cat names.csv | \"$DECOM\" run - 2> errors.txt";
    let mut terminal = shell_on_terminal(&estate, script);
    let (shown, phrase) = asked(&mut terminal);
    assert_eq!(phrase, format!("delete 9 on {}", host(&estate)));
    assert!(shown.contains("  9 to delete\r\n"), "what is asked about is shown where it is asked: {shown}");
    let effect = "9 names are sent: 4 will be deleted, 1 does not exist, 4 are in use.\r\n";
    assert!(shown.ends_with(effect), "{shown}");
    assert_eq!(estate.deletes(), []);
    terminal.send_line(&phrase).unwrap();
    let (_, said) = code(&mut terminal);
    assert_eq!(estate.deletes().len(), 9, "{said}");
    let errors = std::fs::read_to_string(estate.sandbox.path("errors.txt")).unwrap();
    assert!(errors.contains("  9 to delete\n"), "{errors}");
}

#[test]
fn no_question_without_any_stream_on_the_terminal() {
    let estate = estate();
    let script = "\"$DECOM\" run names.csv < /dev/null > out.txt 2> errors.txt; echo ended $?";
    let mut terminal = shell_on_terminal(&estate, script);
    terminal.exp_string("ended 3").unwrap();
    let errors = std::fs::read_to_string(estate.sandbox.path("errors.txt")).unwrap();
    assert!(errors.contains("there is no terminal to confirm on; run again with --yes"), "{errors}");
}

#[test]
fn names_from_the_keyboard_are_asked_for() {
    let estate = estate();
    let mut terminal = on_terminal(&estate, &["run", "-"]);
    terminal.exp_string("Reading names from the terminal").unwrap();
    terminal.send_line("name").unwrap();
    terminal.send_line("t-01").unwrap();
    terminal.send_control('d').unwrap();
    let (_, phrase) = asked(&mut terminal);
    assert_eq!(phrase, format!("delete 1 on {}", host(&estate)));
    terminal.send_line(&phrase).unwrap();
    assert_eq!(code(&mut terminal).0, 0);
}
