//! The groups that are under way: their datamarts are handed out, and each datasource once its own are gone. If one
//! ended otherwise, the datasource is withheld; if a listing shows another group than was planned, all that is left of
//! it is.

use std::collections::{HashMap, HashSet, VecDeque};

use super::Withdrawal;
use super::datamarts::DatamartListing;
use super::group::Group;
use crate::audit::GroupMember;
use crate::domain::{BootTime, Outcome, Seq, Target};

/// The groups that are under way.
#[derive(Default)]
pub(super) struct Groups {
    /// By the target of their datasource.
    under_way: HashMap<Seq, Group>,
    /// The targets of these that are not settled, each with the target of its datasource.
    group_of: HashMap<Seq, Seq>,
    /// What can be handed out.
    next: VecDeque<Target>,
    /// What is not sent, and why.
    withheld: VecDeque<(Target, Withdrawal)>,
    /// Targets that were handed out, and of which nothing has come back.
    outstanding: HashSet<Seq>,
}

impl Groups {
    /// Takes a group as the log has it: its datamarts, and its datasource last.
    pub(super) fn add(&mut self, mut members: Vec<GroupMember>) {
        if let Some(withdrawal) = members.iter().find_map(Withdrawal::of_group_with) {
            return self.withhold(members, &withdrawal);
        }
        let Some(GroupMember { target: datasource, .. }) = members.pop() else { return };
        let place = datasource.seq;
        let mut group = Group::new(datasource);
        for GroupMember { target, settled } in members {
            group.add(&target, settled.as_ref().map(|settled| settled.outcome));
            if settled.is_none() {
                self.group_of.insert(target.seq, place);
                self.next.push_back(target);
            }
        }
        self.group_of.insert(place, place);
        self.under_way.insert(place, group);
        self.decide(place);
    }

    /// Takes what is not settled of a group that is not sent.
    pub(super) fn withhold(&mut self, members: Vec<GroupMember>, withdrawal: &Withdrawal) {
        let open = members.into_iter().filter(|member| member.settled.is_none());
        self.withheld.extend(open.map(|member| (member.target, withdrawal.clone())));
    }

    /// The target that is next; `None` if there is none to hand out now.
    pub(super) fn next(&self) -> Option<Seq> {
        self.next.front().map(|target| target.seq)
    }

    /// Hands out the target that is next. Returns true with it if it is the first of its group.
    pub(super) fn hand_out(&mut self) -> Option<(Target, bool)> {
        let target = self.next.pop_front()?;
        self.outstanding.insert(target.seq);
        let group = self.group_of.get(&target.seq).and_then(|place| self.under_way.get_mut(place));
        let begins = group.is_some_and(|group| {
            group.hand_out(target.seq);
            !std::mem::replace(&mut group.is_begun, true)
        });
        Some((target, begins))
    }

    /// Takes note that a target without a group was handed out.
    pub(super) fn hand_out_single(&mut self, target: Seq) {
        self.outstanding.insert(target);
    }

    /// What is not sent, and why, since this was last asked.
    pub(super) fn take_withheld(&mut self) -> Vec<(Target, Withdrawal)> {
        self.withheld.drain(..).collect()
    }

    /// Returns true if `target` belongs to a group.
    pub(super) fn has(&self, target: Seq) -> bool {
        self.group_of.contains_key(&target)
    }

    /// Why `target` must not be sent, by this listing; `None` if it may be. If its group has changed, all that is left
    /// of it is withheld.
    pub(super) fn recheck(&mut self, target: Seq, listing: &DatamartListing) -> Option<Withdrawal> {
        let place = *self.group_of.get(&target)?;
        let group = self.under_way.get_mut(&place)?;
        if group.changed.is_none() && group.held_against != Some(listing.began()) {
            group.held_against = Some(listing.began());
            if let Some(why) = group.changes(listing) {
                self.stop(place, why);
            }
        }
        self.under_way.get(&place)?.changed.clone().map(Withdrawal::dependants_changed)
    }

    /// Nothing more of a group is sent.
    fn stop(&mut self, place: Seq, why: String) {
        let withdrawal = Withdrawal::dependants_changed(why.clone());
        let (own, others): (VecDeque<_>, _) = std::mem::take(&mut self.next)
            .into_iter()
            .partition(|target| self.group_of.get(&target.seq) == Some(&place));
        self.next = others;
        self.withheld.extend(own.into_iter().map(|target| (target, withdrawal.clone())));
        if let Some(group) = self.under_way.get_mut(&place) {
            group.changed = Some(why);
            if std::mem::take(&mut group.is_waiting) {
                self.withheld.push_back((group.datasource.clone(), withdrawal));
            }
        }
    }

    /// Takes note that no attempt could settle a target that was handed out.
    pub(super) fn opened(&mut self, target: Seq) {
        self.outstanding.remove(&target);
    }

    /// Takes note of the outcome of a target.
    pub(super) fn settled(&mut self, target: Seq, outcome: Outcome, at: BootTime) {
        self.outstanding.remove(&target);
        let Some(place) = self.group_of.remove(&target) else { return };
        if let Some(group) = self.under_way.get_mut(&place) {
            group.settle(target, outcome, Some(at));
        }
        self.decide(place);
    }

    /// Decides what becomes of the datasource of a group, if all of its datamarts are settled.
    fn decide(&mut self, place: Seq) {
        let Some(group) = self.under_way.get_mut(&place).filter(|group| group.is_settled()) else { return };
        if !self.group_of.contains_key(&place) {
            self.under_way.remove(&place);
            return;
        }
        if !std::mem::take(&mut group.is_waiting) {
            return;
        }
        let datasource = group.datasource.clone();
        match group.obstacle.clone() {
            // Before others: its group is the one that was begun first.
            None => self.next.push_front(datasource),
            Some(why) => self.withheld.push_back((datasource, Withdrawal::dependants_remain(why))),
        }
    }

    /// Returns true if something can be handed out, or is not to be sent.
    pub(super) fn is_any_decided(&self) -> bool {
        !self.next.is_empty() || !self.withheld.is_empty()
    }

    /// Returns true if a datasource waits for its datamarts.
    pub(super) fn is_any_waiting(&self) -> bool {
        self.under_way.values().any(|group| group.is_waiting)
    }

    /// Returns true if a datasource waits for a datamart that is being delivered, perhaps.
    pub(super) fn may_go_on(&self) -> bool {
        self.is_any_waiting() && !self.outstanding.is_empty()
    }
}

#[cfg(test)]
mod tests;
