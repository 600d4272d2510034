//! Limits that refuse a run as a whole, before its first request.

use std::fmt;

use super::Obstacle;
use crate::domain::{ResourceKind, Timestamp};

/// The limits of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guards {
    /// How many datasources and datamarts one run may delete.
    pub max_deletes: u64,
    /// How large a share of all that exist one run may delete, of each kind, in percent; 100 disables the guard.
    pub max_share: f64,
}

/// How much a run would delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How many datasources are due.
    pub due: u64,
    /// How many datamarts are due, with them.
    pub datamarts: u64,
    /// `None` if the listing was not read or could not be.
    pub listing: Option<ListingExtent>,
    /// How many datamarts exist, if their listing was read.
    pub datamarts_exist: Option<u64>,
}

/// What the listing says of the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingExtent {
    /// How many datasources exist.
    pub exist: u64,
    /// How many of them are due.
    pub due: u64,
}

/// Why a guard refuses a run. Shares are in percent.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    TooMany {
        due: u64,
        datamarts: u64,
        max: u64,
    },
    TooLargeAShare {
        kind: ResourceKind,
        /// How many of those that exist are due.
        due: u64,
        exist: u64,
        max: f64,
    },
    /// The deletions of 24 hours, over all runs, would be too many.
    DayUsedUp {
        due: u64,
        /// How many were deleted, or may have been, in the last 24 hours.
        used: u64,
        limit: u64,
        /// From when on it would fit; `None` if it is more than the budget of a day.
        fits_at: Option<Timestamp>,
    },
    /// A plan is run with another token than it was made with, which does not show its targets.
    OtherToken {
        /// How many are not listed, and the first of them; `None` if the listing could not be read.
        unlisted: Option<(usize, String)>,
    },
    /// Datasources that probably serve several customers are due, and not allowed by name.
    Shared {
        count: usize,
        /// The first of them.
        name: String,
        /// The datamart that shows it.
        datamart: String,
    },
    /// Datamarts that are to go along cannot.
    Dependants {
        count: usize,
        /// The first of them.
        first: Obstacle,
    },
    /// Which datamarts are to go along is unknown, and why.
    NoDatamarts {
        why: String,
    },
    /// The share is unknown.
    NoListing {
        max: f64,
        /// Why the listing could not be read, if that is known.
        why: Option<String>,
    },
}

const NOTHING_LISTED: &str = "the API lists none at all; check the host and the token";

impl Guards {
    /// Returns true if the listing has to be read before the guards can decide.
    #[must_use]
    pub fn need_listing(&self) -> bool {
        self.max_share < 100.0
    }

    /// How many a run may delete if its targets are not known beforehand and `exist` datasources exist.
    ///
    /// # Errors
    /// If the share has to be known, and the listing was not read, or is empty.
    pub fn most(&self, exist: Option<u64>) -> Result<u64, Refusal> {
        if !self.need_listing() {
            return Ok(self.max_deletes);
        }
        match exist {
            None => Err(self.no_listing(None)),
            Some(0) => Err(self.no_listing(Some(NOTHING_LISTED))),
            Some(exist) => Ok(self.max_deletes.min(part(self.max_share, exist))),
        }
    }

    /// Every guard that refuses a run of this extent.
    #[must_use]
    pub fn refusals(&self, extent: Extent) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let Extent { due, datamarts, .. } = extent;
        if due + datamarts > self.max_deletes {
            refusals.push(Refusal::TooMany { due, datamarts, max: self.max_deletes });
        }
        if self.need_listing() && extent.due > 0 {
            match extent.listing {
                None => refusals.push(self.no_listing(None)),
                // There is something to delete, and nothing exists: more likely a wrong token or host.
                Some(ListingExtent { exist: 0, .. }) => {
                    refusals.push(self.no_listing(Some(NOTHING_LISTED)));
                }
                Some(ListingExtent { exist, due }) => {
                    refusals.extend(self.too_large(ResourceKind::Datasource, due, exist));
                }
            }
            // One wrong datasource can own most of the datamarts.
            let exist = extent.datamarts_exist.filter(|_| datamarts > 0);
            refusals.extend(exist.and_then(|exist| self.too_large(ResourceKind::Datamart, datamarts, exist)));
        }
        refusals
    }

    fn too_large(&self, kind: ResourceKind, due: u64, exist: u64) -> Option<Refusal> {
        let max = self.max_share;
        (share(due, exist) > max).then_some(Refusal::TooLargeAShare { kind, due, exist, max })
    }

    fn no_listing(&self, why: Option<&str>) -> Refusal {
        Refusal::NoListing { max: self.max_share, why: why.map(str::to_owned) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage of counts far below 2^52")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

/// The largest number of `whole` that is no more than `percent` of it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage of counts far below 2^52"
)]
fn part(percent: f64, whole: u64) -> u64 {
    let near = (whole as f64 * percent / 100.0) as u64;
    // Rounding may go either way, and the guard of a run decides by `share`.
    (0..=near + 1).rev().find(|n| share(*n, whole) <= percent).unwrap_or(0)
}

