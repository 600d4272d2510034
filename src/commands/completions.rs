//! `decom completions`: the script that lets a shell complete decom's commands and flags.

use clap::builder::Str;
use clap::{Arg, Command, ValueHint};
pub use clap_complete::Shell;

use super::CommandError;
use super::output::to_stdout;
use crate::domain::ExitStatus;

/// What `decom completions` is asked for.
#[derive(Debug, Clone, Copy)]
pub struct CompletionsRequest {
    pub shell: Shell,
}

/// Prints the completions of `program`, the whole command line.
///
/// # Errors
/// If standard output cannot be written.
pub fn completions(request: CompletionsRequest, program: Command) -> Result<ExitStatus, CommandError> {
    let mut program = with_hints(program);
    let name = program.get_name().to_owned();
    // Into memory first: the generator panics if its writer fails, as that of `| head` does.
    let mut script = Vec::new();
    clap_complete::generate(request.shell, &mut program, name, &mut script);
    to_stdout(|out| out.write_all(&script))?;
    Ok(ExitStatus::Done)
}

/// Adds to each argument what kind of value a shell may offer. The names of the values say it: they are the same in all
/// commands, so a new flag needs nothing here.
fn with_hints(command: Command) -> Command {
    command.mut_args(with_hint).mut_subcommands(with_hints)
}

fn with_hint(arg: Arg) -> Arg {
    if !arg.get_action().takes_values() || arg.get_num_args().is_some_and(|count| !count.takes_values()) {
        return arg;
    }
    let hint = match arg.get_value_names().and_then(<[_]>::first).map(Str::as_str) {
        Some("FILE" | "INPUT" | "LOG" | "PATH") => ValueHint::FilePath,
        Some("DIR") => ValueHint::DirPath,
        Some("URL") => ValueHint::Url,
        // Anything else is a number, a name or a text, for which no file is offered.
        _ => ValueHint::Other,
    };
    arg.value_hint(hint)
}
