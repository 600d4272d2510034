//! Groups in any order of what comes back.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::audit::SettledMember;
use crate::domain::{Datamart, DatasourceName, TargetRole};

/// The place of the datasource of a group, and those of its datamarts after it.
const STRIDE: i64 = 10;

fn member(seq: i64, settled: Option<Outcome>) -> GroupMember {
    let group = seq / STRIDE;
    let (name, role) = if seq % STRIDE == 0 {
        (format!("d{group}"), TargetRole::Group { datamarts: 1 })
    } else {
        let definition_sha256 = datamart(seq, group).definition_sha256();
        (format!("m{seq}"), TargetRole::Dependant { of: format!("d{group}"), definition_sha256 })
    };
    let name = DatasourceName::new(&name).unwrap();
    let (number, attempts, doubted, redelivered) = (1, 0, false, false);
    let target = Target { seq: Seq(seq), number, name, role, attempts, doubted, redelivered };
    let settled = settled.map(|outcome| SettledMember { outcome, detail: None, message: None });
    GroupMember { target, settled }
}

fn datamart(seq: i64, group: i64) -> Datamart {
    Datamart {
        name: format!("m{seq}"),
        datasource: format!("d{group}"),
        tenancy: None,
        tables: 1,
        columns: 1,
        definition: format!("{{\"name\":\"m{seq}\"}}"),
    }
}

/// A group of so many datamarts, none of them settled.
fn group(group: i64, datamarts: usize) -> Vec<GroupMember> {
    let last = i64::try_from(datamarts).unwrap();
    let datamarts = (1..=last).map(|nth| member(group * STRIDE + nth, None));
    datamarts.chain([member(group * STRIDE, None)]).collect()
}

fn why(withdrawn: &[(Target, Withdrawal)]) -> Vec<(i64, &'static str, &str)> {
    withdrawn.iter().map(|(target, it)| (target.seq.0, it.code(), it.why.as_str())).collect()
}

#[test]
fn a_datasource_is_next_once_all_of_its_datamarts_are_gone() {
    for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Pending) {
        let mut groups = Groups::default();
        let gone = member(11, Some(Outcome::NotFound));
        groups.add(vec![gone, member(12, None), member(13, None), member(10, None)]);
        assert_eq!([12, 13].map(|_| groups.hand_out().unwrap().0.seq.0), [12, 13]);
        groups.settled(Seq(12), outcome, BootTime::now());
        // A stranger, and the same one again.
        groups.settled(Seq(7), Outcome::Deleted, BootTime::now());
        groups.settled(Seq(12), Outcome::Deleted, BootTime::now());
        assert!(!groups.is_any_decided() && groups.may_go_on(), "one is left, whatever became of the others");
        groups.settled(Seq(13), Outcome::DeletedUnconfirmed, BootTime::now());
        let is_ready = ["deleted", "deleted_unconfirmed", "not_found"].contains(&outcome.as_str());
        assert_eq!(groups.next(), is_ready.then_some(Seq(10)), "{outcome}");
        let words = format!("its datamart `m12` ended {outcome}");
        let expected = if is_ready { vec![] } else { vec![(10, "dependants_remain", words.as_str())] };
        assert_eq!(why(&groups.take_withheld()), expected);
        assert!(!groups.is_any_waiting());
    }
}

#[test]
fn nothing_goes_on_once_all_that_was_handed_out_came_back() {
    let mut groups = Groups::default();
    groups.add(group(1, 1));
    assert!(groups.hand_out().is_some() && groups.may_go_on());
    groups.opened(Seq(11));
    assert!(!groups.may_go_on() && groups.is_any_waiting(), "a listing has to settle it");
}

