//! The command line: arguments, and the requests that they become.

mod args;
mod audit;
mod flags;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use clap::error::ErrorKind;

use crate::commands::{Interrupts, World};
use crate::config::Environment;
use crate::domain::{ExitStatus, SystemClock};
use crate::report::visible;
use args::Cli;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    forbid_dumps();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // If neither stdout nor stderr can be written, only the exit code is left.
            let _ = error.print();
            let status = if asked { ExitStatus::Done } else { ExitStatus::Usage };
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
        can_ask: io::stdin().is_terminal() && stderr_is_terminal,
        stderr_is_terminal,
        interrupts,
    };
    let status = cli.execute(&world).unwrap_or_else(|error| {
        // A message may quote a file or a log, which a terminal must not obey.
        let error_text = error.to_string();
        let lines: Vec<_> = error_text.split('\n').map(visible).collect();
        let _ = writeln!(io::stderr(), "decom: {}", lines.join("\n"));
        error.exit()
    });
    ExitCode::from(status.code())
}

/// Keeps the token out of core dumps, and out of reach of the other processes of the same user.
fn forbid_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Neither can fail: a limit may always be lowered.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
