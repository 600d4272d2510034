//! The detached signature of a page: where it is, and how it is checked.

use maud::{Markup, html};

use super::wording::code;

/// Says by which key the page is signed, and the command that checks it.
pub(super) fn signature(fingerprint: Option<&str>) -> Markup {
    html! {
        @match fingerprint {
            None => { span.none { "this page is not signed" } }
            Some(fingerprint) => {
                "in the file beside this page with the same name and " code { ".sig" } " after it; key " (code(fingerprint))
                pre.command {
                    "ssh-keygen -Y verify -n decom-certificate -I SIGNER -f ALLOWED_SIGNERS -s PAGE.sig < PAGE"
                }
            }
        }
    }
}
