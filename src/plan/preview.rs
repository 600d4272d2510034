//! What a run would do, name by name, and what the listings say of that: read before anything is deleted.

use std::collections::{HashMap, HashSet};

use super::{ListingExtent, PlanError, PlannedDatamart, Selection};
use crate::domain::{SkipReason, differences, near_miss_key};

/// How many of the skipped names are kept if not all are asked for.
const SHOWN: usize = 5;

/// The listings of the API.
#[derive(Debug, Clone, Default)]
pub struct Listings {
    /// The names of all datasources.
    pub datasources: Vec<String>,
    /// The datamarts that read a datasource, by its name; `None` if that could not be read.
    pub dependants: Option<HashMap<String, Vec<Dependant>>>,
}

/// A datamart that reads a datasource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependant {
    pub name: String,
    /// The level at which it separates customers, as the API writes it.
    pub tenancy: Option<String>,
    /// Its level says that the datasource probably serves several customers.
    pub is_shared: bool,
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// What the listings say of the due targets; `None` if they were not read.
    pub listing: Option<ListingPreview>,
    /// All due targets; `None` if they were not asked for.
    pub due: Option<Vec<String>>,
    /// Protected targets, each with why: all, or the first few.
    pub protected: Vec<(String, String)>,
    /// Targets that must not be deleted for now, each with why: all, or the first few.
    pub on_hold: Vec<(String, String)>,
    /// Targets that are gone already, each with since when: all, or the first few.
    pub already_deleted: Vec<(String, String)>,
    /// Targets that are skipped as deleted earlier, and exist again, each with why: all, or the first few.
    pub exists_again: Vec<(String, String)>,
    /// Targets that are skipped because of a datamart, each with why: all, or the first few.
    pub kept: Vec<(String, String)>,
    /// The datamarts that are taken along; `None` if none are to be.
    pub groups: Option<GroupsPreview>,
    /// What to warn of before anything is sent.
    pub warnings: Vec<String>,
}

/// The datamarts that are taken along, and those that stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupsPreview {
    /// How many due datasources have any.
    pub count: u64,
    /// How many tables the datamarts have that go, and how many columns.
    pub tables: u64,
    pub columns: u64,
    /// Due datasources with the datamarts that go with them: all that have any, or the first few.
    pub going: Vec<(String, Vec<PlannedDatamart>)>,
    /// Skipped datasources with the datamarts that stay with them: all, or the first few.
    pub staying: Vec<(String, Vec<PlannedDatamart>)>,
}

impl GroupsPreview {
    fn add_going(&mut self, name: &str, group: &[PlannedDatamart], whole: bool) {
        if group.is_empty() {
            return;
        }
        self.count += 1;
        self.tables += group.iter().map(|datamart| datamart.tables).sum::<u64>();
        self.columns += group.iter().map(|datamart| datamart.columns).sum::<u64>();
        show(&mut self.going, name, group, whole);
    }
}

fn show(shown: &mut Vec<(String, Vec<PlannedDatamart>)>, name: &str, group: &[PlannedDatamart], whole: bool) {
    if !group.is_empty() && (whole || shown.len() < SHOWN) {
        let without_entry =
            |datamart: &PlannedDatamart| PlannedDatamart { definition: None, ..datamart.clone() };
        shown.push((name.to_owned(), group.iter().map(without_entry).collect()));
    }
}

/// A name that exists and is like one that does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// The name that exists.
    pub name: String,
    /// In what the two differ, in words.
    pub differs_in: String,
}

/// What the listings say of the due targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListingPreview {
    /// How many datasources there are in all.
    pub listed: u64,
    /// How many of the due targets exist.
    pub exist: u64,
    /// The due targets that do not exist, each with the names that do and are like it.
    pub missing: Vec<(String, Vec<NearMiss>)>,
    /// The due targets that are in use, each with what depends on it; `None` if that could not be read.
    pub in_use: Option<Vec<(String, Vec<Dependant>)>>,
    /// The due targets that probably serve several customers, each with the first datamart that shows it.
    pub shared: Vec<(String, String)>,
    /// The targets for a canary: the first that are due, exist, and are not known to be in use.
    pub canary: Vec<String>,
    /// How many targets are skipped as already deleted, and exist again.
    pub again: u64,
    /// The first of these.
    pub first_again: Option<String>,
}

