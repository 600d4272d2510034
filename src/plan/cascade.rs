//! The datamarts that go with the datasources of a list, and what keeps one from going: a group is a datasource and the
//! datamarts that read it.

use std::collections::HashMap;
use std::fmt;

use crate::domain::{Datamart, DatasourceName};

/// A datamart that is deleted before the datasource that it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDatamart {
    pub name: DatasourceName,
    /// The level at which it separates customers, as the API writes it.
    pub tenancy: Option<String>,
    pub tables: u64,
    pub columns: u64,
    /// SHA-256 of its complete entry of the listing, in hexadecimal.
    pub definition_sha256: String,
    /// That entry; `None` if no listing had it.
    pub definition: Option<String>,
}

/// The datamarts of each datasource, in the order of their names.
#[derive(Debug, Clone, Default)]
pub struct Cascade {
    pub(super) groups: HashMap<String, Vec<PlannedDatamart>>,
    obstacles: Vec<Obstacle>,
    /// How many datamarts there are in all, if a listing was read.
    listed: Option<u64>,
    /// The groups that changed since they were planned, each with in what.
    changed: HashMap<String, String>,
}

/// A datamart that cannot be deleted with its datasource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub datamart: String,
    pub datasource: String,
    pub why: ObstacleReason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObstacleReason {
    /// Its entry has no tables: it could not be created again.
    NoTables,
    /// It is listed for this other datasource as well, and is deleted by its name alone.
    AlsoReads(String),
    /// It cannot be recorded under its name.
    InvalidName(String),
}

impl fmt::Display for ObstacleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTables => f.write_str("is listed without tables, so that it could not be created again"),
            Self::AlsoReads(other) => {
                write!(
                    f,
                    "is listed for `{other}` as well, so that it is not certain which datasource it reads"
                )
            }
            Self::InvalidName(why) => write!(f, "cannot be recorded under its name ({why})"),
        }
    }
}

impl PlannedDatamart {
    /// One that a run has recorded; what else there is to know of it, a listing says.
    #[must_use]
    pub const fn recorded(name: DatasourceName, definition_sha256: String) -> Self {
        Self { name, tenancy: None, tables: 0, columns: 0, definition_sha256, definition: None }
    }

    fn listed(datamart: Datamart) -> Result<Self, Obstacle> {
        let obstacle =
            |why| Obstacle { datamart: datamart.name.clone(), datasource: datamart.datasource.clone(), why };
        let name = DatasourceName::new(&datamart.name)
            .map_err(|error| obstacle(ObstacleReason::InvalidName(error.to_string())))?;
        Ok(Self {
            name,
            tables: datamart.tables as u64,
            columns: datamart.columns as u64,
            definition_sha256: datamart.definition_sha256(),
            tenancy: datamart.tenancy,
            definition: Some(datamart.definition),
        })
    }
}

impl Cascade {
    /// The datamarts of a listing. One that cannot be deleted with its datasource is among the `obstacles`.
    #[must_use]
    pub fn of_listing(datamarts: Vec<Datamart>) -> Self {
        let mut cascade = Self { listed: Some(datamarts.len() as u64), ..Self::default() };
        let mut readers: HashMap<String, Vec<String>> = HashMap::new();
        for datamart in &datamarts {
            readers.entry(datamart.name.clone()).or_default().push(datamart.datasource.clone());
        }
        for datamart in datamarts {
            let (name, datasource) = (datamart.name.clone(), datamart.datasource.clone());
            let other = readers.get(&name).into_iter().flatten().find(|other| **other != datasource);
            let obstacle = |why| Obstacle { datamart: name.clone(), datasource: datasource.clone(), why };
            if let Some(other) = other {
                cascade.obstacles.push(obstacle(ObstacleReason::AlsoReads(other.clone())));
            } else if datamart.tables == 0 {
                cascade.obstacles.push(obstacle(ObstacleReason::NoTables));
            }
            match PlannedDatamart::listed(datamart) {
                Ok(datamart) => cascade.groups.entry(datasource).or_default().push(datamart),
                Err(obstacle) => cascade.obstacles.push(obstacle),
            }
        }
        for group in cascade.groups.values_mut() {
            group.sort_by(|a, b| a.name.cmp(&b.name));
        }
        cascade
    }

    /// The groups of a plan or a log: each datasource with its datamarts, which may be none.
    #[must_use]
    pub fn of_groups(groups: HashMap<String, Vec<PlannedDatamart>>) -> Self {
        Self { groups, ..Self::default() }
    }

    /// The same groups, with what a listing says of their datamarts. A group that changed since they were planned is
    /// noted: it is not what was shown, and not sent.
    #[must_use]
    pub fn held_against(mut self, listed: Self) -> Self {
        for (datasource, group) in &mut self.groups {
            if let Some(what) = listed.difference(datasource, group) {
                self.changed.insert(datasource.clone(), what);
            }
        }
        self.with_entries_of(listed)
    }

