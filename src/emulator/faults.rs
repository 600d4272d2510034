//! What goes wrong on purpose, how often, and how a person writes that down.
//!
//! Faults come in two families that are drawn apart. Transient ones befall a request and may be gone
//! with the next; `in-use` and `missing` are properties of a name and hold at every attempt.

use std::fmt;
use std::str::FromStr;

/// All of the draws there are: a rate is a number of these. A millionth of a percent is one.
pub(super) const ALL_LOTS: u64 = 100 * LOTS_PER_PERCENT;
const LOTS_PER_PERCENT: u64 = 1_000_000;
/// As many decimals of a percentage as [`LOTS_PER_PERCENT`] can tell apart.
const DECIMALS: usize = 6;
/// A misspelt kind that is further off than this is not guessed at.
const FARTHEST_GUESS: f64 = 0.75;

/// One way in which the emulated API can misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// `http500`: answers 500 `INTERNAL_SERVER_ERROR`; nothing was deleted.
    Http500,
    /// `http500-after`: answers 500 although the deletion was done.
    Http500After,
    /// `http502-html`: answers 502 with the HTML page of a proxy; nothing was deleted.
    Http502Html,
    /// `http503`: answers 503 with no body at all; nothing was deleted.
    Http503,
    /// `drop`: closes the connection without an answer, half of the time before the deletion and half
    /// of the time after it.
    Drop,
    /// `drop-before`: closes the connection without an answer; nothing was deleted.
    DropBefore,
    /// `drop-after`: closes the connection without an answer although the deletion was done.
    DropAfter,
    /// `truncate`: does the deletion, then closes the connection in the middle of the answer's body.
    Truncate,
    /// `slow`: answers rightly, but late.
    Slow,
    /// `throttle`: a 429 out of the blue, with `Retry-After: 1`; nothing was deleted.
    Throttle,
    /// `in-use`: the name has dependants and cannot be deleted, at any attempt.
    InUse,
    /// `missing`: the name does not exist, at any attempt.
    Missing,
}

impl FaultKind {
    /// Every kind, in the order in which [`Faults`] are displayed.
    pub const ALL: [Self; 12] = [
        Self::Http500,
        Self::Http500After,
        Self::Http502Html,
        Self::Http503,
        Self::Drop,
        Self::DropBefore,
        Self::DropAfter,
        Self::Truncate,
        Self::Slow,
        Self::Throttle,
        Self::InUse,
        Self::Missing,
    ];

    /// The kind as it is written, such as `http502-html`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http500 => "http500",
            Self::Http500After => "http500-after",
            Self::Http502Html => "http502-html",
            Self::Http503 => "http503",
            Self::Drop => "drop",
            Self::DropBefore => "drop-before",
            Self::DropAfter => "drop-after",
            Self::Truncate => "truncate",
            Self::Slow => "slow",
            Self::Throttle => "throttle",
            Self::InUse => "in-use",
            Self::Missing => "missing",
        }
    }

    /// Whether the kind is a property of a name, and not of one request.
    #[must_use]
    pub const fn is_of_name(self) -> bool {
        matches!(self, Self::InUse | Self::Missing)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each kind of fault is injected.
///
/// Written as `http500=5%,drop=1%,missing=2%`, or `none`. Of transient kinds the percentage is of the
/// requests that delete, of `in-use` and `missing` it is of the names. The percentages of one family
/// add up to 100 at most, because one request suffers one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    rates: [u64; FaultKind::ALL.len()],
}

impl Faults {
    /// An API that never errs.
    #[must_use]
    pub const fn none() -> Self {
        Self { rates: [0; FaultKind::ALL.len()] }
    }

    /// What a rehearsal injects: about a thousand names are enough to see every kind of outcome.
    #[must_use]
    pub const fn rehearsal() -> Self {
        let mut faults = Self::none();
        faults.rates[FaultKind::Http500 as usize] = 4 * LOTS_PER_PERCENT;
        faults.rates[FaultKind::Http502Html as usize] = LOTS_PER_PERCENT / 2;
        faults.rates[FaultKind::Drop as usize] = LOTS_PER_PERCENT;
        faults.rates[FaultKind::Truncate as usize] = LOTS_PER_PERCENT / 2;
        faults.rates[FaultKind::Slow as usize] = LOTS_PER_PERCENT;
        faults.rates[FaultKind::InUse as usize] = 3 * LOTS_PER_PERCENT;
        faults.rates[FaultKind::Missing as usize] = 2 * LOTS_PER_PERCENT;
        faults
    }

