//! A plan on disk: frozen, digested, and exactly what a run will do.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Cascade, PlanError, PlanRefusal, PlannedDatamart, PlannedSkips, Targets, TargetsBuilder};
use crate::domain::{
    CustomerRequest, DatasourceName, NameError, NewTarget, Place, SkipReason, TargetRole, Timestamp, Token,
    hex, read_file, write_whole_file,
};

/// The format of a plan over datasources alone.
const FORMAT: u32 = 1;

/// The format of a plan that takes datamarts along, which a decom that knows none must not run.
const FORMAT_WITH_DATAMARTS: u32 = 2;

/// A file that is longer than this is not a plan, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024 * 1024;

/// A saved plan. The file has its fields in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    pub format: u32,
    /// Random, in hexadecimal.
    pub plan_id: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// From when on it may be run (RFC 3339, UTC), if owners have time to object until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Until when it may be run (RFC 3339, UTC).
    pub expires_at: String,
    pub creator: String,
    /// The login name that it was made under.
    pub creator_login: String,
    pub base_url: String,
    /// The input, as it was named.
    pub input: String,
    /// SHA-256 of the input's bytes, in hexadecimal.
    pub input_sha256: Option<String>,
    pub reason: Option<String>,
    pub ticket: Option<String>,
    /// The guards in force when it was made.
    pub guards: SavedGuards,
    /// It takes along the datamarts that are listed with its datasources.
    #[serde(default, skip_serializing_if = "is_false")]
    pub with_datamarts: bool,
    /// What is to be deleted, sorted by name.
    pub targets: Vec<SavedTarget>,
    /// What the input names and is not to be deleted, sorted by name.
    pub skipped: Vec<SavedSkip>,
    /// HMAC-SHA256, keyed with the service token, of what the digest would be if this were empty: it binds the plan
    /// to the token, without which nobody can edit it. In hexadecimal.
    pub token_seal: String,
    /// SHA-256 over all of the above: over the JSON of this object without white space, with an empty digest. In
    /// hexadecimal.
    pub digest: String,
}

/// The guards in force when a plan was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedGuards {
    pub max_deletes: u64,
    /// In percent.
    pub max_share: f64,
    /// Globs of protected names.
    pub protect: Vec<String>,
    /// Globs of shared datasources that may be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_shared: Vec<String>,
    /// Globs of protected datamarts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protect_datamart: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how serde passes a field")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A datasource that is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedTarget {
    pub name: String,
    /// From the input, as the ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Which customer asked for it, and when, from the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<CustomerRequest>,
    /// The datamart that shows that it probably serves several customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_by: Option<String>,
    /// The datamarts that are deleted before it, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datamarts: Vec<SavedDatamart>,
}

/// A datamart of a datasource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedDatamart {
    pub name: String,
    /// The level at which it separates customers, as the API writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenancy: Option<String>,
    pub tables: u64,
    pub columns: u64,
    /// SHA-256 of its entry in the listing, in hexadecimal.
    pub definition_sha256: String,
}

impl From<&PlannedDatamart> for SavedDatamart {
    fn from(datamart: &PlannedDatamart) -> Self {
        Self {
            name: datamart.name.to_string(),
            tenancy: datamart.tenancy.clone(),
            tables: datamart.tables,
            columns: datamart.columns,
            definition_sha256: datamart.definition_sha256.clone(),
        }
    }
}

impl SavedDatamart {
    fn planned(&self) -> Result<PlannedDatamart, NameError> {
        Ok(PlannedDatamart {
            name: DatasourceName::new(&self.name)?,
            tenancy: self.tenancy.clone(),
            tables: self.tables,
            columns: self.columns,
            definition_sha256: self.definition_sha256.clone(),
            definition: None,
        })
    }
}

/// A datasource that is not to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedSkip {
    pub name: String,
    pub skip: SavedSkipReason,
    /// Why not, in words.
    pub why: String,
    /// Why it was to be deleted, from the input, as the ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<CustomerRequest>,
    /// The datamarts that stay with it, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datamarts: Vec<SavedDatamart>,
}

/// Why a datasource is not to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedSkipReason {
    Protected,
    /// It must not be deleted for now. Once the hold is over, it needs a new plan.
    OnHold,
    AlreadyDeleted,
    /// The audit log knows that it was deleted, and it exists again.
    ExistsAgain,
    /// A datamart that reads it stays.
    DependantsRemain,
    /// The datamarts that read it are not those that were planned.
    DependantsChanged,
}

