//! The targets that an input names: each name once, in the order of the input.

use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::name_set::NameSet;
use super::selection::Excerpt;
use super::target_file::TargetFile;
use super::{PlanError, Shard};
use crate::domain::{DatasourceName, NewTarget, hex};

/// How many of the names that are there more than once are kept to be shown.
const SHOWN: usize = 5;

/// Collects targets, each name once.
pub struct TargetsBuilder {
    targets: Targets,
    names: NameSet,
    digest: Sha256,
}

/// What is known of a list of targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFacts {
    /// How many targets there are, whichever shard takes them.
    pub count: u64,
    /// How many rows named a datasource that an earlier row had named.
    pub repeated: u64,
    /// The first few names that more than one row names.
    pub first_repeated: Vec<DatasourceName>,
    /// How many names begin or end with white space.
    pub with_outer_space: u64,
    /// The first of these.
    pub first_with_outer_space: Option<DatasourceName>,
}

/// A list of targets in a temporary file, none of them skipped.
pub struct Targets {
    pub(super) file: TargetFile,
    pub(super) folder: PathBuf,
    pub(super) facts: ListFacts,
    /// What of the list this process takes, if it does not take all of it.
    pub(super) shard: Option<Shard>,
    /// How many targets that is.
    pub(super) taken: u64,
    pub(super) sha256: String,
    pub(super) excerpt: Excerpt,
}

impl TargetsBuilder {
    /// An empty list, of which this process takes `shard`, or all of it. A long list goes to a temporary file in
    /// `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, shard: Option<Shard>) -> Self {
        Self {
            targets: Targets {
                file: TargetFile::new(&folder),
                folder,
                facts: ListFacts::default(),
                shard,
                taken: 0,
                sha256: String::new(),
                excerpt: Excerpt::default(),
            },
            names: NameSet::default(),
            digest: Sha256::new(),
        }
    }

    /// Adds `target`, unless its name is in the list already.
    ///
    /// # Errors
    /// If the temporary file cannot be written.
    pub fn add(&mut self, target: &NewTarget) -> Result<(), PlanError> {
        let (name, targets) = (&target.name, &mut self.targets);
        let facts = &mut targets.facts;
        if !self.names.insert(name.as_str()) {
            facts.repeated += 1;
            let first = &mut facts.first_repeated;
            if first.len() < SHOWN && !first.contains(name) {
                first.push(name.clone());
            }
            return Ok(());
        }
        targets.file.push(target).map_err(PlanError::temporary_file)?;
        targets.excerpt.add(name);
        facts.count += 1;
        if name.has_outer_space() {
            facts.with_outer_space += 1;
            facts.first_with_outer_space.get_or_insert_with(|| name.clone());
        }
        if targets.shard.is_none_or(|shard| shard.takes(name)) {
            targets.taken += 1;
            self.digest.update(u32::try_from(name.as_str().len()).unwrap_or(u32::MAX).to_be_bytes());
            self.digest.update(name.as_str());
        }
        Ok(())
    }

    /// The finished list.
    #[must_use]
    pub fn finish(self) -> Targets {
        Targets { sha256: hex(self.digest.finalize()), ..self.targets }
    }
}

impl Targets {
    /// What is known of the list.
    #[must_use]
    pub fn facts(&self) -> &ListFacts {
        &self.facts
    }

    /// SHA-256 over the names that this process takes, in order, each after its length in bytes as 4 bytes
    /// big-endian; in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Hands each target to `take`, in order.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub fn each(&mut self, mut take: impl FnMut(NewTarget)) -> Result<(), PlanError> {
        for target in self.file.read().map_err(PlanError::temporary_file)? {
            take(target.map_err(PlanError::temporary_file)?);
        }
        Ok(())
    }

    /// The targets that this process takes, in order.
    pub(super) fn into_taken(self) -> impl Iterator<Item = io::Result<NewTarget>> + Send + use<> {
        let Self { file, shard, taken, .. } = self;
        let (targets, failed) = match file.into_targets() {
            Ok(targets) => (Some(targets), None),
            Err(error) => (None, Some(Err(error))),
        };
        let all = failed.into_iter().chain(targets.into_iter().flatten());
        let takes = move |target: &io::Result<NewTarget>| match (target, shard) {
            (Ok(target), Some(shard)) => shard.takes(&target.name),
            _ => true,
        };
        all.filter(takes).take(usize::try_from(taken).unwrap_or(usize::MAX))
    }
}
