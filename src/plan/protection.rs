//! Names that are never deleted, whatever the input says.
//!
//! Protection errs on the side of protecting: a name that a reader would take for a match is one, however the name
//! or the pattern is spelled. Only case counts, and a name that differs from a match in case is warned about.

use std::fmt;

use glob::Pattern;

use super::{PlanError, glob as globs};
use crate::domain::{DatasourceName, looks, skeleton};

/// The patterns of protected names.
#[derive(Debug, Clone)]
pub struct Protection {
    patterns: Vec<ProtectedPattern>,
}

#[derive(Debug, Clone)]
struct ProtectedPattern {
    /// As it was given.
    text: String,
    /// Matches names as they are written.
    exact: Vec<Pattern>,
    /// Matches the skeletons of names.
    alike: Vec<Pattern>,
    /// Matches these in lower case.
    in_lower_case: Vec<Pattern>,
    /// Matches the looks of names.
    looks: Vec<Pattern>,
}

/// What protects a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtectionMatch<'a> {
    /// The pattern, as it was given.
    pub pattern: &'a str,
    /// True if pattern and name match as they are written, and do not only look like it.
    pub is_exact: bool,
}

/// How warnings call patterns, and what these do to a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wording {
    what: &'static str,
    short: &'static str,
    done: &'static str,
}

pub(super) const PROTECTION: Wording =
    Wording { what: "protection pattern", short: "pattern", done: "protected" };
pub(super) const HOLD: Wording = Wording { what: "hold", short: "hold", done: "held" };

/// What a list of names shows of the patterns.
#[derive(Debug, Default)]
pub(super) struct PatternUse {
    /// For each pattern, true if it protects one of the names.
    is_used: Vec<bool>,
    /// How many names no pattern protects, but one would if case did not count.
    case_misses: u64,
    /// The first of these, and the pattern.
    first_case_miss: Option<(String, String)>,
    /// How many names are protected only because they look like a match.
    look_alikes: u64,
    /// The first of these, and the pattern.
    first_look_alike: Option<(String, String)>,
}

impl fmt::Display for ProtectionMatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_exact { "matches" } else { "looks like a match of" };
        write!(f, "{how} the protected pattern `{}`", self.pattern)
    }
}

impl Protection {
    /// Takes `patterns` as globs: `*` stands for any characters, `?` for one, `[ab]` for a choice, `{a,b}` for
    /// alternatives. A name is not a path: every character counts alike.
    ///
    /// # Errors
    /// If a pattern is not a glob, or could protect nothing.
    pub fn new(patterns: &[String]) -> Result<Self, PlanError> {
        let compiled = patterns.iter().map(|pattern| ProtectedPattern::new(pattern));
        Ok(Self { patterns: compiled.collect::<Result<_, _>>()? })
    }

    pub(super) const fn none() -> Self {
        Self { patterns: Vec::new() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// What protects `name`; `None` if nothing does.
    #[must_use]
    pub fn of(&self, name: &DatasourceName) -> Option<ProtectionMatch<'_>> {
        let (index, is_exact) = self.find(name)?;
        Some(ProtectionMatch { pattern: &self.patterns[index].text, is_exact })
    }

    /// The place of the pattern that protects `name`, and if the two match as they are written.
    pub(super) fn find(&self, name: &DatasourceName) -> Option<(usize, bool)> {
        let exact = self.patterns.iter().position(|pattern| pattern.is_exact(name.as_str()));
        if self.is_empty() || exact.is_some() {
            return Some((exact?, true));
        }
        let spelling = Spelling::new(name.as_str());
        let alike = self.patterns.iter().position(|pattern| pattern.is_alike(&spelling))?;
        Some((alike, false))
    }

    /// The patterns that protect none of the names in `seen`, and none of `others`.
    pub(super) fn unused<'a>(&self, seen: &PatternUse, others: impl Iterator<Item = &'a str>) -> Vec<&str> {
        let is_unused = |index: &usize| !seen.is_used.get(*index).is_some_and(|used| *used);
        let mut unused: Vec<_> = (0..self.patterns.len()).filter(is_unused).collect();
        for name in others {
            if unused.is_empty() {
                break;
            }
            let spelling = Spelling::new(name);
            unused.retain(|index| !self.patterns[*index].protects(name, &spelling));
        }
        unused.into_iter().map(|index| self.patterns[index].text.as_str()).collect()
    }
}

