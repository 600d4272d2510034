//! Datasources that wait for their datamarts: each is handed out once all of its group are gone, and is not sent if one
//! of them ended otherwise.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::audit::GroupMember;
use crate::domain::{Outcome, Seq, Target};

/// The groups that are under way.
#[derive(Default)]
pub(super) struct Groups {
    /// Datasources whose datamarts are not all settled, by the datasource's target.
    waiting: HashMap<Seq, Waiting>,
    /// The unsettled datamarts of these, each with its name and its datasource's target.
    members: HashMap<Seq, (String, Seq)>,
    ready: VecDeque<Target>,
    obstructed: VecDeque<(Target, String)>,
    /// Targets that were handed out, and of which nothing has come back.
    outstanding: HashSet<Seq>,
}

/// A datasource that waits.
struct Waiting {
    target: Target,
    left: usize,
    /// Why it will not be sent.
    obstacle: Option<String>,
}

/// Returns true if a datamart that ended so is gone, whoever deleted it.
const fn is_gone(outcome: Outcome) -> bool {
    outcome.is_gone() || matches!(outcome, Outcome::NotFound)
}

fn obstacle(name: &str, outcome: Outcome) -> String {
    format!("its datamart `{name}` ended {outcome}")
}

impl Groups {
    /// Takes a datasource that is due, and its datamarts as the log has them.
    pub(super) fn add(&mut self, target: Target, members: Vec<GroupMember>) {
        let mut waiting = Waiting { left: 0, obstacle: None, target };
        for GroupMember { seq, name, outcome } in members {
            match outcome {
                None => {
                    waiting.left += 1;
                    self.members.insert(seq, (name, waiting.target.seq));
                }
                Some(outcome) if !is_gone(outcome) && waiting.obstacle.is_none() => {
                    waiting.obstacle = Some(obstacle(&name, outcome));
                }
                Some(_) => {}
            }
        }
        if waiting.left == 0 {
            self.decide(waiting);
        } else {
            self.waiting.insert(waiting.target.seq, waiting);
        }
    }

    /// Takes note that a target was handed out.
    pub(super) fn hand_out(&mut self, target: Seq) {
        self.outstanding.insert(target);
    }

    /// Takes note that no attempt could settle a target that was handed out.
    pub(super) fn opened(&mut self, target: Seq) {
        self.outstanding.remove(&target);
    }

    /// Takes note of the outcome of a target.
    pub(super) fn settled(&mut self, target: Seq, outcome: Outcome) {
        self.outstanding.remove(&target);
        let Some((name, datasource)) = self.members.remove(&target) else { return };
        let Some(waiting) = self.waiting.get_mut(&datasource) else { return };
        waiting.left -= 1;
        if !is_gone(outcome) {
            waiting.obstacle.get_or_insert_with(|| obstacle(&name, outcome));
        }
        if waiting.left == 0
            && let Some(waiting) = self.waiting.remove(&datasource)
        {
            self.decide(waiting);
        }
    }

    fn decide(&mut self, waiting: Waiting) {
        match waiting.obstacle {
            None => self.ready.push_back(waiting.target),
            Some(obstacle) => self.obstructed.push_back((waiting.target, obstacle)),
        }
    }

    /// The next datasource whose datamarts are all gone.
    pub(super) fn next_ready(&mut self) -> Option<Target> {
        self.ready.pop_front()
    }

    /// The next datasource that is not sent, and why.
    pub(super) fn next_obstructed(&mut self) -> Option<(Target, String)> {
        self.obstructed.pop_front()
    }

    /// Returns true if a datasource can be handed out, or is not to be sent.
    pub(super) fn is_any_decided(&self) -> bool {
        !self.ready.is_empty() || !self.obstructed.is_empty()
    }

    /// Returns true if a datasource waits.
    pub(super) fn is_any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns true if a datasource waits for a datamart that is being delivered, perhaps.
    pub(super) fn may_go_on(&self) -> bool {
        self.is_any_waiting() && !self.outstanding.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DatasourceName, TargetRole};

    fn datasource(seq: i64) -> Target {
        Target {
            seq: Seq(seq),
            number: 1,
            name: DatasourceName::new("acme").unwrap(),
            role: TargetRole::Group { datamarts: 2 },
            attempts: 0,
            doubted: false,
            redelivered: false,
        }
    }

    fn member(seq: i64, outcome: Option<Outcome>) -> GroupMember {
        GroupMember { seq: Seq(seq), name: format!("m{seq}"), outcome }
    }

    #[test]
    fn a_datasource_is_ready_once_all_of_its_datamarts_are_gone() {
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Pending) {
            let mut groups = Groups::default();
            groups.add(
                datasource(9),
                vec![member(1, Some(Outcome::NotFound)), member(2, None), member(3, None)],
            );
            groups.settled(Seq(2), outcome);
            assert!(!groups.is_any_decided(), "one is left, whatever became of the others");
            // A stranger, and the same one again.
            groups.settled(Seq(7), Outcome::Deleted);
            groups.settled(Seq(2), Outcome::Deleted);
            assert!(!groups.is_any_decided());
            groups.settled(Seq(3), Outcome::DeletedUnconfirmed);
            let is_ready = ["deleted", "deleted_unconfirmed", "not_found"].contains(&outcome.as_str());
            assert_eq!(groups.next_ready().is_some(), is_ready, "{outcome}");
            let obstacle = groups.next_obstructed().map(|(_, why)| why);
            assert_eq!(obstacle, (!is_ready).then(|| format!("its datamart `m2` ended {outcome}")));
            assert!(!groups.is_any_waiting());
        }
    }

    #[test]
    fn what_the_log_has_decides_at_once_if_nothing_is_left() {
        let mut groups = Groups::default();
        groups.add(datasource(9), Vec::new());
        assert!(groups.next_ready().is_some());
        groups.add(datasource(9), vec![member(1, Some(Outcome::Deleted)), member(2, Some(Outcome::Failed))]);
        assert!(groups.next_ready().is_none() && groups.next_obstructed().is_some());
    }

    #[test]
    fn nothing_goes_on_once_all_that_was_handed_out_came_back() {
        let mut groups = Groups::default();
        groups.hand_out(Seq(1));
        assert!(!groups.may_go_on(), "nothing waits");
        groups.add(datasource(9), vec![member(1, None)]);
        assert!(groups.may_go_on());
        groups.opened(Seq(1));
        assert!(!groups.may_go_on() && groups.is_any_waiting(), "a listing has to settle it");
    }
}
