//! A plan on disk: frozen, digested, and exactly what a run will do.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{PlanError, Targets, TargetsBuilder};
use crate::signature;
use crate::vocabulary::{DatasourceName, NewTarget, Timestamp};

/// The format that is written and read.
const FORMAT: u32 = 1;

/// A file that is longer than this is no plan, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024 * 1024;

/// A saved plan. Its fields stand in the file in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The version of this format.
    pub format: u32,
    /// Random, in hexadecimal.
    pub plan_id: String,
    /// When it was made (RFC 3339, UTC).
    pub created_at: String,
    /// Until when it may be run (RFC 3339, UTC).
    pub expires_at: String,
    /// Who made it.
    pub creator: String,
    /// Where the API is.
    pub base_url: String,
    /// A fingerprint of the token, keyed with `plan_id`; `None` where the plan was made without one.
    pub token_fingerprint: Option<String>,
    /// The input, as it was named.
    pub input: String,
    /// SHA-256 of the input's bytes, in hexadecimal.
    pub input_sha256: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The ticket that asked for it.
    pub ticket: Option<String>,
    /// The guards that held when it was made.
    pub guards: SavedGuards,
    /// What is to be deleted, sorted by name.
    pub targets: Vec<SavedTarget>,
    /// What the input names and is not to be deleted, sorted by name.
    pub skipped: Vec<SavedSkip>,
    /// SHA-256 over all of the above: over the JSON of this object without white space, with an
    /// empty digest. In hexadecimal.
    pub digest: String,
}

/// The guards that held when a plan was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedGuards {
    /// How many datasources one run may delete.
    pub max_deletes: u64,
    /// How large a share of all that exist, in percent.
    pub max_share: f64,
    /// Globs of protected names.
    pub protect: Vec<String>,
}

/// A datasource that is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedTarget {
    /// Its name.
    pub name: String,
    /// Why, from the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its ticket, from the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// A datasource that is not to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedSkip {
    /// Its name.
    pub name: String,
    /// Why, in words.
    pub why: String,
}

/// Why a saved plan is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefusal {
    /// Its time is over.
    #[error("the plan expired at {at}; make a new one")]
    Expired {
        /// When.
        at: String,
    },
    /// It is for another API.
    #[error("the plan is for {planned}, and the base URL is {configured}")]
    OtherHost {
        /// Where it is for.
        planned: String,
        /// Where this run would go.
        configured: String,
    },
    /// It was made with another token.
    #[error(
        "the plan was made with another service token; run it with that one, or make a new plan with this one"
    )]
    OtherToken,
    /// It was made without a token, so that nobody can tell whose datasources it means.
    #[error("the plan was made without a service token (--offline); make it again with one")]
    NoToken,
    /// One of its targets is protected by now.
    #[error("`{name}` is protected by the pattern `{pattern}` since; make a new plan")]
    ProtectedSince {
        /// The target.
        name: String,
        /// The pattern.
        pattern: String,
    },
    /// It was run already.
    #[error("the plan was applied already, by run {run_id}; make a new one")]
    Applied {
        /// The run.
        run_id: String,
    },
}

impl SavedPlan {
    /// Sorts, and computes the digest: the plan is frozen from here on.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.format = FORMAT;
        self.targets.sort_by(|a, b| a.name.cmp(&b.name));
        self.skipped.sort_by(|a, b| a.name.cmp(&b.name));
        self.digest = self.computed_digest();
        self
    }

    fn computed_digest(&self) -> String {
        let mut digest = Digesting(Sha256::new());
        let bare = Self { digest: String::new(), ..self.clone() };
        // Neither a map with strange keys nor a writer that fails is involved.
        let _ = serde_json::to_writer(&mut digest, &bare);
        super::targets::hex(&digest.0.finalize())
    }

    /// Reads a plan and checks that nobody has altered it.
    ///
    /// # Errors
    /// Where the file cannot be read, is no plan, or was altered.
    pub fn read(path: &Path) -> Result<(Self, Vec<u8>), PlanError> {
        let unreadable = |source| PlanError::Unreadable { path: path.to_owned(), source };
        let bytes = signature::whole(path, LONGEST_FILE).map_err(unreadable)?;
        let plan: Self = serde_json::from_slice(&bytes)
            .map_err(|error| PlanError::NoPlan { path: path.to_owned(), why: error.to_string() })?;
        // Sorted and each name once is part of what the digest vouches for.
        let in_order = plan.targets.windows(2).all(|pair| pair[0].name < pair[1].name);
        if plan.computed_digest() != plan.digest || !in_order {
            return Err(PlanError::Altered { path: path.to_owned() });
        }
        if plan.format != FORMAT {
            let why = format!("its format is {}, and this decom knows {FORMAT}", plan.format);
            return Err(PlanError::NoPlan { path: path.to_owned(), why });
        }
        Ok((plan, bytes))
    }

    /// Writes the plan for people to read and to sign.
    ///
    /// # Errors
    /// Where the file exists already or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), PlanError> {
        let unwritable = |source| PlanError::Unwritable { path: path.to_owned(), source };
        // Never over something else: not over a plan that is being reviewed, nor over the audit log.
        let file = std::fs::File::create_new(path).map_err(unwritable)?;
        self.write_to(file).map_err(|error| {
            // Half a plan is none, and would be in the way of the next one.
            let _ = std::fs::remove_file(path);
            unwritable(error)
        })
    }

    fn write_to(&self, file: std::fs::File) -> io::Result<()> {
        let mut file = io::BufWriter::new(file);
        serde_json::to_writer_pretty(&mut file, self)?;
        writeln!(file)?;
        file.flush()
    }

    /// The targets, as a list that a run takes.
    ///
    /// # Errors
    /// Where a name is none, or the temporary file cannot be written.
    pub fn targets(&self, path: &Path, folder: PathBuf) -> Result<Targets, PlanError> {
        let mut builder = TargetsBuilder::new(folder);
        for target in &self.targets {
            let name = DatasourceName::new(&target.name)
                .map_err(|error| PlanError::NoPlan { path: path.to_owned(), why: error.to_string() })?;
            let SavedTarget { reason, ticket, .. } = target.clone();
            builder.add(&NewTarget { name, reason, ticket, skip: None })?;
        }
        builder.finish()
    }

    /// Whether its time is over at `now`.
    ///
    /// # Errors
    /// Where it is, or where its time cannot be read.
    pub fn check_time(&self, now: Timestamp) -> Result<(), PlanRefusal> {
        // Fixed width in UTC: text order is time order.
        if now.to_string() < self.expires_at {
            Ok(())
        } else {
            Err(PlanRefusal::Expired { at: self.expires_at.clone() })
        }
    }

    /// Whether it is for this API and this token.
    ///
    /// # Errors
    /// Where it is for another.
    pub fn check_place(&self, base_url: &str, token: &crate::vocabulary::Token) -> Result<(), PlanRefusal> {
        if self.base_url != base_url {
            return Err(PlanRefusal::OtherHost {
                planned: self.base_url.clone(),
                configured: base_url.to_owned(),
            });
        }
        match &self.token_fingerprint {
            None => Err(PlanRefusal::NoToken),
            Some(fingerprint) if *fingerprint == token.fingerprint(&self.plan_id) => Ok(()),
            Some(_) => Err(PlanRefusal::OtherToken),
        }
    }
}

struct Digesting(Sha256);

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
