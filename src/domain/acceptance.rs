//! What counts as expected in the exit code of a run, besides a deletion. Reports show it as what it is.

use super::{Outcome, SkipReason};

/// What counts as expected in the exit code of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acceptance {
    outcomes: Vec<Outcome>,
    /// Reasons for which targets are skipped.
    skips: Vec<SkipReason>,
}

impl Acceptance {
    /// Skipped targets of these reasons can be accepted: they were shown before, and stay until a rule changes.
    const SKIPS: [SkipReason; 2] = [SkipReason::Protected, SkipReason::OnHold];

    /// Returns the words of all that can be accepted: every outcome but `pending`, which is not an end, and the rules
    /// that keep a name.
    #[must_use]
    pub fn words() -> Vec<&'static str> {
        let ends = Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Pending);
        ends.map(Outcome::as_str).chain(Self::SKIPS.map(SkipReason::as_str)).collect()
    }

    /// Accepts what `word` names as well; returns false if it is not one of the words.
    #[must_use]
    pub fn add(&mut self, word: &str) -> bool {
        if let Some(reason) = Self::SKIPS.into_iter().find(|reason| reason.as_str() == word) {
            self.skips.push(reason);
            return true;
        }
        match word.parse() {
            Ok(Outcome::Pending) | Err(_) => false,
            Ok(outcome) => {
                self.outcomes.push(outcome);
                true
            }
        }
    }

    #[must_use]
    pub fn accepts(&self, outcome: Outcome) -> bool {
        self.outcomes.contains(&outcome)
    }

    /// Returns true if a target that is skipped for `reason` is accepted.
    #[must_use]
    pub fn accepts_skip(&self, reason: SkipReason) -> bool {
        self.skips.contains(&reason) || self.accepts(Outcome::Skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_its_words_name_and_nothing_else() {
        let mut acceptance = Acceptance::default();
        assert!(Acceptance::words().into_iter().all(|word| acceptance.add(word)));
        for other in ["pending", "already_deleted", "exists_again", "given_back", "", "Protected"] {
            assert!(!acceptance.add(other), "{other}");
        }
        let mut held = Acceptance::default();
        assert!(held.add("on_hold"));
        assert!(held.accepts_skip(SkipReason::OnHold));
        assert!(!held.accepts_skip(SkipReason::Protected) && !held.accepts(Outcome::Skipped));
        assert!(held.add("skipped") && held.accepts_skip(SkipReason::Protected));
    }
}
