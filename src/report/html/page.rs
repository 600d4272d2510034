//! The frame of the page: its head, its first lines, its last.

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Certificate;
use super::sign::{class, sign};
use super::wording::{self, code, text, unbroken};
use crate::report::claims::REHEARSAL;

const STYLE: &str = include_str!("style.css");

/// Forbids the browser to load or run anything, whatever the page holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What a certificate begins with.
pub const CERTIFICATE: &[&str] = &[concat!(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" ",
    "content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">",
    "<meta name=\"referrer\" content=\"no-referrer\"><meta name=\"robots\" content=\"noindex\">",
    "<meta name=\"generator\" content=\"decom "
)];

/// What the frame of a page says.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    /// Hexadecimal digits.
    pub(super) id: &'a str,
    pub(super) rehearsal: bool,
    /// The version of decom that issues the page.
    pub(super) issued_by: &'a str,
    /// Rules after those of the style sheet.
    pub(super) style: &'static str,
}

/// The page that is being written.
pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Page<'a> {
    /// Begins the page.
    pub(super) fn open(out: &'a mut dyn Write, certificate: &Certificate) -> io::Result<Self> {
        let frame = Frame {
            title: certificate.facts().run.title(),
            id: &certificate.id(),
            rehearsal: certificate.run.rehearsal,
            issued_by: &certificate.issued_by,
            style: "",
        };
        let mut page = Self::begin(out, &frame)?;
        page.put(&masthead(certificate))?;
        Ok(page)
    }

    /// Begins a page with this frame.
    pub(super) fn begin(out: &'a mut dyn Write, frame: &Frame<'_>) -> io::Result<Self> {
        let mut page = Self { out };
        page.put(&html! { (DOCTYPE) })?;
        page.literal("<html lang=\"en\">")?;
        page.put(&head(frame))?;
        page.literal("<body>\n<main>")?;
        page.put(&banner(frame.rehearsal))?;
        Ok(page)
    }

    /// Writes a piece of markup, on a line of its own.
    pub(super) fn put(&mut self, markup: &Markup) -> io::Result<()> {
        self.out.write_all(markup.0.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Writes tags around content that is too long to hold in memory. They are literals, so nothing from elsewhere can
    /// get here.
    pub(super) fn literal(&mut self, tags: &'static str) -> io::Result<()> {
        self.out.write_all(tags.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Ends the page.
    pub(super) fn close(self, certificate: &Certificate) -> io::Result<()> {
        self.end(&foot(certificate))
    }

    /// Ends a page with this last piece.
    pub(super) fn end(mut self, foot: &Markup) -> io::Result<()> {
        self.put(foot)?;
        self.literal("</main>\n</body>\n</html>")
    }
}

fn head(frame: &Frame<'_>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta name="robots" content="noindex";
            meta name="generator" content=(format!("decom {}", frame.issued_by));
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            title { @if frame.rehearsal { (REHEARSAL) ": " } (frame.title) " " (frame.id) }
            // Not escaped: these are literals, and the id consists of hexadecimal digits.
            style { (PreEscaped(STYLE)) (PreEscaped(frame.style)) (PreEscaped(margins(frame))) }
        }
    }
}

/// The margins of each sheet of paper.
fn margins(Frame { title, id, rehearsal, .. }: &Frame<'_>) -> String {
    let warning = if *rehearsal {
        format!("@page {{ @top-center {{ content: \"{REHEARSAL}\"; }} }}\n")
    } else {
        String::new()
    };
    format!("@page {{ @bottom-left {{ content: \"{title} {id}\"; }} }}\n{warning}")
}

/// The mark of a rehearsal, at the top of the page.
fn banner(rehearsal: bool) -> Markup {
    html! {
        @if rehearsal {
            p.rehearsal role="note" {
                strong { (REHEARSAL) }
                span {
                    "The requests went to an emulator of the API on the same machine. "
                    "This page shows what a real one looks like and certifies nothing."
                }
            }
        }
    }
}

fn masthead(certificate: &Certificate) -> Markup {
    let facts = certificate.facts().run;
    let completeness = facts.completeness();
    html! {
        header.masthead {
            div.title {
                @if let Some(organisation) = &certificate.organisation {
                    p.organisation { bdi { (text(organisation)) } }
                }
                h1 { (facts.title()) }
                dl.identity {
                    div {
                        dt { (if facts.has_deleted() && !facts.rehearsal { "Certificate" } else { "Id" }) }
                        dd { (code(&certificate.id())) }
                    }
                    div { dt { "Run" } dd { (code(&certificate.run.run_id)) } }
                    div { dt { "Issued" } dd { (wording::time(&certificate.issued_at.to_string())) " UTC" } }
                }
            }
            div class=(format!("status {}", class(completeness))) {
                (sign(completeness))
                p { span.label { "Status" } strong { (facts.status()) } }
            }
            p.sentence {
                (unbroken(&facts.headline()))
                @for unusual in certificate.facts().unusual() { " " span.why.alarm { (text(&unusual)) } }
                @if let Some(why) = &certificate.account.why { " " span.why { "Why: " bdi { (text(why)) } } }
            }
        }
    }
}

fn foot(certificate: &Certificate) -> Markup {
    html! {
        footer {
            p {
                (certificate.facts().run.title()) " " (code(&certificate.id())) ", issued "
                (wording::time(&certificate.issued_at.to_string())) " UTC by decom " (text(&certificate.issued_by))
                " from the audit log. The same log, checkpoints, settings and time of issue give the same bytes."
            }
        }
    }
}
