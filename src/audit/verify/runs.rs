//! Holds the records against each other, in their order: whether runs, targets, requests, answers
//! and outcomes fit together and add up.
//!
//! What is remembered is the runs that are not finished, two bits for each of their targets, and
//! the requests that have no answer yet: of a log with a hundred million records no more than of one
//! with a thousand.

use std::collections::HashMap;

use serde::Deserialize;

use super::rows::Fact;
use super::shape::Kind;
use super::{Finding, Findings};
use crate::domain::{Counts, Outcome, Verdict};

/// What the records amount to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Records.
    pub records: u64,
    /// Runs.
    pub runs: u64,
    /// Runs that are finished.
    pub finished: u64,
    /// Targets.
    pub targets: u64,
    /// Requests.
    pub attempts: u64,
}

#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) totals: Totals,
    pub(super) log_id: Option<String>,
    /// The newest run that wrote checkpoints.
    pub(super) anchored_run: Option<i64>,
    /// The last end of each run that ended, in their order.
    pub(super) ends: Vec<EndOfRun>,
    /// What the last record is.
    last_kind: Option<Kind>,
    /// The runs that are not finished, by the place of their record.
    open: Vec<Run>,
    /// Requests without an answer: target and number, to the place of the request and its run.
    unanswered: HashMap<(i64, i64), (i64, i64)>,
}

#[derive(Debug)]
struct Run {
    seq: i64,
    id: String,
    anchored: bool,
    /// It ended before, and was resumed.
    has_ended: bool,
    targets: u64,
    counts: Counts,
    /// By how far behind the run's record.
    is_target: Bits,
    is_settled: Bits,
    /// Those for which a request raised doubt.
    is_doubted: Bits,
}

/// How a run ended last.
#[derive(Debug, Clone)]
pub(super) struct EndOfRun {
    /// The place of its `end` record.
    pub(super) seq: i64,
    /// The place of its `run` record.
    run: i64,
    pub(super) run_id: String,
    pub(super) at_us: i64,
    /// It wrote checkpoints.
    pub(super) is_anchored: bool,
}

#[derive(Deserialize)]
struct Ending {
    status: String,
    counts: HashMap<String, u64>,
}

impl Runs {
    /// The next record, in their order.
    pub(super) fn take(&mut self, fact: &Fact, findings: &mut Findings) {
        let seq = fact.seq;
        if self.last_kind.replace(fact.kind) == Some(Kind::Close) {
            findings.add(Finding::AfterClose { seq });
        }
        if (fact.kind == Kind::Log) != (seq == 1) {
            findings.add(Finding::Genesis { seq });
        }
        let words = fact.words.as_deref();
        match fact.kind {
            Kind::Close => {}
            Kind::Log => self.log_id = self.log_id.take().or_else(|| words.map(|(name, _)| name.clone())),
            Kind::Run => self.begin(seq, words),
            _ => {
                let Ok(index) = self.open.binary_search_by_key(&fact.run, |run| run.seq) else {
                    findings.add(Finding::Reference { seq, column: "run", to: fact.run });
                    return;
                };
                match fact.kind {
                    Kind::End => self.end(index, fact, findings),
                    Kind::Resume | Kind::Refused => {}
                    Kind::Target => {
                        self.totals.targets += 1;
                        self.open[index].add_target(fact, findings);
                    }
                    _ => self.about_target(index, fact, findings),
                }
            }
        }
    }

    fn begin(&mut self, seq: i64, words: Option<&(String, String)>) {
        self.totals.runs += 1;
        let (id, detail) = words.cloned().unwrap_or_default();
        let detail: serde_json::Value = serde_json::from_str(&detail).unwrap_or_default();
        let anchored = detail["settings"]["checkpoints"] == true;
        if anchored {
            self.anchored_run = Some(seq);
        }
        self.open.push(Run {
            seq,
            id,
            anchored,
            has_ended: false,
            targets: 0,
            counts: Counts::default(),
            is_target: Bits::default(),
            is_settled: Bits::default(),
            is_doubted: Bits::default(),
        });
    }

