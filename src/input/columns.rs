//! Finds the columns in a header: the one of names, and those of reasons, tickets and requests if there are any.

use super::error::{Column, InputError, Position};
use super::layout::{CsvOptions, NAME_COLUMNS};
use super::records::Record;
use super::sniff::SEPARATORS;

/// Which columns hold what. They are counted from 0.
pub(super) struct Columns {
    /// The names in the header; empty for a bare list.
    headers: Vec<String>,
    pub(super) name: usize,
    pub(super) reason: Option<usize>,
    pub(super) ticket: Option<usize>,
    pub(super) customer: Option<usize>,
    pub(super) requested_at: Option<usize>,
}

impl Columns {
    /// The only column of a list without a header.
    pub(super) fn bare_list() -> Self {
        Self { headers: Vec::new(), name: 0, reason: None, ticket: None, customer: None, requested_at: None }
    }

    /// Finds the columns in a header, which is at `at`.
    ///
    /// # Errors
    /// If the name column is missing or could be more than one, or if a column in use is there twice.
    pub(super) fn find(headers: Vec<String>, options: &CsvOptions, at: Position) -> Result<Self, InputError> {
        if let [only] = headers.as_slice()
            && let Some(found) = separator_of(only, options)
        {
            return Err(InputError::WrongSeparator { at, found, expected: options.separator() });
        }
        let name = match &options.column {
            Some(asked) => asked_column(asked, &headers, &at)?,
            None => known_column(&headers, options, &at)?,
        };
        let optional = |column| Ok(position(column, &headers, &at)?.filter(|&index| index != name));
        let (reason, ticket) = (optional("reason")?, optional("ticket")?);
        let (customer, requested_at) = (optional("customer")?, optional("requested_at")?);
        Ok(Self { headers, name, reason, ticket, customer, requested_at })
    }

    /// Returns true if there is no header.
    pub(super) fn is_bare_list(&self) -> bool {
        self.headers.is_empty()
    }

    /// The number of columns of every row.
    pub(super) fn count(&self) -> usize {
        self.headers.len().max(1)
    }

    /// Returns true if a record is a header again, of this file or of one that was joined to it.
    pub(super) fn is_header_again(&self, record: &Record) -> bool {
        let Some(header) = self.headers.get(self.name) else { return false };
        let is_name =
            |cell: &str| cell.trim_start_matches('\u{FEFF}').trim().eq_ignore_ascii_case(header.trim());
        if record.len() == self.count() {
            is_name(record.text(self.name))
        } else {
            record.texts().any(is_name)
        }
    }

    /// Returns true if the header ends with a separator.
    pub(super) fn ends_empty(&self) -> bool {
        self.headers.last().is_some_and(String::is_empty)
    }

    /// A column for use in a message, from its position.
    pub(super) fn column(&self, index: usize) -> Column {
        Column { number: index + 1, header: self.headers.get(index).cloned() }
    }
}

/// Returns true if a text is one of [`NAME_COLUMNS`], without regard to case, spaces and signs.
pub(super) fn is_like_a_header(text: &str) -> bool {
    lookalike(text).is_some()
}

fn asked_column(asked: &str, headers: &[String], at: &Position) -> Result<usize, InputError> {
    position(asked, headers, at)?.ok_or_else(|| InputError::UnknownColumn {
        at: at.clone(),
        column: asked.to_owned(),
        header: headers.to_vec(),
        nearest: headers
            .iter()
            .filter_map(|header| Some((slips(asked, header)?, header)))
            .min_by_key(|&(slips, _)| slips)
            .map(|(_, header)| header.clone()),
    })
}

fn known_column(headers: &[String], options: &CsvOptions, at: &Position) -> Result<usize, InputError> {
    let known = |header: &&String| NAME_COLUMNS.contains(&header.as_str());
    // A column that is a known one but for its case counts as a candidate too: of `Datasource_Name,name`,
    // taking `name` could delete what was meant to be a description.
    let mut candidates: Vec<String> =
        headers.iter().filter(|header| is_like_a_header(header)).cloned().collect();
    if let Some(exact) = headers.iter().find(known) {
        let index = position(exact, headers, at)?;
        candidates.dedup();
        if candidates.len() > 1 {
            return Err(InputError::AmbiguousNameColumn { at: at.clone(), columns: candidates });
        }
        if let Some(index) = index {
            return Ok(index);
        }
    }
    let separator = match headers {
        [only] => SEPARATORS
            .into_iter()
            .find(|&byte| byte != options.separator() && only.as_bytes().contains(&byte)),
        _ => None,
    };
    let nearest = headers
        .iter()
        .flat_map(|header| NAME_COLUMNS.map(|known| (header, known)))
        .filter_map(|(header, known)| Some((slips(known, header)?, header, known)))
        .min_by_key(|&(slips, ..)| slips)
        .map(|(_, header, known)| (header.clone(), known));
    Err(InputError::NoNameColumn {
        at: at.clone(),
        header: headers.to_vec(),
        nearest,
        separator,
        below: None,
    })
}

/// The index of a column; `None` if it is not there.
fn position(column: &str, headers: &[String], at: &Position) -> Result<Option<usize>, InputError> {
    let mut found =
        headers.iter().enumerate().filter(|(_, header)| *header == column).map(|(index, _)| index);
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(InputError::DoubledColumn {
            at: at.clone(),
            column: column.to_owned(),
            first: first + 1,
            second: second + 1,
        }),
        (first, _) => Ok(first),
    }
}

/// The separator that would make a header of one column into one that holds what is looked for.
fn separator_of(header: &str, options: &CsvOptions) -> Option<u8> {
    let wanted = |part: &str| {
        let part = part.trim_matches('"');
        options.column.as_deref().map_or_else(|| is_like_a_header(part), |asked| asked == part)
    };
    SEPARATORS.into_iter().filter(|&separator| separator != options.separator()).find(|&separator| {
        let separator = char::from(separator);
        header.contains(separator)
            && header != options.column.as_deref().unwrap_or_default()
            && header.split(separator).any(wanted)
    })
}

/// The known name that a text is but for case, spaces, and signs.
fn lookalike(text: &str) -> Option<&'static str> {
    let text = letters(text);
    NAME_COLUMNS.into_iter().find(|known| letters(known) == text)
}

/// By how many letters `other` differs from `one`; `None` if that is too many for a slip. Case, spaces and
/// signs do not count.
fn slips(one: &str, other: &str) -> Option<usize> {
    let (one, other) = (letters(one), letters(other));
    // In a short word, two slips make another word: `date` is not `name`.
    Some(strsim::osa_distance(&one, &other)).filter(|&slips| slips <= one.chars().count() / 4)
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
