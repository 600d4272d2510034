//! An HTML page, read strictly: every tag closed, every attribute in quotes, nothing left unescaped.

use std::collections::{BTreeMap, BTreeSet};

/// Elements that have no end.
const VOID: &[&str] = &["meta", "link", "br", "hr", "img", "input"];

/// Elements after which a new line begins where the page is read as text.
const LINES: &[&str] = &[
    "title",
    "h1",
    "h2",
    "h3",
    "p",
    "tr",
    "caption",
    "figcaption",
    "li",
    "pre",
    "dd",
    "footer",
    "svg",
    "text",
    "desc",
    "main",
];

/// In place of text, where an element begins and where it ends.
const BEGIN: &str = "\u{1}";
const END: &str = "\u{2}";

/// A tag with its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
}

/// A page.
pub struct Page {
    pub source: String,
    pub tags: Vec<Tag>,
    /// What is between the tags, but for the style sheet, with the element that it is in.
    pieces: Vec<(usize, String)>,
}

impl Page {
    /// Reads a page.
    #[track_caller]
    pub fn of(source: &str) -> Self {
        let mut rest = source.strip_prefix("<!DOCTYPE html>\n").expect("a document of HTML");
        let (mut tags, mut pieces, mut open): (Vec<Tag>, Vec<_>, Vec<usize>) = (vec![], vec![], vec![]);
        while let Some(at) = rest.find('<') {
            let (text, tag) = rest.split_at(at);
            let within = open.last().copied();
            let style = within.is_some_and(|index| tags[index].name == "style");
            if let (Some(index), false) = (within, style) {
                pieces.push((index, unescaped(text)));
            }
            let end = tag.find('>').expect("a tag ends");
            let inside = &tag[1..end];
            rest = &tag[end + 1..];
            if let Some(name) = inside.strip_prefix('/') {
                let index = open.pop().unwrap_or_else(|| panic!("</{name}> ends nothing"));
                assert_eq!(tags[index].name, name, "what was begun last is ended first");
                pieces.push((index, END.to_owned()));
                continue;
            }
            let tag = parsed(inside);
            if !VOID.contains(&tag.name.as_str()) {
                open.push(tags.len());
                pieces.push((tags.len(), BEGIN.to_owned()));
            }
            tags.push(tag);
        }
        assert_eq!(rest.trim(), "", "nothing comes after the end");
        assert!(open.is_empty(), "everything is ended");
        Self { source: source.to_owned(), tags, pieces }
    }

    /// The page as lines of text, from the one that is `from` to before the one that is `to`; cells are
    /// apart by ` | `.
    pub fn lines(&self, from: &str, to: &str) -> Vec<String> {
        let mut text = String::new();
        for (index, piece) in &self.pieces {
            let name = self.tags[*index].name.as_str();
            match piece.as_str() {
                END if LINES.contains(&name) => text.push('\n'),
                END if ["td", "th"].contains(&name) => text.push_str(" | "),
                END if name == "dt" => text.push_str(": "),
                BEGIN if name == "small" => text.push_str(" ("),
                END if name == "small" => text.push(')'),
                BEGIN | END => {}
                piece if name == "pre" => text.push_str(piece),
                piece => text.push_str(&piece.replace('\n', " ")),
            }
        }
        let lines = text.lines().map(|line| line.trim().trim_end_matches(" |").to_owned());
        let lines = lines.filter(|line| !line.is_empty()).skip_while(|line| !from.is_empty() && line != from);
        lines.take_while(|line| to.is_empty() || line != to).collect()
    }

    /// Everything that is said, without tags.
    pub fn text(&self) -> String {
        self.lines("", "").join("\n")
    }

    /// The tags of this name.
    pub fn all(&self, name: &str) -> Vec<&Tag> {
        self.tags.iter().filter(|tag| tag.name == name).collect()
    }

    /// The ids that are given; each once.
    pub fn ids(&self) -> BTreeSet<&str> {
        let mut ids = BTreeSet::new();
        for id in self.tags.iter().filter_map(|tag| tag.attributes.get("id")) {
            assert!(ids.insert(id.as_str()), "{id} is given twice");
        }
        ids
    }
}

fn parsed(inside: &str) -> Tag {
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "<{inside}>");
    let mut attributes = BTreeMap::new();
    while !rest.trim().is_empty() {
        let (attribute, after) = rest.trim_start().split_once("=\"").unwrap_or_else(|| panic!("<{inside}>"));
        let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("<{inside}>"));
        assert!(attribute.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "<{inside}>");
        let twice = attributes.insert(attribute.to_owned(), unescaped(value));
        assert_eq!(twice, None, "<{inside}>");
        rest = after;
    }
    Tag { name: name.to_owned(), attributes }
}

fn unescaped(text: &str) -> String {
    let mut shown = String::new();
    let mut pieces = text.split('&');
    shown.push_str(pieces.next().unwrap());
    for piece in pieces {
        let (entity, rest) = piece.split_once(';').unwrap_or_else(|| panic!("a bare & in {text:?}"));
        shown.push_str(match entity {
            "lt" => "<",
            "gt" => ">",
            "amp" => "&",
            "quot" => "\"",
            other => panic!("&{other};"),
        });
        shown.push_str(rest);
    }
    assert!(!text.contains('>'), "a bare > in {text:?}");
    shown
}