/// A number and its kind of resource.
fn counted(n: u64, kind: ResourceKind) -> String {
    format!("{n} {kind}{}", if n == 1 { "" } else { "s" })
}

impl Refusal {
    /// The guard that refuses, as its setting is called.
    #[must_use]
    pub const fn guard(&self) -> &'static str {
        match self {
            Self::TooMany { .. } => "max_deletes",
            Self::DayUsedUp { .. } => "max_deletes_per_day",
            Self::OtherToken { .. } => "token_seal",
            Self::TooLargeAShare { .. } | Self::NoListing { .. } => "max_share",
            Self::Shared { .. } => "allow_shared",
            Self::Dependants { .. } | Self::NoDatamarts { .. } => "with_datamarts",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { due: 1, datamarts: 0, max } => write!(
                f,
                "1 datasource is to be deleted, and one run may delete {max}; if that is meant, pass --max-deletes 1"
            ),
            Self::TooMany { due, datamarts: 0, max } => write!(
                f,
                "{due} datasources are to be deleted, and one run may delete {max}; if all are meant, pass --max-deletes {due}"
            ),
            Self::OtherToken { unlisted } => {
                f.write_str("the plan was made with another service token, and ")?;
                match unlisted {
                    Some((1, name)) => write!(f, "its target `{name}` is not listed with this one")?,
                    Some((count, name)) => {
                        write!(f, "{count} of its targets are not listed with this one, such as `{name}`")?;
                    }
                    None => {
                        f.write_str(
                            "the listing, which has to show its targets with this one, was not read",
                        )?;
                    }
                }
                f.write_str("; use a token of the same account, or make a new plan")
            }
            Self::DayUsedUp { due, used, limit, fits_at } => {
                let (deletions, are) = if *due == 1 { ("deletion", "is") } else { ("deletions", "are") };
                let count = if *used == 1 { "counts" } else { "count" };
                write!(
                    f,
                    "{due} {deletions} {are} due, {used} of the last 24 hours {count}, and 24 hours may have {limit} (max_deletes_per_day); "
                )?;
                match fits_at {
                    Some(at) => write!(f, "it fits from {at} on"),
                    None => f.write_str(
                        "it never fits; divide the list, or raise --max-deletes-per-day if all are meant",
                    ),
                }
            }
            Self::TooMany { due, datamarts, max } => write!(
                f,
                "{} and {} are to be deleted, {total} in all, and one run may delete {max}; if all are meant, pass --max-deletes {total}",
                counted(*due, ResourceKind::Datasource),
                counted(*datamarts, ResourceKind::Datamart),
                total = due + datamarts
            ),
            Self::TooLargeAShare { kind, due, exist, max } => write!(
                f,
                "{due} of the {exist} {kind}s that exist would be deleted ({:.1} %), and one run may delete {max} %; if all are meant, raise --max-share",
                share(*due, *exist)
            ),
            Self::Dependants { count, first: Obstacle { datamart, datasource, why } } => {
                let others = match count {
                    1 => String::new(),
                    2 => " (and 1 other is in the way)".to_owned(),
                    count => format!(" (and {} others are in the way)", count - 1),
                };
                write!(
                    f,
                    "`{datamart}`, a datamart of `{datasource}`, {why}{others}; put it right in Databrain, or take `{datasource}` out of the list"
                )
            }
            Self::NoDatamarts { why } => {
                write!(
                    f,
                    "which datamarts go along is unknown: {why}; fix this, or run without --with-datamarts"
                )
            }
            Self::Shared { count, name, datamart } => {
                let (others, names) = match count {
                    1 => (String::new(), "it"),
                    2 => (" (and 1 other)".to_owned(), "each"),
                    count => (format!(" (and {} others)", count - 1), "each"),
                };
                write!(
                    f,
                    "`{name}`{others} probably serves several customers: its datamart `{datamart}` has the tenancy level TABLE; if deleting it for all of them is meant, name {names} with --allow-shared"
                )
            }
            Self::NoListing { max, why } => write!(
                f,
                "one run may delete {max} % of all datasources, and the total is unknown ({}); fix this",
                why.as_deref().unwrap_or("the listing was not read")
            ),
        }
    }
}
