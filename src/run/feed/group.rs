//! One datasource and the datamarts that go before it, held against a listing.

use super::datamarts::DatamartListing;
use crate::domain::{BootTime, Outcome, Seq, Target, TargetRole};

/// How many changes are named; the others are counted.
const NAMED: usize = 5;

/// A group that is under way.
pub(super) struct Group {
    pub(super) datasource: Target,
    members: Vec<Member>,
    /// Why the datasource will not be sent once its datamarts are settled.
    pub(super) obstacle: Option<String>,
    /// Why nothing more of the group is sent.
    pub(super) changed: Option<String>,
    /// Which listing it was last held against.
    pub(super) held_against: Option<BootTime>,
    /// A request of it was handed out.
    pub(super) is_begun: bool,
    /// The datasource waits for its datamarts.
    pub(super) is_waiting: bool,
}

struct Member {
    target: Seq,
    name: String,
    definition_sha256: String,
    state: State,
}

/// How far a datamart is.
enum State {
    /// It was not handed out. If it is in doubt, an earlier attempt may have deleted it.
    Due {
        in_doubt: bool,
    },
    HandedOut,
    /// Since when it is gone; `None` if it was before this process began.
    Gone {
        since: Option<BootTime>,
    },
    /// It is settled, and may exist.
    Kept,
}

/// Returns true if a datamart that ended so is gone, whoever deleted it.
const fn is_gone(outcome: Outcome) -> bool {
    outcome.is_gone() || matches!(outcome, Outcome::NotFound)
}

impl Group {
    pub(super) const fn new(datasource: Target) -> Self {
        Self {
            datasource,
            members: Vec::new(),
            obstacle: None,
            changed: None,
            held_against: None,
            is_begun: false,
            is_waiting: true,
        }
    }

    /// Takes a datamart of it as the log has it.
    pub(super) fn add(&mut self, target: &Target, outcome: Option<Outcome>) {
        let definition_sha256 = match &target.role {
            TargetRole::Dependant { definition_sha256, .. } => definition_sha256.clone(),
            TargetRole::Datasource | TargetRole::Group { .. } => String::new(),
        };
        let name = target.name.as_str().to_owned();
        let state = State::Due { in_doubt: target.doubt().exists() };
        self.members.push(Member { target: target.seq, name, definition_sha256, state });
        if let Some(outcome) = outcome {
            self.settle(target.seq, outcome, None);
        }
    }

    pub(super) fn hand_out(&mut self, target: Seq) {
        if let Some(member) = self.members.iter_mut().find(|member| member.target == target) {
            member.state = State::HandedOut;
        }
    }

    /// Takes note of the outcome of a datamart, at this time or in an earlier process.
    pub(super) fn settle(&mut self, target: Seq, outcome: Outcome, at: Option<BootTime>) {
        let Some(member) = self.members.iter_mut().find(|member| member.target == target) else { return };
        if is_gone(outcome) {
            member.state = State::Gone { since: at };
            return;
        }
        member.state = State::Kept;
        if self.obstacle.is_none() {
            self.obstacle = Some(format!("its datamart `{}` ended {outcome}", member.name));
        }
    }

    /// Returns true if each of its datamarts is settled.
    pub(super) fn is_settled(&self) -> bool {
        self.members.iter().all(|member| matches!(member.state, State::Gone { .. } | State::Kept))
    }

    /// What the listing shows otherwise than planned, in words; `None` if nothing more than what this run did itself.
    pub(super) fn changes(&self, listing: &DatamartListing) -> Option<String> {
        let own = self.members.iter().filter_map(|member| self.change_of(member, listing));
        let readers = listing.readers_of(self.datasource.name.as_str()).iter();
        let others = readers.filter(|name| !self.members.iter().any(|member| member.name == **name));
        let others = others.map(|name| format!("datamart `{name}` reads it, and was not planned"));
        let mut changes = own.chain(others);
        let named: Vec<_> = changes.by_ref().take(NAMED).collect();
        let more = changes.count();
        match (named.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(named.join("; ")),
            (false, _) => Some(format!("{}; and {more} more changes", named.join("; "))),
        }
    }

    fn change_of(&self, member: &Member, listing: &DatamartListing) -> Option<String> {
        let (name, datasource) = (&member.name, self.datasource.name.as_str());
        let may_be_gone = match member.state {
            State::Due { in_doubt } => in_doubt,
            State::HandedOut => true,
            State::Gone { since } => {
                let is_listed = listing.entries(name).iter().any(|entry| entry.datasource == datasource);
                let was_before = since.is_none_or(|since| since < listing.began());
                return (is_listed && was_before)
                    .then(|| format!("datamart `{name}` was deleted, and exists again"));
            }
            State::Kept => return None,
        };
        match listing.entries(name) {
            [] if may_be_gone => None,
            [] => Some(format!("datamart `{name}` does not exist any more")),
            [entry] if entry.datasource != datasource => {
                Some(format!("datamart `{name}` reads `{}`", entry.datasource))
            }
            [entry] if entry.definition_sha256 != member.definition_sha256 => {
                Some(format!("the definition of datamart `{name}` changed since it was kept"))
            }
            [_] => None,
            several => {
                let read: Vec<_> = several.iter().map(|entry| format!("`{}`", entry.datasource)).collect();
                Some(format!(
                    "datamart `{name}` exists {} times, and reads {}",
                    several.len(),
                    read.join(" and ")
                ))
            }
        }
    }
}
