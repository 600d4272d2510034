//! What decom brings for a shell: completions, tried in the shells themselves, and man pages, tried with man.

use std::process::{Command, Stdio};

use crate::support::{Sandbox, files_in, skipped};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn script(shell: &str) -> String {
    Sandbox::new().decom(&["completions", shell]).run().expect(0).stdout
}

/// What a program prints, or `None`, reported, if this machine does not have it.
fn output(test: &str, program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let Ok(output) = command.args(arguments).stdin(Stdio::null()).output() else {
        skipped(test, &format!("{program} is not installed"));
        return None;
    };
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success() && stderr.is_empty(), "{program} {arguments:?}: {stdout}{stderr}");
    Some(stdout)
}

#[test]
fn every_script_of_completions_names_the_commands_and_flags() {
    for shell in SHELLS {
        let script = script(shell);
        for word in ["rehearse", "checkpoint", "completions", "max-deletes", "allowed-signers"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn bash_completes_commands_flags_values_and_files() {
    let sandbox = Sandbox::new();
    let script = sandbox.file("decom.bash", script("bash"));
    sandbox.file("tokens.txt", "");
    // What bash itself does around the function: `compopt` works only within a real completion.
    let trial = r#"
        compopt() { :; }
        cd "${1%/*}" && source "$1"
        offer() {
            COMP_WORDS=(decom "$@"); COMP_CWORD=$#; COMPREPLY=()
            _decom decom "${@: -1}" "${@: -2:1}"
            echo "${COMPREPLY[*]}"
        }
        offer audit me; offer run --max-deletes-; offer run --log-format js; offer run --token-file tok
    "#;
    let arguments = ["--norc", "-c", trial, "bash", script.to_str().unwrap()];
    let offered = output("bash_completes_commands_flags_values_and_files", "bash", &arguments);
    assert_eq!(offered.unwrap(), "merge\n--max-deletes-per-day\njson\ntokens.txt\n");
}

#[test]
fn fish_completes_commands_and_describes_flags() {
    let sandbox = Sandbox::new();
    let script = sandbox.file("decom.fish", script("fish"));
    let trial = r#"source $argv[1]; complete -C "decom audit me"; complete -C "decom run --max-att""#;
    let arguments = ["--no-config", "-c", trial, script.to_str().unwrap()];
    if let Some(offered) = output("fish_completes_commands_and_describes_flags", "fish", &arguments) {
        let expected = "merge\tPut several logs into one new file, for reports\n\
            --max-attempts\tHow many attempts a target gets [default: 5]\n";
        assert_eq!(offered, expected);
    }
}

#[test]
fn zsh_reads_its_completions() {
    let sandbox = Sandbox::new();
    let script = sandbox.file("_decom", script("zsh"));
    output("zsh_reads_its_completions", "zsh", &["-f", "-n", script.to_str().unwrap()]);
}

#[test]
fn an_unknown_shell_is_refused_with_those_that_are_known() {
    let said = Sandbox::new().decom(&["completions", "tcsh"]).run().expect(2);
    assert!(said.stderr.contains("[possible values: bash, elvish, fish, powershell, zsh]"), "{said:?}");
}

#[test]
fn each_command_has_a_man_page_with_every_flag_of_its_help() {
    let sandbox = Sandbox::new();
    // The folder is made.
    sandbox.decom(&["man", "--out", "share/man1"]).run().expect(0);
    let pages = files_in(&sandbox.path("share/man1"));
    assert!(pages.len() > 15, "{pages:?}");
    for page in &pages {
        let name = page.strip_suffix(".1").unwrap();
        let text =
            std::fs::read_to_string(sandbox.path("share/man1").join(page)).unwrap().replace("\\-", "-");
        assert!(text.contains(&format!(".TH {} 1 ", name.to_uppercase())), "{page}: {text}");
        let mut arguments: Vec<_> = name.split('-').skip(1).collect();
        arguments.push("--help");
        let help = sandbox.decom(&arguments).run().expect(0).stdout;
        let is_flag = |word: &&str| word.starts_with("--") && word.len() > 2;
        for flag in help.lines().filter_map(|line| line.split([' ', ',']).find(is_flag)) {
            assert!(text.contains(flag), "{page}: {flag}");
        }
        assert!(name == "decom" || text.contains(".SH \"SEE ALSO\"\n\\fBdecom\\fR(1)"), "{page}: {text}");
    }
    let main = std::fs::read_to_string(sandbox.path("share/man1/decom.1")).unwrap();
    assert_eq!(sandbox.decom(&["man"]).run().expect(0).stdout, main, "what is printed is the same page");
    assert!(main.contains(".SH \"EXIT CODES\"\n.nf\n  0    every target is gone\n"), "{main}");
    // Written again over the old ones.
    sandbox.decom(&["man", "--out", "share/man1"]).run().expect(0);
    assert_eq!(files_in(&sandbox.path("share/man1")), pages);
}

#[test]
fn man_shows_the_pages_without_a_warning() {
    const NAME: &str = "man_shows_the_pages_without_a_warning";
    let sandbox = Sandbox::new();
    sandbox.decom(&["man", "--out", "."]).run().expect(0);
    for page in files_in(&sandbox.path(".")).iter().filter(|page| page.ends_with(".1")) {
        let path = sandbox.path(page);
        let arguments = ["--warnings", "--local-file", path.to_str().unwrap()];
        let Some(shown) = output(NAME, "man", &arguments) else { return };
        assert!(shown.contains(&format!("{}(1)", page.trim_end_matches(".1").to_uppercase())), "{shown}");
    }
}

#[test]
fn a_folder_for_man_pages_that_is_a_file_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.file("man1", "");
    let said = sandbox.decom(&["man", "--out", "man1"]).run().expect(2);
    assert_eq!(
        said.message(),
        "man1: cannot make this folder: File exists (os error 17); name another with --out"
    );
}
