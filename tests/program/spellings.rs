//! Names and patterns that are spelled in another way than what exists: protected, or hinted at.

use crate::support::{Estate, Output, column};

fn run(estate: &Estate, flags: &[&str]) -> Output {
    estate.decom(&["run", "names.csv", "--yes", "--log-format", "text"]).args(flags).run()
}

#[test]
fn what_looks_like_a_match_of_a_protected_pattern_is_never_sent() {
    for (pattern, name) in [
        ("prod-*", "prod\u{2013}eu"),
        ("prod\u{2013}*", "prod-eu"),
        (" prod-* ", "prod-eu"),
        ("prod-*", " prod-eu"),
        ("'prod-*'", "prod-eu"),
        ("prod-*", "pr\u{ad}od-eu"),
        ("Cafe\u{301}*", "Café am Markt"),
        ("Café*", "Cafe\u{301} am Markt"),
        ("O'Neill", "O\u{2019}Neill"),
        ("prod eu", "prod\u{a0}eu"),
        ("prod-*", "pr\u{43e}d-eu"),
        ("prod-[0-9]", "pr\u{3bf}d-7"),
        ("prod--eu", "prod\u{2014}eu"),
        ("prod eu", "prod\u{200b}eu"),
        ("a/b", "a\u{2215}b"),
        ("a|b", "a\u{1c0}b"),
        ("O'Neill", "O\u{5f3}Neill"),
        ("acme eu", "'acme eu"),
    ] {
        let estate = Estate::of(&[name, "acme", "other", "more"]);
        estate.sandbox.file("names.csv", format!("name\nacme\n{name}\n"));
        let run = run(&estate, &["--protect", pattern]);
        assert_eq!(run.code, 1, "{pattern:?} {name:?}: {run:?}");
        assert_eq!(estate.deletes(), [("acme".to_owned(), true)], "{pattern:?} {name:?}");
        let why = column(&estate.sandbox.log(), "SELECT message FROM results WHERE outcome = 'skipped'");
        assert_eq!(why, [format!("looks like a match of the protected pattern `{pattern}`")], "{name:?}");
        let warning = format!(
            "1 name is protected only because it looks like a match of a protection pattern: `{name}`, pattern `{pattern}`"
        );
        assert!(run.stderr.contains(&warning), "{run:?}");
    }
}

#[test]
fn a_pattern_that_no_name_can_match_is_refused_wherever_it_is_from() {
    let estate = Estate::of(&["acme", "prod-eu", "other", "more"]);
    estate.sandbox.file("names.csv", "name\nacme\n");
    estate.sandbox.file("decom.toml", "[safety]\nprotect = [\"prod-*\\nbilling\"]\n");
    let expected = "protection pattern `prod-*\\nbilling` holds the control character U+000A at character 7, which no name has; give each pattern by itself";
    for flags in [&["--protect", "prod-*\nbilling"][..], &["--config", "decom.toml"]] {
        let refused = run(&estate, flags);
        assert_eq!((refused.code, refused.message()), (2, expected), "{refused:?}");
    }
    let variable = estate.decom(&["run", "names.csv", "--yes"]).env("DECOM_PROTECT", "prod\t-*").run();
    assert_eq!(variable.code, 2, "{variable:?}");
    assert_eq!(estate.emulator.tally().requests, 0);
    assert!(!estate.sandbox.log().exists());
}

/// Reported of other tools: actions/languageservices#295, bxb100/action-upload#110.
#[test]
fn patterns_in_a_variable_are_separated_by_commas_or_line_breaks() {
    let names = ["acme", "prod-eu", "billing", "o1", "o2", "o3", "o4"];
    let estate = Estate::of(&names);
    estate.sandbox.file("names.csv", "name\nacme\nprod-eu\nbilling\n");
    let run = estate.decom(&["run", "names.csv", "--yes"]).env("DECOM_PROTECT", "prod-*\nbilling\n").run();
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(estate.deletes(), [("acme".to_owned(), true)]);
}

