//! The controls that the record supports, and what it does not claim.

use maud::{Markup, html};

use super::Certificate;
use crate::report::claims::Control;

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
            @let controls = certificate.facts().controls();
            @if controls.is_empty() {
                p.words { "None: a rehearsal is evidence of nothing." }
            } @else {
                p.words {
                    "The record supports these controls as evidence. Whether a control is met is for its assessor to say."
                }
                (table(&controls))
            }
        }
    }
}

fn table(controls: &[Control]) -> Markup {
    html! {
        table.controls {
            thead {
                tr {
                    th scope="col" { "Framework" }
                    th scope="col" { "Control" }
                    th scope="col" { "What this record contributes" }
                }
            }
            tbody {
                @for Control { framework, clause, contribution } in controls {
                    tr { td { (framework) } td { (clause) } td { (contribution) } }
                }
            }
        }
    }
}
