//! Certificates over all combinations of facts, each sentence of them held against the facts.
//!
//! The table in `table` says of each sentence what must be so for it to be on a page. It knows the combination alone, and
//! nothing of how the sentences are made. A sentence that it does not know fails the test, and so does one on a page
//! whose facts do not allow it.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Anchoring, Checkpoint, CheckpointSignature};
use crate::domain::{
    ClosingListing, Counts, LogState, Outcome, RecordMark, RunAccount, RunSummary, Session, SessionFacts,
    Timeline, Timestamp,
};
use crate::report::{Certificate, Format, write_certificate, write_report};
use table::{ANYTIME, CLAIMS};

/// What became of the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    AllDeleted,
    SomeUnconfirmed,
    StillListed,
    AllStillListed,
    NotFoundAccepted,
    NotFoundAndDeleted,
    BeforeAlone,
    Failures,
    Pending,
    Malformed,
}

/// What there is of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    NotLooked,
    NotFound,
    Unsigned,
    NotChecked,
    Refused,
    CheckedBefore,
    CheckedAtEnd,
    CheckedLater,
}

#[expect(clippy::struct_excessive_bools, reason = "all combinations of facts are tried")]
#[derive(Debug, Clone, Copy)]
struct Case {
    ended: Ended,
    point: Point,
    status: &'static str,
    is_expected: bool,
    is_approved: bool,
    is_rehearsal: bool,
    is_merged: bool,
    is_resumed: bool,
    is_listed: bool,
}

const ENDED: [Ended; 10] = [
    Ended::AllDeleted,
    Ended::SomeUnconfirmed,
    Ended::StillListed,
    Ended::AllStillListed,
    Ended::NotFoundAccepted,
    Ended::NotFoundAndDeleted,
    Ended::BeforeAlone,
    Ended::Failures,
    Ended::Pending,
    Ended::Malformed,
];
const POINTS: [Point; 8] = [
    Point::NotLooked,
    Point::NotFound,
    Point::Unsigned,
    Point::NotChecked,
    Point::Refused,
    Point::CheckedBefore,
    Point::CheckedAtEnd,
    Point::CheckedLater,
];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (ended, point) in ENDED.into_iter().flat_map(|ended| POINTS.map(|point| (ended, point))) {
        for bits in 0..64 {
            let bit = |n: u32| bits & (1 << n) != 0;
            // That checkpoints were expected is said only if there is none.
            if bit(0) && !matches!(point, Point::NotLooked | Point::NotFound) {
                continue;
            }
            let statuses: &[&str] = if ended == Ended::Pending {
                &["stopped", "interrupted", "unfinished"]
            } else {
                &["finished"]
            };
            cases.extend(statuses.iter().map(|status| Case {
                ended,
                point,
                status,
                is_expected: bit(0),
                is_approved: bit(1),
                is_rehearsal: bit(2),
                is_merged: bit(3),
                is_resumed: bit(4),
                is_listed: bit(5),
            }));
        }
    }
    cases
}

const LAST: u64 = 40;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_795_510_800 + seconds) * 1_000_000)
}

fn counts(all: &[(Outcome, u64)]) -> Counts {
    let mut counts = Counts::default();
    for (outcome, n) in all {
        counts.add(*outcome, *n);
    }
    counts
}

/// How many targets have which outcome.
type OutcomeCounts = Vec<(Outcome, u64)>;

impl Case {
    /// The outcomes, those that are still listed, those that an earlier run deleted, and the exit code.
    fn outcomes(self) -> (OutcomeCounts, OutcomeCounts, u64, i64) {
        use Outcome::{Deleted, DeletedUnconfirmed, Failed, InUse, NotFound, Pending, Skipped, Unknown};
        match self.ended {
            Ended::AllDeleted => (vec![(Deleted, 3)], vec![], 0, 0),
            Ended::SomeUnconfirmed => (vec![(Deleted, 2), (DeletedUnconfirmed, 1)], vec![], 0, 0),
            Ended::StillListed => (vec![(Deleted, 17)], vec![(Deleted, 2)], 0, 1),
            Ended::AllStillListed => {
                let all = vec![(Deleted, 1), (DeletedUnconfirmed, 1)];
                (all.clone(), all, 0, 1)
            }
            Ended::NotFoundAccepted => (vec![(NotFound, 2)], vec![], 0, 0),
            Ended::NotFoundAndDeleted => (vec![(Deleted, 1), (NotFound, 1)], vec![], 0, 1),
            Ended::BeforeAlone => (vec![(Skipped, 2)], vec![], 2, 0),
            Ended::Failures => (vec![(InUse, 1), (Failed, 1), (Unknown, 1)], vec![], 0, 1),
            Ended::Pending => (vec![(Deleted, 1), (Pending, 2)], vec![], 0, 4),
            Ended::Malformed => (vec![(Deleted, 1)], vec![], 0, 1),
        }
    }

