//! What is suggested for a word that is not a command or a flag. A suggestion never leads from something harmless to
//! something that deletes, or to a weaker guard.

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::domain::nearest;

/// Commands that delete, or let another process delete.
const DELETING: [&str; 5] = ["run", "resume", "retry", "work", "enqueue"];

/// Flags that take a check away, or make a success of what is none.
const WEAKENING: [&str; 8] = [
    "--yes",
    "--again",
    "--allow-http",
    "--allow-shared",
    "--force",
    "--ignore-not-found",
    "--no-listing-check",
    "--with-datamarts",
];

/// Words for what cannot be done.
const UNDO: [&str; 8] = ["undo", "restore", "rollback", "revert", "recover", "undelete", "unrun", "back-out"];

/// `error` with safe suggestions only.
pub(super) fn safe(mut error: Error, command: &mut Command, words: &[String]) -> Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (word, flag) = (context(ContextKind::InvalidSubcommand), context(ContextKind::InvalidArg));
    match error.kind() {
        ErrorKind::InvalidSubcommand if UNDO.contains(&word.to_ascii_lowercase().as_str()) => {
            let why = "deletion cannot be undone; `decom show NAME` tells what happened to a name";
            command.error(ErrorKind::InvalidSubcommand, why)
        }
        ErrorKind::InvalidSubcommand => {
            keep(&mut error, ContextKind::SuggestedSubcommand, &word, &DELETING);
            error
        }
        ErrorKind::UnknownArgument => {
            let flag = flag.split('=').next().unwrap_or_default();
            keep(&mut error, ContextKind::SuggestedArg, flag, &WEAKENING);
            // The one of clap names what it would suggest.
            error.insert(ContextKind::Usage, ContextValue::StyledStr(named(command, words).render_usage()));
            // That it could be a value, or that another command has it.
            error.remove(ContextKind::Suggested);
            error.remove(ContextKind::SuggestedCommand);
            error.remove(ContextKind::SuggestedSubcommand);
            error.remove(ContextKind::TrailingArg);
            error
        }
        _ => error,
    }
}

/// The command that these words name.
fn named(command: &Command, words: &[String]) -> Command {
    let inner = |found, word| Command::find_subcommand(found, word).unwrap_or(found);
    words.iter().fold(command, inner).clone()
}

/// Keeps of the suggestions the one that `word` begins, or is most likely a misspelling of, unless it is in `never`.
fn keep(error: &mut Error, kind: ContextKind, word: &str, never: &[&str]) {
    let suggested = match error.remove(kind) {
        Some(ContextValue::String(one)) => vec![one],
        Some(ContextValue::Strings(all)) => all,
        _ => Vec::new(),
    };
    let safe = || suggested.iter().map(String::as_str).filter(|one| !never.contains(one));
    let begun = safe().find(|one| word.len() > 4 && one.starts_with(word)).map(str::to_owned);
    if let Some(near) = begun.or_else(|| nearest(word, safe())) {
        error.insert(kind, ContextValue::String(near));
    }
}