impl Preview {
    /// Holds `listings` against `selection`, keeps every name if `whole`, and finds a canary of `canary` targets.
    ///
    /// # Errors
    /// If the temporary file cannot be read.
    pub fn new(
        selection: &mut Selection,
        listings: Option<&Listings>,
        whole: bool,
        canary: usize,
    ) -> Result<Self, PlanError> {
        let mut preview = Self {
            listing: listings.map(ListingPreview::new),
            due: whole.then(Vec::new),
            warnings: selection.warnings(listings.map(|listings| listings.datasources.as_slice())),
            groups: selection.cascade().map(|_| GroupsPreview::default()),
            ..Self::default()
        };
        if listings.is_none() && !whole && selection.counts().skipped() == 0 {
            return Ok(preview);
        }
        let names: HashSet<&str> =
            listings.iter().flat_map(|all| &all.datasources).map(String::as_str).collect();
        let mut again = HashSet::new();
        let along = selection.along.take();
        let group = |name: &str| along.as_ref().map_or(&[][..], |along| along.cascade.group(name));
        let each = selection.each(|target| {
            let name = target.name.as_str();
            let (is_listed, group) = (names.contains(name), group(name));
            let listing = preview.listing.as_mut().zip(listings);
            let Some((reason, mut why)) = target.skip else {
                if let Some((listing, listings)) = listing {
                    listing.add_due(name, is_listed, listings, canary, preview.groups.is_some());
                }
                if let Some(groups) = &mut preview.groups {
                    groups.add_going(name, group, whole);
                }
                if let Some(due) = &mut preview.due {
                    due.push(name.to_owned());
                }
                return;
            };
            if let Some(groups) = &mut preview.groups {
                show(&mut groups.staying, name, group, whole);
            }
            let skipped = match reason {
                SkipReason::Protected => &mut preview.protected,
                SkipReason::OnHold => &mut preview.on_hold,
                SkipReason::DependantsRemain | SkipReason::DependantsChanged => &mut preview.kept,
                SkipReason::AlreadyDeleted | SkipReason::ExistsAgain => {
                    if let Some((listing, _)) = listing.filter(|_| is_listed) {
                        listing.again += 1;
                        again.insert(name.to_owned());
                        listing.first_again.get_or_insert_with(|| name.to_owned());
                        why.push_str(", AND EXISTS AGAIN; --again sends it");
                        &mut preview.exists_again
                    } else {
                        &mut preview.already_deleted
                    }
                }
            };
            if whole || skipped.len() < SHOWN {
                skipped.push((name.to_owned(), why));
            }
        });
        selection.along = along;
        each?;
        selection.exist_again(again);
        if let Some((listing, listings)) = preview.listing.as_mut().zip(listings) {
            listing.find_near_misses(&listings.datasources);
        }
        Ok(preview)
    }
}

impl ListingPreview {
    fn new(listings: &Listings) -> Self {
        Self {
            listed: listings.datasources.len() as u64,
            in_use: listings.dependants.as_ref().map(|_| Vec::new()),
            ..Self::default()
        }
    }

    /// What the guards look at.
    #[must_use]
    pub const fn extent(&self) -> ListingExtent {
        ListingExtent { exist: self.listed, due: self.exist }
    }

    fn add_due(
        &mut self,
        name: &str,
        is_listed: bool,
        listings: &Listings,
        canary: usize,
        takes_along: bool,
    ) {
        let used_by = listings.dependants.as_ref().and_then(|all| all.get(name));
        if let Some(shared) = used_by.into_iter().flatten().find(|dependant| dependant.is_shared) {
            self.shared.push((name.to_owned(), shared.name.clone()));
        }
        if !is_listed {
            self.missing.push((name.to_owned(), Vec::new()));
            return;
        }
        self.exist += 1;
        // What is taken along is not in the way.
        let used_by = used_by.filter(|all| !takes_along && !all.is_empty());
        match (&mut self.in_use, used_by) {
            (Some(in_use), Some(used_by)) => in_use.push((name.to_owned(), used_by.clone())),
            _ if self.canary.len() < canary => self.canary.push(name.to_owned()),
            _ => {}
        }
    }

    /// Finds for each missing name those that exist and are like it.
    fn find_near_misses(&mut self, exist: &[String]) {
        let mut alike: HashMap<String, Vec<&str>> =
            self.missing.iter().map(|(name, _)| (near_miss_key(name), Vec::new())).collect();
        if alike.is_empty() {
            return;
        }
        for name in exist {
            if let Some(alike) = alike.get_mut(&near_miss_key(name)) {
                alike.push(name);
            }
        }
        for (name, near) in &mut self.missing {
            near.extend(alike.get(&near_miss_key(name)).into_iter().flatten().map(|near| NearMiss {
                name: (*near).to_owned(),
                differs_in: differences(name, near).join(", "),
            }));
        }
    }
}