    fn count(self, wanted: &[Outcome]) -> u64 {
        self.outcomes().0.iter().filter(|(outcome, _)| wanted.contains(outcome)).map(|(_, n)| n).sum()
    }

    fn still_listed(self) -> u64 {
        self.outcomes().1.iter().map(|(_, n)| n).sum()
    }

    /// How many are gone by this run, as far as is known.
    fn gone(self) -> u64 {
        self.count(&[Outcome::Deleted, Outcome::DeletedUnconfirmed]) - self.still_listed()
    }

    /// A checkpoint whose signature is good covers the whole run.
    fn is_confirmed(self) -> bool {
        matches!(self.point, Point::CheckedAtEnd | Point::CheckedLater)
    }

    fn has_checkpoint(self) -> bool {
        !matches!(self.point, Point::NotLooked | Point::NotFound)
    }

    /// What is recorded of who ran it.
    fn session(self) -> SessionFacts {
        let unusual = self.is_resumed;
        SessionFacts {
            operator: Some("ann".to_owned()),
            ca_sha256: unusual.then(|| "ef".repeat(32)),
            proxy: Some(unusual),
            clock_ahead_ms: Some(if unusual { 90_000 } else { 100 }),
            ..SessionFacts::default()
        }
    }

    fn certificate(self) -> Certificate {
        let (outcomes, listed, before, exit_code) = self.outcomes();
        let is_over = self.status != "unfinished";
        let run = RunSummary {
            run_id: "20261124T090000Z-5f0c2a91".to_owned(),
            started_at: at(0).to_string(),
            finished_at: is_over.then(|| at(60).to_string()),
            status: self.status.to_owned(),
            input: "leaving.csv".to_owned(),
            input_sha256: None,
            counts: counts(&outcomes),
            already_deleted: before,
            operator: Some("ann".to_owned()),
            reason: None,
            ticket: None,
            base_url: "https://api.example.com".to_owned(),
            tool_version: "0.2.0".to_owned(),
            host: "batch-1".to_owned(),
            exit_code: is_over.then_some(exit_code),
            plan_digest: None,
            approved_by: self.is_approved.then(|| "ben".to_owned()),
            retry_of: None,
            rate: None,
            rehearsal: self.is_rehearsal,
            with_datamarts: false,
            still_listed: counts(&listed),
        };
        let last = RecordMark { seq: LAST, at: at(60), hash: "ab".repeat(32) };
        let head = RecordMark { seq: LAST + 5, at: at(90), hash: "cd".repeat(32) };
        let account = RunAccount {
            definitions: None,
            log: LogState { id: "12".repeat(16), is_merged: self.is_merged, head },
            last,
            rows: None,
            targets_sha256: None,
            token_fingerprint: None,
            rate: None,
            checkpoints: self.is_expected,
            sessions: vec![Session { from: at(0), to: None, facts: self.session() }],
            plan_creator: None,
            approved_with: None,
            why: None,
            resumed: u64::from(self.is_resumed),
            requests: 4,
            repeats: 1,
            unanswered: u64::from(self.ended == Ended::Pending),
            skipped: if before > 0 {
                BTreeMap::from([("already_deleted".to_owned(), before)])
            } else {
                BTreeMap::new()
            },
            listing: self.is_listed.then(|| ClosingListing {
                at: at(59),
                names: 100,
                gone_after: u64::from(self.is_resumed && self.gone() > 0),
            }),
            latency: None,
            timeline: Timeline {
                start: at(0),
                width: Duration::from_mins(1),
                stretches: Vec::new(),
                gaps: Vec::new(),
                more_gaps: false,
            },
        };
        let checkpoint = |records, time, signature| {
            Anchoring::Found(Checkpoint {
                file: "1.checkpoint".to_owned(),
                text: "the text of the checkpoint\n".to_owned(),
                records,
                time,
                signature,
            })
        };
        let checked = || CheckpointSignature::Checked { signers: "auditor (SHA256:x)".to_owned() };
        let anchoring = match self.point {
            Point::NotLooked => Anchoring::NotLooked,
            Point::NotFound => Anchoring::NotFound,
            Point::Unsigned => checkpoint(LAST, at(60), CheckpointSignature::Missing),
            Point::NotChecked => checkpoint(LAST, at(60), CheckpointSignature::NotChecked),
            Point::Refused => {
                checkpoint(LAST, at(60), CheckpointSignature::Refused { why: "a forgery".to_owned() })
            }
            Point::CheckedBefore => checkpoint(LAST - 10, at(30), checked()),
            Point::CheckedAtEnd => checkpoint(LAST, at(60), checked()),
            Point::CheckedLater => checkpoint(LAST + 3, at(80), checked()),
        };
        Certificate {
            run,
            account,
            organisation: None,
            issued_at: at(100),
            issued_by: "0.2.0".to_owned(),
            annex: None,
            anchoring,
            verify: "decom audit verify".to_owned(),
            signed_with: None,
        }
    }
}