impl From<SkipReason> for SavedSkipReason {
    fn from(reason: SkipReason) -> Self {
        match reason {
            SkipReason::Protected => Self::Protected,
            SkipReason::OnHold => Self::OnHold,
            SkipReason::AlreadyDeleted => Self::AlreadyDeleted,
            SkipReason::ExistsAgain => Self::ExistsAgain,
            SkipReason::DependantsRemain => Self::DependantsRemain,
            SkipReason::DependantsChanged => Self::DependantsChanged,
        }
    }
}

impl From<SavedSkipReason> for SkipReason {
    fn from(reason: SavedSkipReason) -> Self {
        match reason {
            SavedSkipReason::Protected => Self::Protected,
            SavedSkipReason::OnHold => Self::OnHold,
            SavedSkipReason::AlreadyDeleted => Self::AlreadyDeleted,
            SavedSkipReason::ExistsAgain => Self::ExistsAgain,
            SavedSkipReason::DependantsRemain => Self::DependantsRemain,
            SavedSkipReason::DependantsChanged => Self::DependantsChanged,
        }
    }
}

impl SavedPlan {
    /// How the file of a plan begins; see [`Place::Kind`].
    pub const BEGINNINGS: &'static [&'static str] = &["{\n  \"format\": 0"];

    /// Sorts, seals with `token`, and computes the digest: the plan is frozen from here on.
    #[must_use]
    pub fn sealed(mut self, token: &Token) -> Self {
        self.format = self.own_format();
        self.targets.sort_by(|a, b| a.name.cmp(&b.name));
        self.skipped.sort_by(|a, b| a.name.cmp(&b.name));
        self.token_seal = token.seal(&self.digest_with(""));
        self.digest = self.digest_with(&self.token_seal);
        self
    }

    const fn own_format(&self) -> u32 {
        if self.with_datamarts { FORMAT_WITH_DATAMARTS } else { FORMAT }
    }

    /// The digest of the plan with this seal.
    fn digest_with(&self, token_seal: &str) -> String {
        let mut digest = Sha256::new();
        let bare = Self { token_seal: token_seal.to_owned(), digest: String::new(), ..self.clone() };
        // Fails only for a map whose keys are not text, or a writer that fails, and this is neither.
        let _ = serde_json::to_writer(&mut digest, &bare);
        hex(digest.finalize())
    }

    /// Reads a plan and checks that it was not altered.
    ///
    /// # Errors
    /// If the file cannot be read, is not a plan, or was altered.
    pub fn read(path: &Path) -> Result<(Self, Vec<u8>), PlanError> {
        let bytes = read_file(path, LONGEST_FILE)
            .map_err(|source| PlanError::Unreadable { path: path.to_owned(), source })?;
        let no_plan = |why| PlanError::NoPlan { path: path.to_owned(), why };
        let altered = |why| PlanError::Altered { path: path.to_owned(), why };
        let other_format = |format| {
            no_plan(format!(
                "its format is {format}, and this version of decom reads {FORMAT} and {FORMAT_WITH_DATAMARTS}"
            ))
        };
        let plan = match serde_json::from_slice::<Self>(&bytes) {
            Ok(plan) => plan,
            Err(error) => {
                // Another version may have written fields that this one does not know.
                let format = serde_json::from_slice::<Format>(&bytes).map_or(FORMAT, |any| any.format);
                return Err(match bytes.strip_prefix("\u{feff}".as_bytes()) {
                    Some(text) if was_plan(text) => altered("it begins with a byte order mark".to_owned()),
                    None if ![FORMAT, FORMAT_WITH_DATAMARTS].contains(&format) => other_format(format),
                    None if was_plan(&bytes) => altered(error.to_string()),
                    _ => no_plan(error.to_string()),
                });
            }
        };
        if plan.digest_with(&plan.token_seal) != plan.digest {
            return Err(altered("its digest does not match".to_owned()));
        }
        if plan.format != plan.own_format() {
            return Err(other_format(plan.format));
        }
        if !plan.is_in_order() {
            return Err(altered("its names are not in order, or not each once".to_owned()));
        }
        Ok((plan, bytes))
    }

    /// Returns true if it is sorted and has each name once, so that what was reviewed is what runs.
    fn is_in_order(&self) -> bool {
        let mut groups = self.groups();
        let mut datamarts = HashSet::new();
        self.targets.windows(2).all(|pair| pair[0].name < pair[1].name)
            && self.skipped.windows(2).all(|pair| pair[0].name < pair[1].name)
            && groups.all(|(_, group)| {
                (self.with_datamarts || group.is_empty())
                    && group.windows(2).all(|pair| pair[0].name < pair[1].name)
                    && group.iter().all(|datamart| datamarts.insert(&datamart.name))
            })
    }

    /// How many datasources it deletes, and how many datamarts.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let datamarts: usize = self.targets.iter().map(|target| target.datamarts.len()).sum();
        (self.targets.len() as u64, datamarts as u64)
    }

    /// Each datasource with its datamarts, those that are skipped included.
    pub fn groups(&self) -> impl Iterator<Item = (&String, &Vec<SavedDatamart>)> {
        let targets = self.targets.iter().map(|target| (&target.name, &target.datamarts));
        targets.chain(self.skipped.iter().map(|skip| (&skip.name, &skip.datamarts)))
    }

    /// The datamarts that it takes along; `None` if it takes none.
    ///
    /// # Errors
    /// If a name is invalid.
    pub fn cascade(&self, path: &Path) -> Result<Option<Cascade>, PlanError> {
        if !self.with_datamarts {
            return Ok(None);
        }
        let mut groups = HashMap::new();
        for (datasource, group) in self.groups() {
            let planned: Result<_, _> = group.iter().map(SavedDatamart::planned).collect();
            let planned = planned.map_err(|error: NameError| PlanError::NoPlan {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
            groups.insert(datasource.clone(), planned);
        }
        Ok(Some(Cascade::of_groups(groups)))
    }

    /// Writes the plan for people to read and to sign.
    ///
    /// # Errors
    /// If the file exists already or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), PlanError> {
        let unwritable = |source| PlanError::Unwritable { path: path.to_owned(), source };
        // Never over another file: not over a plan that is being reviewed, nor over the audit log.
        write_whole_file(path, Place::New, None, |out| self.write_to(out)).map_err(unwritable)
    }

    /// Writes the plan as [`SavedPlan::write`] does.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// All that the plan names: what is to be deleted, and what is skipped.
    ///
    /// # Errors
    /// If a name is invalid, or the temporary file cannot be written.
    pub fn targets(&self, path: &Path, folder: PathBuf) -> Result<Targets, PlanError> {
        let targets = self.targets.iter().map(|it| (&it.name, &it.reason, &it.ticket, &it.request));
        let skipped = self.skipped.iter().map(|it| (&it.name, &it.reason, &it.ticket, &it.request));
        let mut all: Vec<_> = targets.chain(skipped).collect();
        all.sort_by_key(|(name, ..)| *name);
        let mut builder = TargetsBuilder::new(folder, None);
        for (name, reason, ticket, request) in all {
            let name = DatasourceName::new(name)
                .map_err(|error| PlanError::NoPlan { path: path.to_owned(), why: error.to_string() })?;
            let (role, reason, ticket) = (TargetRole::Datasource, reason.clone(), ticket.clone());
            let request = request.clone().unwrap_or_default();
            builder.add(&NewTarget { name, role, reason, ticket, request, skip: None })?;
        }
        Ok(builder.finish())
    }

    /// What the plan skips, and why.
    #[must_use]
    pub fn skips(&self) -> PlannedSkips {
        let skips = self.skipped.iter();
        skips.map(|skip| (skip.name.clone(), (skip.skip.into(), skip.why.clone()))).collect()
    }

    /// Passes if the plan is for this API.
    ///
    /// # Errors
    /// If it is for another.
    pub fn check_place(&self, base_url: &str) -> Result<(), PlanRefusal> {
        if self.base_url != base_url {
            return Err(PlanRefusal::OtherHost {
                planned: self.base_url.clone(),
                configured: base_url.to_owned(),
            });
        }
        Ok(())
    }

    /// Returns true if the plan was made with this token, and not edited without it.
    #[must_use]
    pub fn is_sealed_with(&self, token: &Token) -> bool {
        token.seal(&self.digest_with("")) == self.token_seal
    }
}

/// Returns true if a plan that expires at `expires_at` may not be run any more at `now`.
#[must_use]
pub fn is_expired(expires_at: &str, now: Timestamp) -> bool {
    // Fixed width in UTC: text order is time order.
    now.to_string().as_str() >= expires_at
}

/// What every version of a plan begins with.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Returns true if this is a plan, or was one before it was damaged.
fn was_plan(text: &[u8]) -> bool {
    let holds = |key: &str| text.windows(key.len()).any(|part| part == key.as_bytes());
    text.trim_ascii_start().starts_with(b"{") && [r#""plan_id""#, r#""token_seal""#].into_iter().any(holds)
}
