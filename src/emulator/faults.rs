//! The faults that the emulator injects on purpose, how often, and how they are written.
//!
//! Faults come in three families that are drawn separately. Most belong to one request and may be gone with the
//! next; `in-use`, `missing`, `workspace`, `shared` and the changes of datamarts belong to the name of a datasource and
//! hold at every attempt; `shifting-pages` belongs to a page of a listing.

use std::fmt;
use std::str::FromStr;

/// The number of possible draws; a rate is a number of these.
pub(super) const ALL_DRAWS: u64 = 100 * DRAWS_PER_PERCENT;
const DRAWS_PER_PERCENT: u64 = 1_000_000;
/// As many decimals of a percentage as [`DRAWS_PER_PERCENT`] allows.
const DECIMALS: usize = 6;
/// The least similarity of a misspelled kind to the one that is suggested.
const LEAST_SIMILARITY: f64 = 0.75;

/// One way in which the emulated API can misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// `http500`: replies 500 `INTERNAL_SERVER_ERROR`; nothing was deleted.
    Http500,
    /// `http500-after`: replies 500 although the deletion was done.
    Http500After,
    /// `http502-html`: replies 502 with the HTML page of a proxy; nothing was deleted.
    Http502Html,
    /// `http503`: replies 503 without a body; nothing was deleted.
    Http503,
    /// `http503-retry`: replies 503 with `Retry-After: 1`; nothing was deleted.
    Http503Retry,
    /// `drop`: closes the connection without a reply, half of the time before the deletion and half of the time
    /// after it.
    Drop,
    /// `drop-before`: closes the connection without a reply; nothing was deleted.
    DropBefore,
    /// `drop-after`: closes the connection without a reply although the deletion was done.
    DropAfter,
    /// `truncate`: does the deletion, then closes the connection in the middle of the reply's body.
    Truncate,
    /// `slow`: replies correctly, but late.
    Slow,
    /// `throttle`: replies 429 with `Retry-After: 1`, whatever the limit is; nothing was deleted.
    Throttle,
    /// `login-page`: replies 200 with the login page of a proxy; nothing was deleted.
    LoginPage,
    /// `empty`: does the deletion, then replies 200 without a body.
    Empty,
    /// `http200-error`: replies 200 with an error in the body: the one of the name if it cannot be deleted,
    /// otherwise `INTERNAL_SERVER_ERROR`; nothing was deleted.
    Http200Error,
    /// `http204`: does the deletion, then replies 204.
    Http204,
    /// `gzip`: replies correctly, but compressed, although the client did not ask for it.
    Gzip,
    /// `in-use`: datamarts read the datasource, and it cannot be deleted before them.
    InUse,
    /// `missing`: the name does not exist, at any attempt.
    Missing,
    /// `workspace`: a workspace, which no listing shows, is connected to the datasource, so that it cannot be deleted.
    Workspace,
    /// `shared`: the datasource serves several customers: a datamart that reads it has the tenancy level `TABLE`.
    Shared,
    /// `new-datamart`: a further datamart of the datasource appears after the datamarts were listed once.
    NewDatamart,
    /// `moved-datamart`: a datamart of the datasource reads another one after the datamarts were listed once.
    MovedDatamart,
    /// `changed-datamart`: a datamart of the datasource has one more table after the datamarts were listed once.
    ChangedDatamart,
    /// `shifting-pages`: listings come in pages only, and a page begins one entry late or early, as if an entry
    /// before it had been deleted or added since the last page.
    ShiftingPages,
}

/// What a fault belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Request,
    Name,
    Page,
}

impl Family {
    const fn plural(self) -> &'static str {
        match self {
            Self::Request => "requests",
            Self::Name => "names",
            Self::Page => "pages",
        }
    }
}

