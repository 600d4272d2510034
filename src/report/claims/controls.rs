//! The controls that a record supports as evidence, as far as it does.

use super::Facts;
use super::anchoring::Confirmation;

/// A control, and what the record contributes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::report) struct Control {
    pub(in crate::report) framework: &'static str,
    pub(in crate::report) clause: &'static str,
    pub(in crate::report) contribution: String,
}

const NIST: &str = "NIST SP 800-53 Rev. 5";
const ISO: &str = "ISO/IEC 27001:2022";

impl Facts<'_> {
    /// The controls that this record supports: none if nothing real happened.
    pub(in crate::report) fn controls(&self) -> Vec<Control> {
        if self.run.rehearsal {
            return Vec::new();
        }
        let control = |framework, clause, contribution: &str| Control {
            framework,
            clause,
            contribution: contribution.to_owned(),
        };
        let is_confirmed = self.covering().is_some();
        let mut controls = vec![
            control(
                NIST,
                "AU-3 Content of audit records",
                "for each request: what, when, where, by whom as stated, and how it ended",
            ),
            control(
                NIST,
                "AU-9 Protection of audit information",
                if is_confirmed {
                    "a log in which each record holds the SHA-256 of the one before, and a checkpoint that covers this \
                     run and whose signature was checked"
                } else {
                    "a log in which each record holds the SHA-256 of the one before, so that a change within it is \
                     found; nothing here shows that its end was not cut off, or that it was not written again as a whole"
                },
            ),
        ];
        let signed = match (self.is_approved, is_confirmed) {
            (true, true) => Some(
                "a signed approval of the plan, as recorded in the log, and a checkpoint whose signature was checked",
            ),
            (true, false) => Some("a signed approval of the plan, as recorded in the log"),
            (false, true) => Some("a checkpoint whose signature was checked"),
            (false, false) => None,
        };
        controls.extend(signed.map(|contribution| control(NIST, "AU-10 Non-repudiation", contribution)));
        controls.push(control(
            "PCI DSS v4.0.1",
            "Requirement 10",
            if is_confirmed {
                "who did what as stated, when, to which object and with which result (10.2), in a log that a signed \
                 checkpoint protects from changes (10.3)"
            } else {
                "who did what as stated, when, to which object and with which result (10.2)"
            },
        ));
        if self.run.has_deleted() {
            controls.extend([
                control(
                    "SOC 2 (Trust Services Criteria)",
                    "CC6.5",
                    "what was decommissioned, who carried it out as stated, and what was left",
                ),
                control(
                    ISO,
                    "A.8.10 Information deletion",
                    "which deletions were carried out, and the exceptions",
                ),
            ]);
        }
        controls.push(control(
            ISO,
            "A.8.15 Logging",
            "a log of the requests that can be checked and analysed",
        ));
        controls.push(control(
            "GDPR",
            "Article 5(2) Accountability",
            "a record with which the controller can show what was done",
        ));
        if self.run.has_deleted() {
            controls.push(control(
                "GDPR",
                "Article 17 Right to erasure",
                "which configurations were deleted, and when",
            ));
        }
        controls
    }

    /// When the checkpoint that confirms the whole run was made, if one does.
    fn covering(&self) -> Option<&super::Checkpoint> {
        match self.anchoring.confirms(&self.account.last) {
            Confirmation::AtEnd(found) | Confirmation::Later(found) => Some(found),
            Confirmation::Before(_) | Confirmation::None => None,
        }
    }
}
