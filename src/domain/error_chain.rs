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
