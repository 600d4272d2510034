//! Which controls the record supports, and what it does not claim.

use maud::{Markup, html};

/// The control, and what this record gives to it.
const CONTROLS: [(&str, &str, &str); 9] = [
    (
        "NIST SP 800-53 Rev. 5",
        "AU-3 Content of audit records",
        "for each request: what, when, where, by whom, and how it ended",
    ),
    (
        "NIST SP 800-53 Rev. 5",
        "AU-9 Protection of audit information",
        "append-only, chained by SHA-256; changes are found out",
    ),
    (
        "NIST SP 800-53 Rev. 5",
        "AU-10 Non-repudiation",
        "signed checkpoints and, where one was required, a signed approval",
    ),
    (
        "PCI DSS v4.0.1",
        "Requirement 10",
        "who did what, when, to which object and with which result (10.2), in a log that is protected against change (10.3)",
    ),
    (
        "SOC 2 (Trust Services Criteria)",
        "CC6.5",
        "what was decommissioned, on whose order, and what was left",
    ),
    (
        "ISO/IEC 27001:2022",
        "A.8.10 Information deletion",
        "that deletion was carried out as asked for, and its exceptions",
    ),
    (
        "ISO/IEC 27001:2022",
        "A.8.15 Logging",
        "a log of the deletions that is kept, protected and can be analysed",
    ),
    ("GDPR", "Article 5(2) Accountability", "a record with which the controller can show what was done"),
    ("GDPR", "Article 17 Right to erasure", "that the datasources were deleted, and when"),
];

pub(super) fn section() -> Markup {
    html! {
        section #controls {
            h2 { span.no { "7" } "Controls supported" }
            p.limits {
                strong { "What this is not. " }
                "This is logical deletion through the provider’s API, and no media sanitisation: "
                "NIST SP 800-88 is not claimed. What was deleted is the datasource in Databrain, that is its "
                "configuration and its cached schemas; the database behind it was not touched. "
                "What the provider keeps in backups, replicas or logs of its own, this record cannot show."
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
                    @for (framework, control, contribution) in CONTROLS {
                        tr { td { (framework) } td { (control) } td { (contribution) } }
                    }
                }
            }
        }
    }
}
