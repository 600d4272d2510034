//! A datamart as the listing shows it.

use sha2::{Digest, Sha256};

use super::hex;

/// The file of the definitions of the datamarts of a run, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptDefinitions {
    /// Its path, from the folder of the log.
    pub file: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    pub entries: u64,
    /// How many entries were found to be lost when the run was resumed.
    pub lost: u64,
}

/// An entry of the listing of datamarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datamart {
    pub name: String,
    /// The one datasource that it reads.
    pub datasource: String,
    /// The level at which it separates customers, as the API writes it.
    pub tenancy: Option<String>,
    /// How many tables it has.
    pub tables: usize,
    /// How many columns these have.
    pub columns: usize,
    /// The complete entry as JSON on one line, with its keys in alphabetical order: what is needed to create it again.
    pub definition: String,
}

impl Datamart {
    /// Returns the SHA-256 of the definition, in hexadecimal.
    #[must_use]
    pub fn definition_sha256(&self) -> String {
        hex(Sha256::digest(&self.definition))
    }
}
