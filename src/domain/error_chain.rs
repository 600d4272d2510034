//! An error and its causes on one line, for errors of libraries, whose own message often names none.

use std::error::Error;

/// The messages of `error` and of its causes, joined by colons and none repeated.
///
/// What reqwest appends about the URL is left out, because it holds the name of a target or a secret path.
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
