//! The parts of messages that depend on what was found: how texts are shown, and what is advised.

use std::num::NonZeroU64;

use crate::domain::NameError;

use super::layout::NAME_COLUMNS;
use super::sniff;

const MAX_SHOWN_CHARS: usize = 60;
const MAX_LISTED: usize = 8;

/// A text from the input in quotes, escaped so that a terminal does not interpret it, and cut if it is long.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((cut, _)) => format!("{:?}", format!("{}…", &text[..cut])),
        None => format!("{text:?}"),
    }
}

pub(super) fn listed(columns: &[String]) -> String {
    let list = columns.iter().take(MAX_LISTED).map(|column| shown(column)).collect::<Vec<_>>().join(", ");
    match columns.len().saturating_sub(MAX_LISTED) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

/// A text as the value of a flag, in quotes if a shell needs them; a word in its place if the text
/// cannot simply be typed.
pub(super) fn flag_value(text: &str) -> String {
    let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty()
        || text.chars().count() > MAX_SHOWN_CHARS
        || text.contains(|c: char| c == '\'' || c.is_control())
    {
        "NAME".to_owned()
    } else if text.chars().all(bare) {
        text.to_owned()
    } else {
        format!("'{text}'")
    }
}

pub(super) fn emptiness(bytes: u64) -> String {
    match bytes {
        0 => "the input is empty".to_owned(),
        _ => format!("the input holds nothing but a byte-order mark or blank lines ({bytes} bytes)"),
    }
}

pub(super) fn none_of(header: &[String]) -> String {
    match header {
        [only] => format!("the only column, {}, is not", shown(only)),
        several => format!("none of the columns {} is", listed(several)),
    }
}

pub(super) fn known_names() -> String {
    let [first, second, third, last] = NAME_COLUMNS;
    format!("{first}, {second}, {third} or {last}")
}

pub(super) fn header_fix(
    header: &[String],
    nearest: Option<&(String, &str)>,
    separator: Option<u8>,
    below: Option<NonZeroU64>,
) -> String {
    if let Some(line) = below {
        return format!("line {line} looks like the header, so delete the lines above it");
    }
    let mut fixes = Vec::new();
    if let Some((found, known)) = nearest {
        let value = flag_value(found);
        fixes.push(format!("rename {} to {known}, or pass --column {value}", shown(found)));
    }
    if let Some(separator) = separator {
        let name = sniff::separator_name(separator);
        fixes.push(format!("pass {} if {name} separate the columns", sniff::delimiter_flag(separator)));
    }
    if header.len() == 1 {
        fixes.push("pass --no-header if this is a bare list of names".to_owned());
    }
    if nearest.is_none() {
        fixes.push("say which column holds the names with --column NAME".to_owned());
    }
    fixes.join(", or ")
}

pub(super) fn column_fix(nearest: Option<&String>) -> String {
    match nearest {
        Some(column) => format!("did you mean --column {}?", flag_value(column)),
        None => "pass one of these as --column".to_owned(),
    }
}

pub(super) fn ragged_fix(expected: usize, found: usize, ends_empty: bool, delimiter: u8) -> String {
    let separator = separator_once(delimiter);
    match (found > expected, ends_empty) {
        (true, true) => {
            format!("delete the {separator} at its end, or add one to the header if all rows end with one")
        }
        (false, true) => format!("delete the {separator} at the end of the header, or add one to the row"),
        (true, false) => format!("put a value that holds a {separator} in quotes"),
        (false, false) => "add the missing ones, which may be empty".to_owned(),
    }
}

pub(super) fn list_fix(ends_empty: bool, delimiter: u8) -> String {
    let separator = separator_once(delimiter);
    if ends_empty {
        format!("delete the {separator} at its end, or put a name that ends with one in quotes")
    } else {
        format!(
            "put a name that holds a {separator} in quotes, or give the file a header and leave out --no-header"
        )
    }
}

pub(super) fn name_fix(problem: &NameError) -> &'static str {
    match problem {
        NameError::Empty => "give it a name or delete the line",
        NameError::TooLong { .. } => "check whether a line break or a separator is missing",
        NameError::Control { .. } => "delete it, no datasource can be named like this",
    }
}

pub(super) fn quote_fix(line: u64, opened: u64) -> String {
    if line == opened {
        "double the quotes that belong to the value, or delete what follows the closing one".to_owned()
    } else {
        format!("close the value opened on line {opened} where it should end")
    }
}

pub(super) fn length_fix(open_quote: Option<u64>) -> String {
    match open_quote {
        Some(line) => format!("close the quote opened on line {line}"),
        None => "check whether the line breaks are missing, and whether this is a CSV file".to_owned(),
    }
}

pub(super) fn separator_once(separator: u8) -> String {
    let mut name = sniff::separator_name(separator);
    // "commas" is one "comma".
    if name.ends_with('s') {
        name.pop();
    }
    name
}

pub(super) fn columns_word(count: usize) -> &'static str {
    if count == 1 { "column" } else { "columns" }
}

pub(super) fn lines_word(count: u64) -> &'static str {
    if count == 1 { "line" } else { "lines" }
}
