//! How an input may be laid out: what the user says of it, what is recognised, what is too long.

/// The headers by which the name column is recognised, exactly as written here.
pub const NAME_COLUMNS: [&str; 4] = ["datasource_name", "datasourceName", "datasource", "name"];

/// The longest reason, ticket or customer that is accepted, in characters.
pub const MAX_CELL_CHARS: usize = 1000;

/// How a CSV is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// The header of the name column; otherwise one of [`NAME_COLUMNS`](super::NAME_COLUMNS).
    pub column: Option<String>,
    /// There is no header: every line is a name.
    pub no_header: bool,
    /// What separates the columns, one ASCII byte as [`parse_delimiter`](super::parse_delimiter) gives it;
    /// otherwise a comma.
    pub delimiter: Option<u8>,
}

impl CsvOptions {
    pub(super) fn separator(&self) -> u8 {
        self.delimiter.unwrap_or(b',')
    }
}
