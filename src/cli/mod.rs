//! The command line: arguments, and the requests that they become.

mod args;
mod audit;
mod flags;
mod help;
mod inspect;
mod period;
mod show;
mod suggestion;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use serde_json::json;

use crate::commands::{self, Interrupts, World};
use crate::config::Environment;
use crate::domain::{ExitStatus, SystemClock};
use crate::report::visible;
use args::Cli;

/// No command opens more files than this.
const MOST_FILES: u64 = 8192;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    forbid_dumps();
    raise_file_limit();
    let mut command = help::arranged(Cli::command());
    let parsed = command.try_get_matches_from_mut(std::env::args_os()).and_then(|matches| {
        let is_json = asks_for_json(&matches);
        Cli::from_arg_matches(&matches).map(|cli| (cli, is_json))
    });
    let (cli, is_json) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let words: Vec<_> = std::env::args().skip(1).collect();
            let error = suggestion::safe(error, &mut command, &words);
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // If neither stdout nor stderr can be written, only the exit code is left.
            let _ = error.print();
            let status = if asked { ExitStatus::Done } else { ExitStatus::Usage };
            if !asked && words.iter().any(|word| word == "--json") {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                print_json(first.strip_prefix("error: ").unwrap_or(first), status);
            }
            return ExitCode::from(status.code());
        }
    };
    let stderr_is_terminal = io::stderr().is_terminal();
    let interrupts = match Interrupts::listen() {
        Ok(interrupts) => interrupts,
        Err(error) => {
            let _ = writeln!(io::stderr(), "decom: cannot listen for signals: {error}");
            return ExitCode::from(ExitStatus::Usage.code());
        }
    };
    let world = World {
        environment: Environment::of(std::env::vars_os()),
        clock: Arc::new(SystemClock),
        can_ask: commands::can_ask(
            stderr_is_terminal || io::stdin().is_terminal() || io::stdout().is_terminal(),
        ),
        stderr_is_terminal,
        interrupts,
    };
    let status = cli.execute(&world).unwrap_or_else(|error| {
        // A message may quote a file or a log, which a terminal must not obey.
        let error_text = error.to_string();
        let lines: Vec<_> = error_text.split('\n').map(visible).collect();
        let _ = writeln!(io::stderr(), "decom: {}", lines.join("\n"));
        if is_json && !error.follows_output() {
            print_json(&error_text, error.exit());
        }
        error.exit()
    });
    ExitCode::from(status.code())
}

/// Returns true if the command is to print JSON.
fn asks_for_json(matches: &ArgMatches) -> bool {
    let mut leaf = matches;
    while let Some((_, inner)) = leaf.subcommand() {
        leaf = inner;
    }
    // A command without the flag has no such argument, which is an error here.
    let has_flag = leaf.try_get_one::<bool>("json").ok().flatten().is_some_and(|json| *json);
    let mut forms = leaf.try_get_raw("output").ok().flatten().into_iter().flatten();
    has_flag || forms.any(|form| form == "json")
}

/// Prints, in the place of a result, why there is none. That stdout is closed does not change how the process ends.
fn print_json(message: &str, status: ExitStatus) {
    let object = json!({ "error": { "message": message, "exit_code": status.code() } });
    let _ = writeln!(io::stdout(), "{object}");
}

/// Opens the way for as many connections as the system allows: shells set the soft limit to 1024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(MOST_FILES, |maximum| maximum.min(MOST_FILES));
    if current.is_some_and(|current| current < wanted) {
        // If this fails, the old limit stays, and a command that needs more is refused.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// Keeps the token out of core dumps, and out of reach of the other processes of the same user.
fn forbid_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Neither can fail: a limit may always be lowered.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