#[test]
fn patterns_that_protect_nothing_are_warned_about() {
    let estate = Estate::of(&["acme", "prod-eu", "PROD-us", "other", "more", "rest"]);
    estate.sandbox.file("names.csv", "name\nacme\nPROD-us\n");
    let flags =
        ["--dry-run", "--protect", "prod-*", "--protect", "prdo-*", "--protect", "x*", "--protect", "acme"];
    let shown = run(&estate, &flags);
    assert_eq!(shown.code, 0, "{shown:?}");
    let warnings: Vec<_> = shown.stderr.lines().filter(|line| line.contains("WARN")).collect();
    let [case, first, second] = warnings[..] else { panic!("{warnings:?}") };
    assert!(
        case.ends_with("1 name that a protection pattern matches but for case is not protected: `PROD-us`, pattern `prod-*`"),
        "{case}"
    );
    for (warning, pattern) in [(first, "prdo-*"), (second, "x*")] {
        let expected = format!(
            "protection pattern `{pattern}` matches nothing, neither in the input nor among the datasources that exist; check how it is spelled"
        );
        assert!(warning.ends_with(&expected), "{warning}");
    }
}

#[test]
fn without_a_listing_a_pattern_that_protects_nothing_in_the_input_is_warned_about() {
    let estate = Estate::of(&["acme", "prod-eu"]);
    estate.sandbox.file("names.csv", "name\nacme\n");
    let run = run(&estate, &["--max-share", "100", "--protect", "prod%"]);
    assert_eq!(run.code, 0, "{run:?}");
    let expected = "protection pattern `prod%` matches nothing in the input (what exists was not checked); check how it is spelled";
    assert!(run.stderr.contains(expected), "{run:?}");
}

#[test]
fn a_name_that_nearly_exists_is_hinted_at() {
    let exist = ["Acme", "O'Neill", "a-b", "Café", "spaced", "two words", "-legacy", "joined-up"];
    let estate = Estate::of(&exist);
    let names = [
        "acme",
        "O’Neill",
        "a–b",
        "Cafe\u{301}",
        "spaced ",
        "two\u{a0}words",
        "'-legacy",
        "joined_up",
        "gone",
    ];
    estate.sandbox.file("names.csv", format!("name\n{}\n", names.join("\n")));
    let shown = estate.decom(&["plan", "names.csv", "--max-share", "100"]).run();
    assert_eq!(shown.code, 0, "{shown:?}");
    let hints: Vec<_> = shown.stdout.lines().filter(|line| line.contains("differs in")).collect();
    assert_eq!(
        hints,
        [
            "(dry run)       `acme` does not exist; `Acme` does, and differs in case",
            "(dry run)       `O’Neill` does not exist; `O'Neill` does, and differs in quotes",
            "(dry run)       `a–b` does not exist; `a-b` does, and differs in dashes",
            "(dry run)       `Cafe\u{301}` does not exist; `Café` does, and differs in Unicode form",
            "(dry run)       `spaced ` does not exist; `spaced` does, and differs in white space",
            "(dry run)       `two\u{a0}words` does not exist; `two words` does, and differs in white space",
            "(dry run)       `'-legacy` does not exist; `-legacy` does, and differs in an apostrophe in front",
            "(dry run)       `joined_up` does not exist; `joined-up` does, and differs in what joins its words",
        ]
    );
}

/// Reported of other tools: frappe/frappe#41945, hhurz/tableExport.jquery.plugin#296, getodk/central#752.
#[test]
fn a_report_read_as_an_input_names_the_same_datasources_or_hints_at_them() {
    let names = ["-legacy-eu", "=sum", "@beta", "+33-partner", "Köln GmbH"];
    let estate = Estate::of(&[&names[..], &["o1", "o2", "o3", "o4", "o5", "o6", "o7"]].concat());
    estate.sandbox.file("names.csv", format!("name\n{}\n", names.join("\n")));
    assert_eq!(run(&estate, &["--protect", "*"]).code, 1);
    let report = estate.sandbox.decom(&["report", "--format", "csv"]).run();
    estate.sandbox.file("report.csv", report.stdout);
    let shown = estate.decom(&["plan", "report.csv"]).run();
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.stdout.contains("1 of them exists, of 12"), "{}", shown.stdout);
    for name in &names[..4] {
        let hint = format!("`'{name}` does not exist; `{name}` does, and differs in an apostrophe in front");
        assert!(shown.stdout.contains(&hint), "{hint}: {}", shown.stdout);
    }
}