impl PatternUse {
    /// Takes notice of `name`, which `is_protected` or not.
    pub(super) fn add(&mut self, protection: &Protection, name: &DatasourceName, is_protected: bool) {
        if protection.is_empty() {
            return;
        }
        self.is_used.resize(protection.patterns.len(), false);
        if is_protected {
            let spelling = Spelling::new(name.as_str());
            if let Some(ProtectionMatch { pattern, is_exact: false }) = protection.of(name) {
                self.look_alikes += 1;
                self.first_look_alike.get_or_insert_with(|| (name.to_string(), pattern.to_owned()));
            }
            for (is_used, pattern) in self.is_used.iter_mut().zip(&protection.patterns) {
                *is_used = *is_used || pattern.protects(name.as_str(), &spelling);
            }
            return;
        }
        let lower_case = skeleton(name.as_str()).to_lowercase();
        let miss = protection.patterns.iter().find(|pattern| any(&pattern.in_lower_case, &lower_case));
        if let Some(pattern) = miss {
            self.case_misses += 1;
            self.first_case_miss.get_or_insert_with(|| (name.to_string(), pattern.text.clone()));
        }
    }

    /// What to say of names that match no pattern as they are written, and are protected all the same.
    pub(super) fn look_alike_warning(&self, wording: Wording) -> Option<String> {
        let (name, pattern) = self.first_look_alike.as_ref()?;
        let Wording { what, short, done } = wording;
        let names = match self.look_alikes {
            1 => format!("1 name is {done} only because it looks"),
            many => format!("{many} names are {done} only because they look"),
        };
        Some(format!("{names} like a match of a {what}: `{name}`, {short} `{pattern}`"))
    }

    /// What to say of names that only their case keeps from being protected.
    pub(super) fn case_warning(&self, wording: Wording) -> Option<String> {
        let (name, pattern) = self.first_case_miss.as_ref()?;
        let Wording { what, short, done } = wording;
        let (count, are) = match self.case_misses {
            1 => ("1 name".to_owned(), "is"),
            many => (format!("{many} names"), "are"),
        };
        Some(format!(
            "{count} that a {what} matches but for case {are} not {done}: `{name}`, {short} `{pattern}`"
        ))
    }
}

impl ProtectedPattern {
    fn new(text: &str) -> Result<Self, PlanError> {
        if let Some((index, found)) = text.chars().enumerate().find(|(_, c)| c.is_control()) {
            let (pattern, position) = (text.to_owned(), index + 1);
            return Err(PlanError::PatternControl { pattern, found, position });
        }
        let refused = |why| PlanError::Pattern { pattern: text.to_owned(), why };
        let exact = globs::compile(text).map_err(refused)?;
        let skeleton = skeleton(text);
        if skeleton.is_empty() {
            return Err(refused("it is invisible and would protect nothing".to_owned()));
        }
        let (alike, in_lower_case) = (compile_alike(&skeleton), compile_alike(&skeleton.to_lowercase()));
        let looks = looks(text).iter().flat_map(|look| compile_alike(look)).collect();
        Ok(Self { text: text.to_owned(), exact, alike, in_lower_case, looks })
    }

    fn is_exact(&self, name: &str) -> bool {
        any(&self.exact, name)
    }

    fn is_alike(&self, name: &Spelling) -> bool {
        any(&self.alike, &name.skeleton) || name.looks.iter().any(|look| any(&self.looks, look))
    }

    fn protects(&self, name: &str, spelling: &Spelling) -> bool {
        self.is_exact(name) || self.is_alike(spelling)
    }
}