    /// Whether nothing is ever injected.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::none()
    }

    /// Whether any fault of the family (`of_name` or transient) can occur: if none can, nobody draws.
    pub(super) fn has_any(&self, of_name: bool) -> bool {
        self.sum(of_name) > 0
    }

    /// The fault that `lot`, a number below [`ALL_LOTS`], draws from a family.
    pub(super) fn drawn(&self, of_name: bool, lot: u64) -> Option<FaultKind> {
        let mut below = 0;
        FaultKind::ALL.into_iter().filter(|kind| kind.is_of_name() == of_name).find(|kind| {
            below += self.rates[*kind as usize];
            lot < below
        })
    }

    fn sum(&self, of_name: bool) -> u64 {
        FaultKind::ALL.iter().filter(|k| k.is_of_name() == of_name).map(|k| self.rates[*k as usize]).sum()
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
            let rate = rate(percentage).ok_or_else(|| FaultsError::Percentage {
                piece: piece.to_owned(),
                percentage: percentage.to_owned(),
            })?;
            if given.contains(&kind) {
                return Err(FaultsError::Twice { piece: piece.to_owned(), kind });
            }
            given.push(kind);
            faults.rates[kind as usize] = rate;
            let sum = faults.sum(kind.is_of_name());
            if sum > ALL_LOTS {
                let family = if kind.is_of_name() { "names" } else { "requests" };
                return Err(FaultsError::Sum {
                    piece: piece.to_owned(),
                    family,
                    sum: Percent(sum).to_string(),
                });
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

/// A rate as a person writes it, without zeros at the end.
struct Percent(u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / LOTS_PER_PERCENT, self.0 % LOTS_PER_PERCENT);
        if rest == 0 {
            write!(f, "{whole}%")
        } else {
            let decimals = format!("{rest:0DECIMALS$}");
            write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
        }
    }
}

/// Reads `0.5%` exactly: fixed point rather than a float, so that what is displayed is what was given.
fn rate(percentage: &str) -> Option<u64> {
    let number = percentage.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let rest: u64 = format!("{decimals:0<DECIMALS$}").parse().ok()?;
    whole.checked_mul(LOTS_PER_PERCENT)?.checked_add(rest).filter(|rate| *rate <= ALL_LOTS)
}

/// Why a text is not a list of faults. Every message names the offending piece.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// A piece without `=`.
    #[error("`{piece}` is not of the form KIND=PERCENT%, such as http500=5%")]
    Form {
        /// The piece between two commas.
        piece: String,
    },
    /// A kind that does not exist.
    #[error(
        "`{piece}`: there is no fault `{kind}`{}; known are {}",
        .nearest.map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default(),
        FaultKind::ALL.map(FaultKind::name).join(", ")
    )]
    Unknown {
        /// The piece between two commas.
        piece: String,
        /// The kind as it was written.
        kind: String,
        /// The known kind that is written most alike, where one is near enough.
        nearest: Option<&'static str>,
    },
    /// Something that is not a percentage.
    #[error("`{piece}`: `{percentage}` is not a percentage from 0% to 100% with at most {DECIMALS} decimals")]
    Percentage {
        /// The piece between two commas.
        piece: String,
        /// The percentage as it was written.
        percentage: String,
    },
    /// A kind that was given before.
    #[error("`{piece}`: {kind} is given twice")]
    Twice {
        /// The second piece.
        piece: String,
        /// The kind that both name.
        kind: FaultKind,
    },
    /// Percentages that add up to more than 100.
    #[error("with `{piece}` the faults of {family} add up to {sum}, which is more than 100%")]
    Sum {
        /// The piece that went too far.
        piece: String,
        /// `requests` or `names`: what the percentages are of.
        family: &'static str,
        /// The sum so far, such as `101.5%`.
        sum: String,
    },
}

impl FaultsError {
    fn unknown(piece: &str, kind: &str) -> Self {
        let nearest = FaultKind::ALL
            .into_iter()
            .map(|known| (strsim::jaro_winkler(known.name(), kind), known.name()))
            .filter(|(likeness, _)| *likeness >= FARTHEST_GUESS)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name);
        Self::Unknown { piece: piece.to_owned(), kind: kind.to_owned(), nearest }
    }
}
