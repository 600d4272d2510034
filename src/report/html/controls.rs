//! The controls that the record supports, and what it does not claim.

use maud::{Markup, html};

use super::Certificate;

pub(super) fn section(certificate: &Certificate) -> Markup {
    html! {
        section #controls {
            h2 { span.no { "7" } "Controls supported" }
            p.limits {
                strong { "What this is not. " }
                "This is logical deletion through the provider’s API, not media sanitisation: NIST SP 800-88 is not "
                "claimed. A deleted datasource is a configuration in Databrain with its cached schemas; the database "
                "that it pointed to was not touched. This record does not show what the provider keeps in backups, "
                "replicas or logs of its own."
            }
            p.words {
                "The record supports these controls as evidence. Whether a control is met is for its assessor to say."
            }
            table.controls {
                thead {
                    tr {
                        th scope="col" { "Framework" }
                        th scope="col" { "Control" }
                        th scope="col" { "What this record contributes" }
                    }
                }
                tbody {
                    @for (framework, control, contribution) in controls(certificate) {
                        tr { td { (framework) } td { (control) } td { (contribution) } }
                    }
                }
            }
        }
    }
}

/// Frameworks, their controls, and what this record contributes to each.
fn controls(certificate: &Certificate) -> Vec<(&'static str, &'static str, &'static str)> {
    let nist = "NIST SP 800-53 Rev. 5";
    let iso = "ISO/IEC 27001:2022";
    let approved = certificate.run.approved_by.is_some();
    let anchored = certificate.checkpoint.as_ref().is_some_and(|it| it.signed && it.agrees);
    let non_repudiation = match (approved, anchored) {
        (true, true) => {
            Some("a signed approval of the plan, and a signed checkpoint that agrees with the log")
        }
        (true, false) => Some("a signed approval of the plan"),
        (false, true) => Some("a signed checkpoint that agrees with the log"),
        (false, false) => None,
    };
    let mut controls = vec![
        (
            nist,
            "AU-3 Content of audit records",
            "for each request: what, when, where, by whom as stated, and how it ended",
        ),
        (
            nist,
            "AU-9 Protection of audit information",
            "an append-only log, in which each record holds the SHA-256 of the one before",
        ),
    ];
    controls.extend(non_repudiation.map(|contribution| (nist, "AU-10 Non-repudiation", contribution)));
    controls.extend([
        (
            "PCI DSS v4.0.1",
            "Requirement 10",
            "who did what, when, to which object and with which result (10.2), in records chained by SHA-256 (10.3)",
        ),
        (
            "SOC 2 (Trust Services Criteria)",
            "CC6.5",
            "what was decommissioned, who carried it out, and what was left",
        ),
        (iso, "A.8.10 Information deletion", "which deletions were carried out, and the exceptions"),
        (iso, "A.8.15 Logging", "a log of the deletions that can be checked and analysed"),
        ("GDPR", "Article 5(2) Accountability", "a record with which the controller can show what was done"),
        ("GDPR", "Article 17 Right to erasure", "which datasources were deleted, and when"),
    ]);
    controls
}
