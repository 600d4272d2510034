//! The list of targets: each name once, in the order of the input, kept on disk.
//!
//! Only what telling equal names apart needs stays in memory. The names themselves go to an unnamed
//! temporary file once they are more than a mebibyte.

use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;

use super::seen::Seen;
use super::selection::Ends;
use super::{PlanError, Shard};
use crate::domain::{DatasourceName, NewTarget, hex};

/// How many bytes of names stay in memory before they go to disk.
const KEPT_IN_MEMORY: usize = 1024 * 1024;

/// How many of the names that are there more than once are kept to be shown.
const SHOWN: usize = 5;

/// Collects targets, each name once.
pub struct TargetsBuilder {
    spool: csv::Writer<SpooledTempFile>,
    seen: Seen,
    digest: Sha256,
    facts: ListFacts,
    ends: Ends,
}

/// What is known of a list of targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFacts {
    /// How many there are.
    pub count: u64,
    /// How many rows named a datasource that an earlier row had named.
    pub repeated: u64,
    /// The first few names of which there was more than one row.
    pub first_repeated: Vec<DatasourceName>,
    /// How many names begin or end with white space.
    pub with_outer_space: u64,
    /// The first such name.
    pub first_with_outer_space: Option<DatasourceName>,
}

/// A list of targets.
pub struct Targets {
    spool: SpooledTempFile,
    seen: Seen,
    digest: String,
    facts: ListFacts,
    ends: Ends,
}

impl TargetsBuilder {
    /// An empty list, which goes to a file in `folder` once it is long.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            spool: csv::WriterBuilder::new()
                .has_headers(false)
                .from_writer(tempfile::spooled_tempfile_in(KEPT_IN_MEMORY, folder)),
            seen: Seen::default(),
            digest: Sha256::new(),
            facts: ListFacts::default(),
            ends: Ends::default(),
        }
    }

    /// Adds `target`, unless its name is in the list already.
    ///
    /// # Errors
    /// Where the temporary file cannot be written.
    pub fn add(&mut self, target: &NewTarget) -> Result<(), PlanError> {
        let name = &target.name;
        if !self.seen.add(name.as_str()) {
            self.facts.repeated += 1;
            let first = &mut self.facts.first_repeated;
            if first.len() < SHOWN && !first.contains(name) {
                first.push(name.clone());
            }
            return Ok(());
        }
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        if target.reason.is_none() && target.ticket.is_none() {
            self.spool.write_record([name.as_str(), "", ""])
        } else {
            self.spool.write_record([name.as_str(), &optional(&target.reason), &optional(&target.ticket)])
        }
        .map_err(|error| PlanError::Spool { source: error.into() })?;
        self.digest.update(u32::try_from(name.as_str().len()).unwrap_or(u32::MAX).to_be_bytes());
        self.digest.update(name.as_str());
        self.ends.add(name);
        let facts = &mut self.facts;
        facts.count += 1;
        if name.has_outer_space() {
            facts.with_outer_space += 1;
            facts.first_with_outer_space.get_or_insert_with(|| name.clone());
        }
        Ok(())
    }

    /// The finished list.
    ///
    /// # Errors
    /// Where the temporary file cannot be written.
    pub fn finish(self) -> Result<Targets, PlanError> {
        let spool = self
            .spool
            .into_inner()
            .map_err(|error| PlanError::Spool { source: io::Error::from(error.error().kind()) })?;
        let digest = self.digest.finalize();
        Ok(Targets { spool, seen: self.seen, digest: hex(digest), facts: self.facts, ends: self.ends })
    }
}

impl Targets {
    /// What is known of the list.
    #[must_use]
    pub fn facts(&self) -> &ListFacts {
        &self.facts
    }

    /// The first and the last few of them.
    pub(super) const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// SHA-256 over the names in order, each after its length in bytes as 4 bytes big-endian; in
    /// hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.digest
    }

    /// Whether the list holds `name`.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.seen.holds(name)
    }

    /// Those of the targets that `shard` takes, as a list of their own, which goes to a file in `folder` once it
    /// is long.
    ///
    /// # Errors
    /// Where the temporary file cannot be read or written.
    pub fn share(&mut self, shard: Shard, folder: PathBuf) -> Result<Self, PlanError> {
        let mut builder = TargetsBuilder::new(folder);
        let mut added = Ok(());
        self.each(|target| {
            if added.is_ok() && shard.takes(&target.name) {
                added = builder.add(&target);
            }
        })?;
        added?;
        builder.finish()
    }

    /// Hands each target to `take`, in order.
    ///
    /// # Errors
    /// Where the temporary file cannot be read.
    pub fn each(&mut self, mut take: impl FnMut(NewTarget)) -> Result<(), PlanError> {
        self.spool.seek(SeekFrom::Start(0)).map_err(|source| PlanError::Spool { source })?;
        for target in reading(&mut self.spool) {
            take(target.map_err(|source| PlanError::Spool { source })?);
        }
        Ok(())
    }

    /// The targets, in order; what telling equal names apart needed is freed.
    pub fn into_targets(self) -> impl Iterator<Item = io::Result<NewTarget>> + Send + use<> {
        let Self { mut spool, seen, .. } = self;
        drop(seen);
        let rewound = spool.seek(SeekFrom::Start(0));
        let failed = rewound.err().map(Err);
        failed.into_iter().chain(reading(spool))
    }
}

fn reading(spool: impl io::Read) -> impl Iterator<Item = io::Result<NewTarget>> {
    let reader = csv::ReaderBuilder::new().has_headers(false).from_reader(spool);
    reader.into_records().map(|record| {
        let record = record.map_err(io::Error::from)?;
        let name = DatasourceName::new(record.get(0).unwrap_or_default())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let optional = |index| record.get(index).filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(NewTarget { name, reason: optional(1), ticket: optional(2), skip: None })
    })
}