    /// The same groups, with the entries of a listing as far as it has them.
    #[must_use]
    pub fn with_entries_of(mut self, mut listed: Self) -> Self {
        for (datasource, group) in &mut self.groups {
            let mut found = listed.groups.remove(datasource).unwrap_or_default();
            for datamart in group {
                if let Some(at) = found.iter().position(|other| other.name == datamart.name) {
                    *datamart = found.swap_remove(at);
                }
            }
        }
        Self { obstacles: listed.obstacles, listed: listed.listed, ..self }
    }

    /// In what the datamarts of `datasource` in this listing differ from `planned`.
    fn difference(&self, datasource: &str, planned: &[PlannedDatamart]) -> Option<String> {
        let found = self.group(datasource);
        let is_in = |all: &[PlannedDatamart], one: &PlannedDatamart| all.iter().any(|it| it.name == one.name);
        if let Some(missing) = planned.iter().find(|datamart| !is_in(found, datamart)) {
            let name = &missing.name;
            let elsewhere = self.groups.iter().find(|(_, group)| is_in(group, missing));
            return Some(match elsewhere {
                Some((other, _)) => format!("its datamart `{name}` reads `{other}` by now"),
                None => format!("its datamart `{name}` is not listed any more"),
            });
        }
        let new = found.iter().find(|datamart| !is_in(planned, datamart))?;
        Some(format!("the datamart `{}` reads it by now, which was not planned", new.name))
    }

    /// The datamarts of the datasource `name`.
    #[must_use]
    pub fn group(&self, name: &str) -> &[PlannedDatamart] {
        self.groups.get(name).map_or(&[], Vec::as_slice)
    }

    /// The groups that changed since they were planned, each with in what.
    #[must_use]
    pub const fn changed(&self) -> &HashMap<String, String> {
        &self.changed
    }

    /// How many datamarts there are in all; `None` if no listing was read.
    #[must_use]
    pub const fn listed(&self) -> Option<u64> {
        self.listed
    }

    /// What keeps datamarts of the datasources that `is_due` from going.
    pub(super) fn obstacles(&self, is_due: impl Fn(&str) -> bool) -> Vec<&Obstacle> {
        self.obstacles.iter().filter(|obstacle| is_due(&obstacle.datasource)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datamart(name: &str, datasource: &str, tables: usize) -> Datamart {
        Datamart {
            name: name.to_owned(),
            datasource: datasource.to_owned(),
            tenancy: None,
            tables,
            columns: 2 * tables,
            definition: format!("{{\"name\":\"{name}\"}}"),
        }
    }

    fn cascade(pairs: &[(&str, &str)]) -> Cascade {
        Cascade::of_listing(pairs.iter().map(|(name, reads)| datamart(name, reads, 1)).collect())
    }

    #[test]
    fn groups_are_in_the_order_of_their_names() {
        let found = cascade(&[("b", "acme"), ("c", "other"), ("a", "acme")]);
        let names: Vec<_> = found.group("acme").iter().map(|datamart| datamart.name.as_str()).collect();
        assert_eq!((names, found.listed()), (vec!["a", "b"], Some(3)));
        assert!(found.obstacles(|_| true).is_empty() && found.group("nowhere").is_empty());
    }

    #[test]
    fn what_cannot_go_is_an_obstacle_of_its_own_datasource() {
        let all = [
            datamart("empty", "acme", 0),
            datamart("both", "acme", 1),
            datamart("both", "globex", 1),
            datamart("a\u{1}", "acme", 1),
        ];
        let found = Cascade::of_listing(all.to_vec());
        let of = |name: &str| {
            let obstacles = found.obstacles(|datasource| datasource == name);
            obstacles.iter().map(|obstacle| obstacle.datamart.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("acme"), ["empty", "both", "a\u{1}"]);
        assert_eq!(of("globex"), ["both"]);
    }

    #[test]
    fn a_planned_group_has_changed_if_a_datamart_went_moved_or_came() {
        let planned = [("m1", "a"), ("m2", "b"), ("m3", "c"), ("m4", "d")];
        let listed = [("m2", "other"), ("m3", "c"), ("new", "c"), ("m4", "d"), ("x", "e")];
        let mut groups = cascade(&planned).groups;
        groups.insert("e".to_owned(), Vec::new());
        let found = Cascade::of_groups(groups).held_against(cascade(&listed));
        for (datasource, what) in [
            ("a", Some("its datamart `m1` is not listed any more")),
            ("b", Some("its datamart `m2` reads `other` by now")),
            ("c", Some("the datamart `new` reads it by now, which was not planned")),
            ("d", None),
            ("e", Some("the datamart `x` reads it by now, which was not planned")),
        ] {
            assert_eq!(found.changed().get(datasource).map(String::as_str), what, "{datasource}");
        }
        assert_eq!(found.group("e"), [], "what was not planned is not taken along");
        assert_eq!(found.group("c").len(), 1);
    }
}
