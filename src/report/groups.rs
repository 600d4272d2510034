//! The datamarts that a run would take along, and those that stay, shown before it begins.

use serde_json::{Value, json};

use super::text::{delimited, grouped, visible};

/// The datamarts that go with the datasources of a run, and those that stay.
#[derive(Debug, Clone, Default)]
pub struct GroupsSummary {
    /// The number of all datamarts; `None` if it is unknown.
    pub exist: Option<u64>,
    /// The number of datamarts to delete.
    pub due: u64,
    /// The number of datasources that these read.
    pub groups: u64,
    /// The number of their tables.
    pub tables: u64,
    /// The number of their columns.
    pub columns: u64,
    /// The number of datamarts that stay, as their datasources are skipped.
    pub staying: u64,
    /// Datasources to delete that have datamarts: all, or the first few.
    pub going: Vec<GroupSummary>,
    /// Skipped datasources that have datamarts: all, or the first few.
    pub stay: Vec<GroupSummary>,
}

/// A datasource and its datamarts.
#[derive(Debug, Clone, Default)]
pub struct GroupSummary {
    pub datasource: String,
    pub datamarts: Vec<DatamartSummary>,
}

/// A datamart, and what is lost with it.
#[derive(Debug, Clone, Default)]
pub struct DatamartSummary {
    pub name: String,
    /// Its tenancy level, as the API writes it.
    pub tenancy: Option<String>,
    pub tables: u64,
    pub columns: u64,
}

/// Returns a number and its noun.
#[must_use]
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

impl DatamartSummary {
    fn line(&self) -> String {
        let (tables, columns) = (counted(self.tables, "table"), counted(self.columns, "column"));
        let tenancy =
            self.tenancy.as_deref().map_or_else(String::new, |level| format!(", tenancy {}", visible(level)));
        format!("{} ({tables}, {columns}{tenancy})", delimited(&self.name))
    }

    fn object(&self) -> Value {
        json!({
            "name": self.name,
            "tables": self.tables,
            "columns": self.columns,
            "tenancy": self.tenancy,
        })
    }
}

impl GroupSummary {
    /// The datasource on a line, and each datamart on one of its own.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("      {}", delimited(&self.datasource))];
        lines.extend(self.datamarts.iter().map(|datamart| format!("          {}", datamart.line())));
        lines
    }

    fn object(&self) -> Value {
        let datamarts: Vec<_> = self.datamarts.iter().map(DatamartSummary::object).collect();
        json!({ "datasource": self.datasource, "datamarts": datamarts })
    }
}

impl GroupsSummary {
    /// Adds lines for people.
    pub(super) fn add_to(&self, lines: &mut Vec<String>) {
        if self.due > 0 {
            let of = self.exist.map_or_else(String::new, |exist| format!(", of {} in all", grouped(exist)));
            let are = if self.due == 1 { "IS" } else { "ARE" };
            lines.push(format!(
                "  {} {are} DELETED FIRST{of}, with {} and {}",
                counted(self.due, "datamart").to_uppercase(),
                counted(self.tables, "table"),
                counted(self.columns, "column"),
            ));
            add_groups(lines, &self.going, self.groups);
        } else {
            lines.push("  no datamart reads them".to_owned());
        }
        if self.staying > 0 {
            let stays = if self.staying == 1 {
                "stays, as its datasource does"
            } else {
                "stay, as their datasources do"
            };
            lines.push(format!("  {} {stays}", counted(self.staying, "datamart")));
            let shown: u64 = self.stay.iter().map(|group| group.datamarts.len() as u64).sum();
            lines.extend(self.stay.iter().flat_map(GroupSummary::lines));
            if shown < self.staying {
                lines.push(format!("      … {} more …", grouped(self.staying - shown)));
            }
        }
    }

    pub(super) fn object(&self) -> Value {
        let objects = |groups: &[GroupSummary]| groups.iter().map(GroupSummary::object).collect::<Vec<_>>();
        json!({
            "exist": self.exist,
            "due": self.due,
            "tables": self.tables,
            "columns": self.columns,
            "groups": objects(&self.going),
            "staying": self.staying,
            "stay": objects(&self.stay),
        })
    }
}

fn add_groups(lines: &mut Vec<String>, shown: &[GroupSummary], count: u64) {
    lines.extend(shown.iter().flat_map(GroupSummary::lines));
    let left = count.saturating_sub(shown.len() as u64);
    if left > 0 {
        lines.push(format!("      … {} more with datamarts …", counted(left, "datasource")));
    }
}