/// What a reader makes of a name.
struct Spelling {
    skeleton: String,
    looks: Vec<String>,
}

impl Spelling {
    fn new(name: &str) -> Self {
        Self { skeleton: skeleton(name), looks: looks(name) }
    }
}

/// The patterns that a skeleton stands for, each alternative without outer white space. A pattern that is a glob only
/// as it was given is matched only as it was given.
fn compile_alike(skeleton: &str) -> Vec<Pattern> {
    let compiled = globs::compile(skeleton).unwrap_or_default();
    compiled.iter().filter_map(|pattern| Pattern::new(pattern.as_str().trim()).ok()).collect()
}

fn any(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protected_by(pattern: &str, name: &str) -> Option<bool> {
        let protection = Protection::new(&[pattern.to_owned()]).unwrap();
        protection.of(&DatasourceName::new(name).unwrap()).map(|found| found.is_exact)
    }

    #[test]
    fn protects_what_a_reader_takes_for_a_match() {
        for (pattern, name) in [
            ("prod-*", "prod\u{2013}eu"),
            ("prod\u{2013}*", "prod-eu"),
            (" prod-* ", "prod-eu"),
            ("prod-*", " prod-eu"),
            ("'prod-*'", "prod-eu"),
            ("\u{200B}prod-*", "prod-eu"),
            ("prod-*", "pr\u{AD}od-eu"),
            ("Cafe\u{301}*", "Café am Markt"),
            ("Café*", "Cafe\u{301} am Markt"),
            ("O'Neill", "O\u{2019}Neill"),
            ("prod eu", "prod\u{A0}eu"),
            ("prod－＊", "prod-eu"),
            ("{prod\u{2013}eu,x}", "prod-eu"),
            ("[\u{2013}]x", "-x"),
            ("-legacy", "'-legacy"),
            ("{ prod-*, billing }", "billing"),
            ("prod-*", "pr\u{43e}d-eu"),
            ("pr\u{43e}d-*", "prod-eu"),
            ("prod-[0-9]", "pr\u{43e}d-7"),
            ("form-?", "f\u{43e}rm-m"),
        ] {
            assert_eq!(protected_by(pattern, name), Some(false), "{pattern:?} {name:?}");
        }
        assert_eq!(protected_by("prod-*", "prod-eu"), Some(true));
        assert_eq!(protected_by("PROD-*", "prod-eu"), None, "case counts");
        assert_eq!(protected_by("prod_*", "prod-eu"), None, "and so does what a reader sees");
        assert_eq!(protected_by("'*", "acme"), None);
    }

    #[test]
    fn refuses_patterns_that_no_name_can_match() {
        for (pattern, why) in [
            ("prod-*\nbilling", "U+000A"),
            ("prod-*\n", "U+000A"),
            ("prod-\t*", "U+0009"),
            ("\u{200B}", "invisible"),
        ] {
            let refused = Protection::new(&[pattern.to_owned()]).unwrap_err().to_string();
            assert!(refused.contains(why), "{pattern:?}: {refused}");
        }
    }

    #[test]
    fn reports_what_patterns_miss() {
        let protection = Protection::new(&["prod-*".to_owned(), "acme".to_owned(), "x*".to_owned()]).unwrap();
        let mut seen = PatternUse::default();
        for (name, is_protected) in [("PROD-eu", false), ("Prod-us", false), ("acme", true)] {
            seen.add(&protection, &DatasourceName::new(name).unwrap(), is_protected);
        }
        assert_eq!(protection.unused(&seen, ["other"].into_iter()), ["prod-*", "x*"]);
        assert_eq!(protection.unused(&seen, ["x\u{AD}1"].into_iter()), ["prod-*"]);
        assert_eq!(
            seen.case_warning(PROTECTION).unwrap(),
            "2 names that a protection pattern matches but for case are not protected: `PROD-eu`, pattern `prod-*`"
        );
    }
}