    /// What is recorded about one target; a check may be about none.
    fn about_target(&mut self, index: usize, fact: &Fact, findings: &mut Findings) {
        let (seq, target, number) = (fact.seq, fact.target, fact.number);
        if fact.kind == Kind::Check && target == 0 {
            return;
        }
        let run = &mut self.open[index];
        let Some(place) = run.place_of(target) else {
            findings.add(Finding::Reference { seq, column: "target", to: target });
            return;
        };
        match fact.kind {
            Kind::Send => {
                self.totals.attempts += 1;
                let again = self.unanswered.insert((target, number), (seq, run.seq)).is_some();
                if again || run.is_settled.has(place) {
                    findings.add(Finding::Sent { seq, target });
                }
            }
            Kind::Answer => {
                let answered = self.unanswered.remove(&(target, number));
                if answered.is_none() {
                    findings.add(Finding::Answer { seq, target });
                }
                if fact.verdict.is_some_and(Verdict::raises_doubt) {
                    run.is_doubted.set(place);
                }
            }
            _ => {}
        }
        if let Some(outcome) = fact.outcome {
            if run.is_settled.has(place) {
                findings.add(Finding::SettledTwice { seq, target });
            } else {
                run.is_settled.set(place);
                run.counts.add(outcome, 1);
            }
        }
    }

    fn end(&mut self, index: usize, fact: &Fact, findings: &mut Findings) {
        let seq = fact.seq;
        let run = &mut self.open[index];
        if std::mem::replace(&mut run.has_ended, true) {
            self.ends.retain(|end| end.run != run.seq);
        }
        self.ends.push(EndOfRun {
            seq,
            run: run.seq,
            run_id: run.id.clone(),
            at_us: fact.at_us,
            is_anchored: run.anchored,
        });
        let words = fact.words.as_deref().map_or("", |(_, detail)| detail);
        let Ok(ending) = serde_json::from_str::<Ending>(words) else {
            findings.add(Finding::End { seq });
            return;
        };
        let pending = run.pending();
        for outcome in Outcome::ALL {
            let found = if outcome == Outcome::Pending { pending } else { run.counts.of(outcome) };
            let said = ending.counts.get(outcome.as_str()).copied().unwrap_or(0);
            if said != found {
                let outcome = outcome.to_string();
                findings.add(Finding::Counts { seq, outcome, said, found });
            }
        }
        if ending.status == "finished" {
            if pending > 0 {
                findings.add(Finding::Unsettled { seq, targets: pending });
            }
            self.totals.finished += 1;
            let run = self.open.remove(index).seq;
            let doubted: Vec<_> = self.unanswered.extract_if(|_, (_, of)| *of == run).collect();
            note_each(doubted.into_iter().map(|(_, (seq, _))| seq), findings, |seq| {
                Finding::AttemptDoubted { seq }
            });
        }
    }

    /// Returns true if the fact says that its target is gone in doubt, and no request for it had raised any.
    pub(super) fn lacks_doubt(&self, fact: &Fact) -> bool {
        fact.outcome == Some(Outcome::DeletedUnconfirmed)
            && self.open.binary_search_by_key(&fact.run, |run| run.seq).is_ok_and(|index| {
                let run = &self.open[index];
                run.place_of(fact.target).is_some_and(|place| !run.is_doubted.has(place))
            })
    }

    /// Returns true if the last record is one after which a writer may have closed the log in good order.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.last_kind, Some(Kind::Log | Kind::End | Kind::Close))
    }

    /// All records were taken: what is still open.
    pub(super) fn close(&mut self, findings: &mut Findings) {
        for run in &self.open {
            let (seq, run_id, pending) = (run.seq, run.id.clone(), run.pending());
            findings.add(Finding::Unfinished { seq, run_id, pending });
        }
        let open = self.unanswered.drain().map(|(_, (seq, _))| seq);
        note_each(open, findings, |seq| Finding::AttemptOpen { seq });
    }
}

fn note_each(seqs: impl Iterator<Item = i64>, findings: &mut Findings, finding: impl Fn(i64) -> Finding) {
    let mut seqs: Vec<_> = seqs.collect();
    seqs.sort_unstable();
    for seq in seqs {
        findings.add(finding(seq));
    }
}

impl Run {
    fn add_target(&mut self, fact: &Fact, findings: &mut Findings) {
        self.targets += 1;
        if u64::try_from(fact.number) != Ok(self.targets) {
            findings.add(Finding::Numbering { seq: fact.seq });
        }
        if let Some(place) = self.distance(fact.seq) {
            self.is_target.set(place);
        }
    }

    fn distance(&self, target: i64) -> Option<usize> {
        target.checked_sub(self.seq).and_then(|distance| usize::try_from(distance).ok())
    }

    /// Where `target` is among the targets of this run; `None` where it is none of them.
    fn place_of(&self, target: i64) -> Option<usize> {
        self.distance(target).filter(|place| self.is_target.has(*place))
    }

    fn pending(&self) -> u64 {
        self.targets.saturating_sub(self.counts.planned())
    }
}

/// A set of small numbers.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, place: usize) {
        let (word, bit) = (place / 64, place % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << bit;
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }
}
