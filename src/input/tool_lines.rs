//! Recognizes lines that spreadsheets, database clients and shells leave in a file, and that are not data.

use super::columns::Columns;
use super::layout::NAME_COLUMNS;
use super::records::Record;
use super::sniff;
use super::tool_line::{Kind, ToolLine};

/// What a first record is, if it is neither a header nor a name.
pub(super) fn of_first(record: &Record, delimiter: u8) -> Option<ToolLine> {
    let text = record.text(0);
    let kind = if let Some(declared) = declared_separator(record, delimiter) {
        let other = u8::try_from(declared).ok().filter(|byte| *byte != delimiter);
        Kind::Separator(other.filter(|byte| sniff::is_delimiter(*byte)))
    } else if text.starts_with("#TYPE ") {
        Kind::Type
    } else if is_conflict(text) {
        Kind::Conflict
    } else if is_comment(text) {
        Kind::Comment
    } else if record.texts().all(is_rule) {
        Kind::Rule
    } else {
        return None;
    };
    Some(ToolLine { kind, text: text.to_owned() })
}

/// What a record after the first is, if it is not a row. `follows_header` says that it is the first one below
/// the header.
pub(super) fn of_row(record: &Record, columns: &Columns, follows_header: bool) -> Option<ToolLine> {
    let is_ragged = record.len() != columns.count();
    let line = record.text(0);
    let kind = if columns.is_header_again(record) {
        Some(Kind::Header)
    } else if record.is_quoted(0) {
        None
    } else {
        kind_of_line(record, is_ragged, follows_header)
    };
    if let Some(kind) = kind {
        return Some(ToolLine { kind, text: line.to_owned() });
    }
    if is_ragged || record.is_quoted(columns.name) {
        return None;
    }
    let name = record.text(columns.name);
    let kind = match name {
        _ if columns.is_bare_list() && NAME_COLUMNS.contains(&name) => Kind::HeaderInList,
        _ if is_spreadsheet_error(name) => Kind::SpreadsheetError,
        _ if is_reference(name) => Kind::Reference,
        _ => return None,
    };
    Some(ToolLine { kind, text: name.to_owned() })
}

fn kind_of_line(record: &Record, is_ragged: bool, follows_header: bool) -> Option<Kind> {
    let line = record.text(0);
    if line.starts_with("#TYPE ") {
        Some(Kind::Type)
    } else if is_conflict(line) {
        Some(Kind::Conflict)
    } else if is_comment(line) || (is_ragged && line.starts_with('#')) {
        Some(Kind::Comment)
    } else if record.texts().all(is_rule) {
        Some(Kind::Rule)
    } else if follows_header && record.texts().all(is_in_brackets) {
        Some(Kind::Units)
    } else if is_row_count(line) {
        Some(Kind::RowCount)
    } else {
        None
    }
}

/// What `sep=` declares. If that is the separator in use, it has split the line.
fn declared_separator(record: &Record, delimiter: u8) -> Option<char> {
    let (key, declared) = record.text(0).split_at_checked(4)?;
    let mut declared = declared.chars();
    match (record.len(), declared.next(), declared.next()) {
        _ if !key.eq_ignore_ascii_case("sep=") => None,
        (1, declared, None) => declared,
        (2, None, None) if record.text(1).is_empty() => Some(char::from(delimiter)),
        _ => None,
    }
}

fn is_comment(text: &str) -> bool {
    ["#", "//", "--"]
        .into_iter()
        .any(|mark| text.strip_prefix(mark).is_some_and(|rest| rest.starts_with([' ', '\t'])))
}

/// `<<<<<<< HEAD`, `|||||||`, `=======`, `>>>>>>> branch`
fn is_conflict(line: &str) -> bool {
    let mark = line.split(' ').next().unwrap_or_default();
    matches!(mark, "<<<<<<<" | "|||||||" | ">>>>>>>") || line == "======="
}

/// `-----`, `-----+-----`, `+-----+`: a cell of a line that is drawn.
fn is_rule(cell: &str) -> bool {
    (cell.contains("---") || cell.contains("===")) && cell.chars().all(|c| "-=+| ".contains(c))
}

/// `(2 rows affected)`, `(2 rows)`, `2 rows in set (0.00 sec)`, `2 rows selected.`, `(2 row(s) affected)`
fn is_row_count(text: &str) -> bool {
    let text = text.trim().trim_start_matches('(').to_ascii_lowercase();
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(rest) = rest.strip_prefix(" row").filter(|_| rest.len() < text.len()) else { return false };
    let rest = rest.trim_start_matches("(s)").trim_start_matches('s');
    let rest = rest.trim_start_matches(')').trim_start();
    rest.is_empty()
        || ["affected", "selected", "returned", "produced", "fetched", "in set"]
            .iter()
            .any(|end| rest.starts_with(end))
}

/// `#REF!`, `#N/A`, `#NAME?`, in German `#NV`, and `Err:502` of `LibreOffice`.
fn is_spreadsheet_error(name: &str) -> bool {
    if let Some(number) = name.strip_prefix("Err:") {
        return is_number(number);
    }
    let Some(code) = name.strip_prefix('#') else { return false };
    let word = code.strip_suffix(['!', '?']);
    matches!(code, "N/A" | "NV")
        || word.is_some_and(|word| word.chars().all(|c| c.is_ascii_uppercase() || "/0".contains(c)))
}

/// `=A1`, `=$B$12`, `=Sheet2!A1`; but `=sum` and `=SUM(A1:A9)` can be names.
fn is_reference(name: &str) -> bool {
    let Some(formula) = name.strip_prefix('=') else { return false };
    let cell = formula.rsplit('!').next().unwrap_or_default().replace('$', "");
    let row = cell.trim_start_matches(|c: char| c.is_ascii_uppercase());
    (1..=3).contains(&(cell.len() - row.len())) && is_number(row)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_in_brackets(cell: &str) -> bool {
    cell.len() > 2 && cell.starts_with('[') && cell.ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_what_tools_write() {
        for (is, texts) in [
            (
                is_row_count as fn(&str) -> bool,
                &[
                    "(2 rows affected)",
                    "(1 row affected)",
                    "(2 rows)",
                    "(1 row)",
                    "2 rows in set (0.00 sec)",
                    "12 rows selected.",
                    "(3 row(s) affected)",
                ][..],
            ),
            (is_spreadsheet_error, &["#REF!", "#N/A", "#NAME?", "#DIV/0!", "#NV", "#BEZUG!", "Err:502"]),
            (is_reference, &["=A1", "=$B$12", "=Sheet2!A1", "=AA10"]),
            (is_comment, &["# old ones", "// old", "-- old"]),
            (is_rule, &["---", "----+----", "+-----+", "===="]),
        ] {
            for text in texts {
                assert!(is(text), "{text}");
            }
        }
    }

    #[test]
    fn leaves_names_alone() {
        for name in [
            "acme",
            "=sum",
            "=SUM(A1:A9)",
            "-legacy-eu",
            "@beta",
            "+33-partner",
            "#1",
            "rows",
            "2 rowing clubs",
            "10 rows of x",
            "--",
            "a---b",
            "=",
            "=x",
            "null",
            "ERR:502",
            "=a1",
            "=A",
            "#1!x",
            "#hash!tag",
            "[text",
            "-",
        ] {
            let all = [is_row_count, is_spreadsheet_error, is_reference, is_comment, is_rule];
            assert!(!all.iter().any(|is| is(name)), "{name}");
        }
    }
}
