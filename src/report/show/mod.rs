//! All that the logs hold of one name, over all runs: for people, for spreadsheets and for programs.

mod json;
mod table;
mod words;

use std::io::{self, Write};

use super::Format;
use crate::domain::{MissingLog, ResourceHistory, TargetAccount};
pub(super) use json::{account_object, missing_object};
pub(super) use words::{days, days_in_words};

/// All that the logs hold of one name.
#[derive(Debug, Clone)]
pub struct NameHistory {
    pub name: String,
    /// What each run did with it, and with the datamarts that were taken along for it.
    pub accounts: Vec<TargetAccount>,
    /// The ids of the logs that were read, the oldest first.
    pub logs: Vec<String>,
    /// The logs that are named, and not at hand: what they hold of the name is not here.
    pub missing: Vec<MissingLog>,
}

impl NameHistory {
    /// Each resource, with what became of it.
    #[must_use]
    pub fn resources(&self) -> Vec<ResourceHistory<'_>> {
        ResourceHistory::of(&self.accounts)
    }
}

/// Writes all that is known of a name.
pub fn write_show(out: &mut dyn Write, format: Format, history: &NameHistory) -> io::Result<()> {
    match format {
        Format::Table => table::text(out, history),
        Format::Csv => table::csv(out, history),
        Format::Json => json::object(out, history),
        Format::Markdown => table::markdown_page(out, history),
    }
}

/// Writes the results of a name as one JSON array: what `report --datasource` has always printed.
pub fn write_results_json(out: &mut dyn Write, history: &NameHistory) -> io::Result<()> {
    json::array(out, history)
}
