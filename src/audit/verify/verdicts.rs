//! Holds verdicts against the replies that they are about, and outcomes against verdicts and evidence: the tables of
//! the documentation, as every version of decom keeps to them.

use crate::domain::{Evidence, Outcome, Verdict};

/// The error codes with which the API refuses a token.
const TOKEN_CODES: [&[u8]; 5] = [
    b"AUTHENTICATION_ERROR",
    b"AUTHENTICATION_ERR",
    b"INVALID_SERVICE_TOKEN",
    b"EXPIRED_SERVICE_TOKEN",
    b"INVALID_DATA_APP_API_KEY",
];

/// Returns true if a reply with this status and error code can have had this verdict. Without a reply there is no
/// status; what decom itself says of that is in the error code then.
pub(super) fn can_show(verdict: Verdict, status: Option<i64>, code: &[u8]) -> bool {
    match (verdict, status) {
        (Verdict::NotFound, Some(_)) => code == b"DATASOURCE_NAME_ERROR",
        (Verdict::NotFoundOrInvalid, Some(status)) => status == 400 && code == b"INVALID_REQUEST_BODY",
        (Verdict::InUse, Some(_)) => code == b"DATASOURCE_IN_USE",
        (Verdict::Unauthorized, Some(status)) => status == 401 || TOKEN_CODES.contains(&code),
        (Verdict::ServerError, Some(status)) => status == 408 || (500..=599).contains(&status),
        (Verdict::Rejected, Some(status)) => {
            (300..=499).contains(&status) && ![401, 408, 429].contains(&status)
        }
        // To earlier versions, a 400 that was cut short was no answer.
        (Verdict::NoAnswer, Some(status)) => status == 400 || !(300..=599).contains(&status),
        // Earlier versions took any 200 for a success, whatever its body said; an error code contradicts it all the same.
        (Verdict::Deleted, Some(200)) => code.is_empty(),
        (Verdict::Throttled, Some(429)) | (Verdict::NoAnswer | Verdict::NotSent, None) => true,
        _ => false,
    }
}

/// Returns true if an answer with this verdict can settle its target so.
pub(super) fn can_settle(verdict: Verdict, outcome: Outcome, evidence: Option<Evidence>) -> bool {
    use Evidence::{Acknowledged, NotFoundAfterDoubt, NotFoundAfterRedelivery, Refused};
    match (verdict, outcome) {
        (Verdict::Deleted, Outcome::Deleted) => evidence == Some(Acknowledged),
        (Verdict::NotFound, Outcome::DeletedUnconfirmed) => {
            matches!(evidence, Some(NotFoundAfterDoubt | NotFoundAfterRedelivery))
        }
        (Verdict::NotFound, Outcome::NotFound)
        | (Verdict::InUse, Outcome::InUse)
        | (Verdict::Rejected, Outcome::Rejected) => evidence == Some(Refused),
        _ => false,
    }
}