/// The text of a page, a line for each block, without the charts, whose words are counts.
fn text(page: &str) -> String {
    let (mut text, mut rest) = (String::new(), page.split_once("<body>").unwrap().1);
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = tag.split_once('>').unwrap();
        rest = after;
        if tag.starts_with("svg.chart") || tag.starts_with("svg class=\"chart") {
            rest = rest.split_once("</svg>").unwrap().1;
        }
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        if !["strong", "span", "bdi", "code", "time"].contains(&name) {
            text.push('\n');
        }
    }
    text.replace(['\u{a0}', '\u{202f}'], " ").replace("&quot;", "\"")
}

/// Sentences: what ends with a full stop and is more than a label.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split_inclusive(". ")).map(str::trim).filter(|part| part.ends_with('.'))
}

fn page(case: Case) -> String {
    let mut page = Vec::new();
    write_certificate(&mut page, &case.certificate(), &mut |_, _| Ok(())).unwrap();
    text(&String::from_utf8(page).unwrap())
}

/// What was said, and what must not have been, each with the first case.
#[derive(Default)]
struct Held {
    said: BTreeSet<&'static str>,
    untrue: BTreeMap<&'static str, Case>,
    unknown: BTreeMap<String, Case>,
}

impl Held {
    /// Everything that the text claims must be so, and every sentence must be one that is known.
    fn hold(&mut self, case: Case, text: &str) {
        for (words, is_so) in CLAIMS.iter().filter(|(words, _)| text.contains(words)) {
            self.said.insert(words);
            if !is_so(case) {
                self.untrue.entry(words).or_insert(case);
            }
        }
        for sentence in sentences(text) {
            if !ANYTIME.contains(&sentence) && !CLAIMS.iter().any(|(words, _)| sentence.contains(words)) {
                self.unknown.entry(sentence.to_owned()).or_insert(case);
            }
        }
    }

    #[track_caller]
    fn assert_true(&self) {
        assert!(self.untrue.is_empty(), "said, and not so: {:#?}", self.untrue);
        assert!(self.unknown.is_empty(), "nothing says when this may be said: {:#?}", self.unknown);
    }
}

#[test]
fn no_sentence_of_a_certificate_claims_more_than_the_facts_show() {
    let mut held = Held::default();
    for case in cases() {
        held.hold(case, &page(case));
    }
    held.assert_true();
    let never: Vec<_> =
        CLAIMS.iter().map(|(words, _)| *words).filter(|words| !held.said.contains(words)).collect();
    let for_text = "2 targets were deleted by an earlier run";
    let forbidden = ["17 of 17", "are among them", "have no result in the log", "vouch", "found out"];
    assert_eq!(never, [&[for_text][..], &forbidden].concat());
}

#[test]
fn nor_does_a_report_as_text_or_markdown() {
    let mut held = Held::default();
    for case in cases() {
        let run = case.certificate().run;
        for format in [Format::Table, Format::Markdown] {
            let mut report = Vec::new();
            write_report(&mut report, format, &run, &mut |_| Ok(()), false).unwrap();
            held.hold(case, &String::from_utf8(report).unwrap());
        }
    }
    held.assert_true();
    for words in ["the API confirmed the deletion", "15 of 17 datasources were deleted", "are still listed"] {
        assert!(held.said.contains(words), "{words}");
    }
}
