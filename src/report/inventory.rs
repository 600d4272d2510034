//! The datasources that exist: as CSV that is valid input, or as JSON.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write};

use serde_json::json;

/// The names that an input's column of names may have.
const HEADERS: [&str; 4] = ["datasource_name", "datasourceName", "datasource", "name"];

/// A datasource that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryEntry {
    pub name: String,
    /// The names of the datamarts that read it; `None` if that is not known.
    pub datamarts: Option<Vec<String>>,
}

/// Writes the names as CSV, each exactly as it is. What an input would not take for a name without quotes is in quotes.
pub fn write_inventory_csv(out: &mut dyn Write, entries: &[InventoryEntry]) -> io::Result<()> {
    // A datasource that is called like the column would be taken for the header, left from joining two files.
    let names: HashSet<_> = entries.iter().map(|entry| entry.name.trim().to_ascii_lowercase()).collect();
    let header = HEADERS.iter().find(|header| !names.contains(&header.to_ascii_lowercase()));
    writeln!(out, "{}", header.unwrap_or(&HEADERS[0]))?;
    entries.iter().try_for_each(|entry| writeln!(out, "{}", quoted(&entry.name)))
}

/// Writes them as one array, one object a line.
pub fn write_inventory_json(out: &mut dyn Write, entries: &[InventoryEntry]) -> io::Result<()> {
    let object =
        |entry: &InventoryEntry| json!({ "name": entry.name, "datamarts": entry.datamarts }).to_string();
    let lines: Vec<_> = entries.iter().map(object).collect();
    writeln!(out, "[{}]", lines.join(",\n"))
}

/// A name, in quotes unless it is made of letters, digits, `-`, `_` and `.` and begins with a letter or a digit.
fn quoted(name: &str) -> Cow<'_, str> {
    let is_plain = name.starts_with(char::is_alphanumeric)
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if is_plain { name.into() } else { format!("\"{}\"", name.replace('"', "\"\"")).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(names: &[&str]) -> String {
        let entry = |name: &&str| InventoryEntry { name: (*name).to_owned(), datamarts: None };
        let mut out = Vec::new();
        write_inventory_csv(&mut out, &names.iter().map(entry).collect::<Vec<_>>()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_stay_as_they_are() {
        let written = csv(&["acme-1", "Köln", "a b", " x", "a\"b", "=A1", "2 rows", "a,b"]);
        assert_eq!(
            written,
            "datasource_name\nacme-1\nKöln\n\"a b\"\n\" x\"\n\"a\"\"b\"\n\"=A1\"\n\"2 rows\"\n\"a,b\"\n"
        );
    }

    #[test]
    fn no_name_is_taken_for_the_header() {
        assert_eq!(
            csv(&["Datasource_Name", "DATASOURCENAME", "datasource"]),
            "name\nDatasource_Name\nDATASOURCENAME\ndatasource\n"
        );
    }
}
