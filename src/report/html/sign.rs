//! The sign beside the status: it differs in its shape, not only in its colour.

use maud::{Markup, html};

use crate::report::claims::Completeness;

/// The class in the style sheet.
pub(super) const fn class(completeness: Completeness) -> &'static str {
    match completeness {
        Completeness::Complete => "complete",
        Completeness::WithExceptions | Completeness::NothingDeleted => "exceptions",
        Completeness::Incomplete => "incomplete",
    }
}

pub(super) fn sign(completeness: Completeness) -> Markup {
    html! {
        svg.sign viewBox="0 0 24 24" aria-hidden="true" {
            @match completeness {
                Completeness::Complete => { path d="M4.5 12.5l5 5 10-11" {} }
                Completeness::WithExceptions => { path d="M12 4v10.5M12 19.2v.3" {} }
                Completeness::NothingDeleted => { path d="M5 12h14" {} }
                Completeness::Incomplete => { path d="M5.2 12h.1M12 12h.1M18.7 12h.1" {} }
            }
        }
    }
}