impl FaultKind {
    /// Every kind, in the order in which [`Faults`] are displayed.
    pub const ALL: [Self; 24] = [
        Self::Http500,
        Self::Http500After,
        Self::Http502Html,
        Self::Http503,
        Self::Http503Retry,
        Self::Drop,
        Self::DropBefore,
        Self::DropAfter,
        Self::Truncate,
        Self::Slow,
        Self::Throttle,
        Self::LoginPage,
        Self::Empty,
        Self::Http200Error,
        Self::Http204,
        Self::Gzip,
        Self::InUse,
        Self::Missing,
        Self::Workspace,
        Self::Shared,
        Self::NewDatamart,
        Self::MovedDatamart,
        Self::ChangedDatamart,
        Self::ShiftingPages,
    ];

    /// The kind as it is written, such as `http502-html`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http500 => "http500",
            Self::Http500After => "http500-after",
            Self::Http502Html => "http502-html",
            Self::Http503 => "http503",
            Self::Http503Retry => "http503-retry",
            Self::Drop => "drop",
            Self::DropBefore => "drop-before",
            Self::DropAfter => "drop-after",
            Self::Truncate => "truncate",
            Self::Slow => "slow",
            Self::Throttle => "throttle",
            Self::LoginPage => "login-page",
            Self::Empty => "empty",
            Self::Http200Error => "http200-error",
            Self::Http204 => "http204",
            Self::Gzip => "gzip",
            Self::InUse => "in-use",
            Self::Missing => "missing",
            Self::Workspace => "workspace",
            Self::Shared => "shared",
            Self::NewDatamart => "new-datamart",
            Self::MovedDatamart => "moved-datamart",
            Self::ChangedDatamart => "changed-datamart",
            Self::ShiftingPages => "shifting-pages",
        }
    }

    const fn family(self) -> Family {
        match self {
            Self::InUse
            | Self::Missing
            | Self::Workspace
            | Self::Shared
            | Self::NewDatamart
            | Self::MovedDatamart
            | Self::ChangedDatamart => Family::Name,
            Self::ShiftingPages => Family::Page,
            _ => Family::Request,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each kind of fault is injected.
///
/// Written as `http500=5%,drop=1%,missing=2%`, or `none`. The percentage of `in-use`, `missing`,
/// `workspace`, `shared` and the changes of datamarts is of the names of datasources, that of `shifting-pages` is of the pages, and all others are of the requests that delete. The percentages of one
/// family add up to 100 at most, because one request has one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    rates: [u64; FaultKind::ALL.len()],
}

impl Faults {
    /// No faults.
    #[must_use]
    pub const fn none() -> Self {
        Self { rates: [0; FaultKind::ALL.len()] }
    }

    /// The default of a rehearsal: a thousand names meet every kind of outcome.
    #[must_use]
    pub const fn rehearsal() -> Self {
        let mut faults = Self::none();
        faults.rates[FaultKind::Http500 as usize] = 4 * DRAWS_PER_PERCENT;
        faults.rates[FaultKind::Http502Html as usize] = DRAWS_PER_PERCENT / 2;
        faults.rates[FaultKind::Drop as usize] = DRAWS_PER_PERCENT;
        faults.rates[FaultKind::Truncate as usize] = DRAWS_PER_PERCENT / 2;
        faults.rates[FaultKind::Slow as usize] = DRAWS_PER_PERCENT;
        faults.rates[FaultKind::InUse as usize] = 3 * DRAWS_PER_PERCENT;
        faults.rates[FaultKind::Missing as usize] = 2 * DRAWS_PER_PERCENT;
        faults
    }

    /// Returns true if no fault is ever injected.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::none()
    }

    /// Returns true if a fault of the family can occur.
    pub(super) fn has_any(&self, family: Family) -> bool {
        self.sum(family) > 0
    }

    /// The fault of the family for `draw`, a number below [`ALL_DRAWS`].
    pub(super) fn of_draw(&self, family: Family, draw: u64) -> Option<FaultKind> {
        let mut below = 0;
        FaultKind::ALL.into_iter().filter(|kind| kind.family() == family).find(|kind| {
            below += self.rates[*kind as usize];
            draw < below
        })
    }

    fn sum(&self, family: Family) -> u64 {
        FaultKind::ALL.iter().filter(|k| k.family() == family).map(|k| self.rates[*k as usize]).sum()
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut faults = Self::none();
        if matches!(text.trim(), "" | "none") {
            return Ok(faults);
        }
        let mut given = Vec::new();
        for piece in text.split(',').map(str::trim) {
            let (kind, percentage) =
                piece.split_once('=').ok_or_else(|| FaultsError::Form { piece: piece.to_owned() })?;
            let (kind, percentage) = (kind.trim(), percentage.trim());
            let kind = FaultKind::ALL
                .into_iter()
                .find(|known| known.name() == kind)
                .ok_or_else(|| FaultsError::unknown(piece, kind))?;
            let rate = parse_rate(percentage).ok_or_else(|| FaultsError::Percentage {
                piece: piece.to_owned(),
                percentage: percentage.to_owned(),
            })?;
            if given.contains(&kind) {
                return Err(FaultsError::Repeated { piece: piece.to_owned(), kind });
            }
            given.push(kind);
            faults.rates[kind as usize] = rate;
            let sum = faults.sum(kind.family());
            if sum > ALL_DRAWS {
                let (piece, family) = (piece.to_owned(), kind.family().plural());
                return Err(FaultsError::Sum { piece, family, sum: Percent(sum).to_string() });
            }
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (kind, rate) in FaultKind::ALL.into_iter().zip(self.rates).filter(|(_, rate)| *rate > 0) {
            write!(f, "{comma}{kind}={}", Percent(rate))?;
            comma = ",";
        }
        if comma.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

/// A rate as a percentage, without zeros at the end.
struct Percent(u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / DRAWS_PER_PERCENT, self.0 % DRAWS_PER_PERCENT);
        if rest == 0 {
            write!(f, "{whole}%")
        } else {
            let decimals = format!("{rest:0DECIMALS$}");
            write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
        }
    }
}

/// Reads `0.5%` exactly, as a fixed-point number: what is displayed is what was given.
fn parse_rate(percentage: &str) -> Option<u64> {
    let number = percentage.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let rest: u64 = format!("{decimals:0<DECIMALS$}").parse().ok()?;
    whole.checked_mul(DRAWS_PER_PERCENT)?.checked_add(rest).filter(|rate| *rate <= ALL_DRAWS)
}

/// Why a text is not a list of faults. `piece` is the part between two commas that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    #[error("`{piece}` is not of the form KIND=PERCENT%, such as http500=5%")]
    Form { piece: String },
    #[error(
        "`{piece}`: there is no fault `{kind}`{}; known are {}",
        .nearest.map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default(),
        FaultKind::ALL.map(FaultKind::name).join(", ")
    )]
    Unknown { piece: String, kind: String, nearest: Option<&'static str> },
    #[error("`{piece}`: `{percentage}` is not a percentage from 0% to 100% with at most {DECIMALS} decimals")]
    Percentage { piece: String, percentage: String },
    #[error("`{piece}`: {kind} is given twice")]
    Repeated { piece: String, kind: FaultKind },
    #[error("with `{piece}` the faults of {family} add up to {sum}, which is more than 100%")]
    Sum { piece: String, family: &'static str, sum: String },
}

impl FaultsError {
    fn unknown(piece: &str, kind: &str) -> Self {
        let nearest = FaultKind::ALL
            .into_iter()
            .map(|known| (strsim::jaro_winkler(known.name(), kind), known.name()))
            .filter(|(similarity, _)| *similarity >= LEAST_SIMILARITY)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name);
        Self::Unknown { piece: piece.to_owned(), kind: kind.to_owned(), nearest }
    }
}
