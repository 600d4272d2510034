//! What the documents for contributors say is so: modules, files and links.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn file(name: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The texts between backticks.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split("\n```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn the_architecture_gives_every_module_a_place() {
    let (map, page) = (file("src/lib.rs"), file("ARCHITECTURE.md"));
    let table = page.split_once("\n## What may import what\n").unwrap().1.split("\n## ").next().unwrap();
    let first_cells: String = table.lines().filter_map(|line| line.split('|').nth(1)).collect();
    let modules: Vec<_> = map.lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    assert!(modules.len() > 10, "{modules:?}");
    for module in modules.iter().map(|module| module.trim_end_matches(';')) {
        assert!(quoted(&first_cells).contains(module), "the table has no row for `{module}`");
        assert!(map.contains(&format!("[`{module}`]")), "the map in lib.rs does not have `{module}`");
    }
}

#[test]
fn files_that_contributors_are_sent_to_exist() {
    for document in DOCUMENTS {
        let text = file(document);
        let is_path = |word: &&str| {
            let named = word.contains('/') && word.contains('.') && !word.contains([' ', '$', '*', '<']);
            (named && !word.starts_with("--")) || Path::new(word).extension().is_some_and(|it| it == "md")
        };
        for word in quoted(&text).into_iter().filter(is_path) {
            let exists = ["", "src"].iter().any(|folder| root().join(folder).join(word).exists());
            assert!(exists, "{document}: {word}");
        }
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.starts_with("https://")) {
            assert!(root().join(link).exists(), "{document}: {link}");
        }
    }
}

#[test]
fn commands_that_contributors_are_given_exist() {
    let (text, recipes) = (file("CONTRIBUTING.md"), file("justfile"));
    let named: Vec<_> = quoted(&text).into_iter().filter_map(|word| word.strip_prefix("just ")).collect();
    assert!(named.len() > 4, "{named:?}");
    for command in named {
        let recipe = command.split(' ').next().unwrap();
        assert!(recipes.lines().any(|line| line.split([' ', ':']).next() == Some(recipe)), "just {recipe}");
    }
}
