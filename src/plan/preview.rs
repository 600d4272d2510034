//! What the listings say of a list of targets, before anything is deleted.

use std::collections::{BTreeSet, HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::{ListingExtent, PlanError, Selection};
use crate::domain::SkipReason;

/// The listings of the API.
#[derive(Debug, Clone, Default)]
pub struct Listings {
    /// The names of all datasources.
    pub datasources: Vec<String>,
    /// What depends on a datasource, by its name; `None` where that could not be read.
    pub dependants: Option<HashMap<String, Vec<String>>>,
}

/// What the listings say of the targets that are due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// How many datasources there are in all.
    pub listed: u64,
    /// How many of the due targets exist.
    pub exist: u64,
    /// The due targets that do not exist, each with the names that do and are like it.
    pub missing: Vec<(String, Vec<String>)>,
    /// The due targets that are in use, each with what depends on it.
    pub in_use: Vec<(String, Vec<String>)>,
    /// Targets that are skipped because the log knows them to be gone, and that exist nevertheless:
    /// somebody made them anew.
    pub back: BTreeSet<String>,
    /// Whether it is known what is in use.
    pub dependants_known: bool,
}

impl Preview {
    /// Holds the listings against `selection`.
    ///
    /// # Errors
    /// Where the list of targets cannot be read back.
    pub fn new(selection: &mut Selection, listings: &Listings) -> Result<Self, PlanError> {
        let names: HashSet<&str> = listings.datasources.iter().map(String::as_str).collect();
        let mut alike: HashMap<String, Vec<&str>> = HashMap::new();
        for name in &listings.datasources {
            alike.entry(loose(name)).or_default().push(name);
        }
        let mut preview = Self {
            listed: listings.datasources.len() as u64,
            dependants_known: listings.dependants.is_some(),
            ..Self::default()
        };
        selection.each_due(|target| {
            let name = target.name.as_str();
            if names.contains(name) {
                preview.exist += 1;
                let used_by = listings.dependants.as_ref().and_then(|all| all.get(name));
                if let Some(used_by) = used_by.filter(|used_by| !used_by.is_empty()) {
                    preview.in_use.push((name.to_owned(), used_by.clone()));
                }
            } else {
                let near = alike.get(&loose(name)).into_iter().flatten().map(|near| (*near).to_owned());
                preview.missing.push((name.to_owned(), near.collect()));
            }
        })?;
        selection.each_skipped(|target, reason, _| {
            if reason == SkipReason::AlreadyDeleted && names.contains(target.name.as_str()) {
                preview.back.insert(target.name.to_string());
            }
        })?;
        Ok(preview)
    }

    /// What the guards look at.
    #[must_use]
    pub const fn extent(&self) -> ListingExtent {
        ListingExtent { exist: self.listed, due: self.exist }
    }
}

/// A name as people confuse it: without regard to case, outer space, Unicode form, and what joins
/// its words.
fn loose(name: &str) -> String {
    name.trim()
        .nfkc()
        .flat_map(char::to_lowercase)
        .map(|c| if matches!(c, '_' | ' ' | '–' | '—') { '-' } else { c })
        .collect()
}