/// Returns true if a target can have this outcome on this evidence without an answer that settles it.
pub(super) fn can_follow(evidence: Evidence, outcome: Outcome) -> bool {
    use Outcome::{DeletedUnconfirmed, Failed, InUse, NotFound, Rejected, Skipped, Unknown};
    match evidence {
        Evidence::AbsentFromListing => matches!(outcome, DeletedUnconfirmed | NotFound),
        Evidence::StillListed => matches!(outcome, Failed | Rejected | Skipped),
        Evidence::NoClearAnswer => matches!(outcome, Failed | Unknown),
        Evidence::Rule => matches!(outcome, Skipped | Unknown),
        Evidence::Queue => outcome == Skipped,
        // That of another target of the same name, if it is not gone.
        Evidence::AuditLog => matches!(outcome, Skipped | InUse | NotFound | Rejected | Failed | Unknown),
        Evidence::Acknowledged
        | Evidence::Refused
        | Evidence::NotFoundAfterDoubt
        | Evidence::NotFoundAfterRedelivery => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use super::*;
    use crate::domain::{Doubt, Presence, decide};

    const DOUBTS: [Doubt; 3] = [Doubt::None, Doubt::Redelivered, Doubt::Attempted];

    #[test]
    fn what_decom_decides_is_possible_and_nothing_else_that_an_answer_settles() {
        for verdict in Verdict::ALL {
            for outcome in Outcome::ALL {
                for evidence in Evidence::ALL {
                    let decided =
                        DOUBTS.iter().any(|doubt| decide(verdict, *doubt, None) == Some((outcome, evidence)));
                    let found = can_settle(verdict, outcome, Some(evidence));
                    assert_eq!(found, decided, "{verdict} {outcome} {evidence:?}");
                }
            }
            for (doubt, presence) in DOUBTS.into_iter().flat_map(|doubt| {
                [Presence::Listed, Presence::Absent, Presence::Unknown].map(|presence| (doubt, presence))
            }) {
                if let (None, Some((outcome, evidence))) =
                    (decide(verdict, doubt, None), decide(verdict, doubt, Some(presence)))
                {
                    assert!(can_follow(evidence, outcome), "{verdict} {doubt:?} {presence:?}");
                }
            }
        }
    }

    #[test]
    fn the_script_that_checks_logs_allows_what_the_program_allows() {
        let program = "import verify_audit_log as v\n\
            for evidence, outcomes in v.OTHERWISE.items():\n    \
                for outcome in outcomes.split(): print('-', outcome, evidence)\n\
            for line in v.ANSWERED: print(*line)\n";
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
        let python =
            Command::new("python3").args(["-B", "-c", program]).current_dir(folder).output().unwrap();
        assert!(python.status.success(), "{python:?}");
        let script: BTreeSet<_> =
            String::from_utf8(python.stdout).unwrap().lines().map(str::to_owned).collect();
        let mut program = BTreeSet::new();
        for (outcome, evidence) in
            Outcome::ALL.into_iter().flat_map(|outcome| Evidence::ALL.map(|evidence| (outcome, evidence)))
        {
            if can_follow(evidence, outcome) {
                program.insert(format!("- {outcome} {}", evidence.as_str()));
            }
            for verdict in Verdict::ALL.into_iter().filter(|it| can_settle(*it, outcome, Some(evidence))) {
                program.insert(format!("{verdict} {outcome} {}", evidence.as_str()));
            }
        }
        assert_eq!(script, program);
    }

    #[test]
    fn no_reply_has_two_verdicts_but_those_that_versions_differ_in() {
        let codes: [&[u8]; 5] =
            [b"", b"DATASOURCE_NAME_ERROR", b"DATASOURCE_IN_USE", b"AUTHENTICATION_ERROR", b"OTHER"];
        for status in (100..=699).map(Some).chain([None]) {
            for code in codes {
                let possible: Vec<_> =
                    Verdict::ALL.into_iter().filter(|it| can_show(*it, status, code)).collect();
                assert!(!possible.is_empty(), "{status:?} {}", String::from_utf8_lossy(code));
                let gone = possible.contains(&Verdict::Deleted);
                assert_eq!(gone, status == Some(200) && code.is_empty(), "{status:?}");
            }
        }
        let shown = |status, code: &str| {
            let can = |verdict: &Verdict| can_show(*verdict, status, code.as_bytes());
            Verdict::ALL.into_iter().filter(can).map(Verdict::as_str).collect::<Vec<_>>()
        };
        assert_eq!(shown(Some(400), "DATASOURCE_IN_USE"), ["in_use", "rejected", "no_answer"]);
        assert_eq!(shown(Some(403), "OTHER"), ["rejected"]);
        assert_eq!(shown(Some(500), ""), ["server_error"]);
        assert_eq!(shown(Some(429), ""), ["throttled"]);
        assert_eq!(shown(Some(401), ""), ["unauthorized"]);
        assert_eq!(shown(Some(302), ""), ["rejected"]);
        assert_eq!(shown(Some(204), ""), ["no_answer"]);
        assert_eq!(shown(None, "connect_failed"), ["no_answer", "not_sent"]);
    }
}