#[test]
fn nothing_more_is_sent_of_a_group_of_which_a_member_is_skipped() {
    for (detail, code) in [
        ("protected", "protected"),
        ("on_hold", "on_hold"),
        ("dependants_changed", "dependants_changed"),
        ("exists_again", "dependants_remain"),
    ] {
        let mut skipped = member(11, Some(Outcome::Skipped));
        let settled = skipped.settled.as_mut().unwrap();
        (settled.detail, settled.message) = (Some(detail.to_owned()), Some("why".to_owned()));
        let mut groups = Groups::default();
        groups.add(vec![skipped, member(12, None), member(10, None)]);
        let words = "datamart `m11` is skipped: why";
        assert_eq!(why(&groups.take_withheld()), [(12, code, words), (10, code, words)]);
        assert_eq!(groups.next(), None);
    }
    let mut groups = Groups::default();
    groups.add(vec![member(11, None), member(10, Some(Outcome::InUse))]);
    let words = "datasource `d1` ended in_use before";
    assert_eq!(why(&groups.take_withheld()), [(11, "dependants_changed", words)]);
}

proptest! {
    #[test]
    fn in_any_order_of_outcomes_no_group_is_sent_otherwise_than_planned(
        outcomes in vec(vec(0..Outcome::ALL.len() - 1, 0..4), 1..7),
        is_changed in vec(any::<bool>(), 7),
        choices in vec(any::<u16>(), 80),
        changes_after in 0..20_usize,
    ) {
        let outcome_of = |seq: i64| {
            let nth = usize::try_from(seq % STRIDE).unwrap().checked_sub(1)?;
            Some(Outcome::ALL[outcomes[usize::try_from(seq / STRIDE).unwrap()][nth]])
        };
        let mut groups = Groups::default();
        let mut datamarts = Vec::new();
        for (number, own) in (0..).zip(&outcomes) {
            groups.add(group(number, own.len()));
            datamarts.extend((1..).take(own.len()).map(|nth| datamart(number * STRIDE + nth, number)));
        }
        let start = BootTime::now();
        let planned = DatamartListing::new(start, datamarts.clone());
        let new = is_changed.iter().zip(0..).filter(|(is_changed, _)| **is_changed);
        datamarts.extend(new.map(|(_, number)| datamart(number * STRIDE + 9, number)));
        let another = DatamartListing::new(start + Duration::from_secs(1), datamarts);

        let (mut under_way, mut sent, mut withheld) = (Vec::new(), Vec::new(), Vec::new());
        let mut gone = HashSet::new();
        for (step, choice) in choices.into_iter().enumerate() {
            let listing = if step < changes_after { &planned } else { &another };
            withheld.extend(groups.take_withheld().into_iter().map(|(target, _)| target.seq.0));
            let next = groups.next().filter(|_| under_way.is_empty() || choice % 3 > 0);
            if let Some(next) = next {
                if groups.recheck(next, listing).is_none() {
                    let (target, _) = groups.hand_out().unwrap();
                    let number = target.seq.0 / STRIDE;
                    let is_planned = listing.readers_of(&format!("d{number}")).len()
                        == outcomes[usize::try_from(number).unwrap()].len();
                    prop_assert!(is_planned, "{} was sent, and its group changed", target.name);
                    if target.seq.0 % STRIDE == 0 {
                        let last = i64::try_from(outcomes[usize::try_from(number).unwrap()].len()).unwrap();
                        let all_gone = (1..=last).all(|nth| gone.contains(&(target.seq.0 + nth)));
                        prop_assert!(all_gone, "{} was sent too early", target.name);
                    }
                    under_way.push(target.seq.0);
                    sent.push(target.seq.0);
                }
            } else if !under_way.is_empty() {
                let seq = under_way.swap_remove(usize::from(choice) % under_way.len());
                let outcome = outcome_of(seq).unwrap_or(Outcome::Deleted);
                if outcome.is_gone() || outcome == Outcome::NotFound {
                    gone.insert(seq);
                }
                groups.settled(Seq(seq), outcome, start + Duration::from_secs(2));
            }
        }
        withheld.extend(groups.take_withheld().into_iter().map(|(target, _)| target.seq.0));
        prop_assert!(under_way.is_empty() && groups.next().is_none() && !groups.is_any_waiting());
        let mut all: Vec<_> = sent.into_iter().chain(withheld).collect();
        all.sort_unstable();
        let mut expected: Vec<_> = (0..).zip(&outcomes)
            .flat_map(|(number, own)| (0..=i64::try_from(own.len()).unwrap()).map(move |nth| number * STRIDE + nth))
            .collect();
        expected.sort_unstable();
        prop_assert_eq!(all, expected, "each is sent or withheld, once");
    }
}
