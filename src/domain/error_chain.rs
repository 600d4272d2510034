//! An error and its causes on one line: the messages of many libraries leave their causes out.

use std::error::Error;

/// Returns the messages of `error` and of its causes, joined by colons and without repetitions.
///
/// The URL that reqwest appends is left out, because it holds the name of a target or a secret path.
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let text = text.split(" for url (").next().unwrap_or_default();
        if !line.contains(text) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(text);
        }
        next = error.source();
    }
    line
}

/// What is at the bottom of an error: the last of its sources, in lower case and without the system's number.
#[must_use]
pub fn root_cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let text = last.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
