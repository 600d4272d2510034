//! Lines for signatures by hand.

use maud::{Markup, html};

use super::Certificate;
use super::wording::text;

pub(super) fn section(certificate: &Certificate) -> Markup {
    let run = &certificate.run;
    html! {
        section #signatures {
            h2 { span.no { "8" } "Signatures" }
            @if certificate.run.rehearsal {
                p.words { "None: a rehearsal is not signed." }
            } @else {
                div.signatures {
                    (line("Operator", run.operator.as_deref()))
                    (line("Approver", run.approved_by.as_deref()))
                }
            }
        }
    }
}

fn line(role: &str, name: Option<&str>) -> Markup {
    html! {
        div.signer {
            h3 { (role) }
            dl {
                div { dt { "Name" } dd { @if let Some(name) = name { bdi { (text(name)) } } } }
                div { dt { "Signature" } dd {} }
                div { dt { "Date" } dd {} }
            }
        }
    }
}
