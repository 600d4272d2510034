//! The kinds of resources that can be deleted. A datasource and a datamart of one name are two resources.

use std::fmt;
use std::str::FromStr;

use super::DatasourceName;

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum ResourceKind {
    #[default]
    Datasource,
    Datamart,
}

impl ResourceKind {
    pub const ALL: [Self; 2] = [Self::Datasource, Self::Datamart];

    /// Returns the word in the audit log and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Datasource => "datasource",
            Self::Datamart => "datamart",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ResourceKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownKind { text: text.to_owned() })
    }
}

/// A word that is not a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a kind of resource; the kinds are datasource and datamart")]
pub struct UnknownKind {
    pub text: String,
}

/// What one request is to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a> {
    pub kind: ResourceKind,
    pub name: &'a DatasourceName,
}

/// What the audit log says of a target beside its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TargetRole {
    /// A datasource that is deleted by itself.
    #[default]
    Datasource,
    /// A datasource that is deleted after the datamarts that read it: the targets numbered just before it.
    Group {
        /// How many these are.
        datamarts: u64,
    },
    /// A datamart that is deleted before the datasource that it reads.
    Dependant {
        /// The datasource.
        of: String,
        /// SHA-256 of the entry of the listing that defines it, in hexadecimal.
        definition_sha256: String,
    },
}

impl TargetRole {
    #[must_use]
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Datasource | Self::Group { .. } => ResourceKind::Datasource,
            Self::Dependant { .. } => ResourceKind::Datamart,
        }
    }
}
