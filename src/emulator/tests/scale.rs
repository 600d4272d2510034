//! Time and memory stay small with many names.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::{Lab, TOKEN, numbered, strings};
use crate::emulator::chance::Chance;
use crate::emulator::inventory::{Inventory, Listing, NameState, PAGE};
use crate::emulator::{EmulatorOptions, Faults};

const MANY: usize = 100_000;

#[tokio::test]
async fn a_hundred_thousand_names_are_listed_paged_and_deleted() {
    let begun = Instant::now();
    let lab = Lab::new(EmulatorOptions::new(TOKEN, numbered(MANY)));
    let all: Vec<_> = numbered(MANY).collect();
    assert_eq!(lab.listed().await, all);
    let reply = lab.get("/api/v2/datasource?isPagination=true&pageNumber=9999").await;
    assert_eq!(strings(&reply.json()["data"], |entry| &entry["name"]), all[99_980..99_990]);
    for name in all.iter().step_by(100) {
        assert_eq!(lab.delete(name).await.status, StatusCode::OK);
    }
    assert_eq!(lab.listed().await.len(), MANY - MANY / 100);
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[test]
fn a_name_costs_little_more_than_its_text() {
    let inventory = Inventory::new(numbered(MANY), 0, &Faults::rehearsal(), Chance { seed: 0 });
    let text: usize = numbered(MANY).map(|name| name.len()).sum();
    let beyond = (inventory.heap_bytes() - text) / MANY;
    assert!(beyond <= 20, "{beyond} bytes for each name");
}

#[test]
fn every_page_is_right_while_datasources_go() {
    // Enough for several blocks of the count, with gaps across their borders.
    let names: Vec<_> = numbered(10_000).collect();
    let mut inventory = Inventory::new(names.clone().into_iter(), 0, &Faults::none(), Chance { seed: 0 });
    let mut left = Vec::new();
    for (nth, name) in names.iter().enumerate() {
        if nth % 3 == 0 || (4_000..4_200).contains(&nth) {
            let NameState::Free(at) = inventory.state(name) else { panic!("{name}") };
            inventory.delete(at);
            assert_eq!(inventory.state(name), NameState::Absent);
        } else {
            left.push(name);
        }
    }
    for (nth, expected) in left.chunks(PAGE).enumerate() {
        let mut json = b"[".to_vec();
        let begin = inventory.position(Listing::Datasources, nth * PAGE).unwrap();
        inventory.list(Listing::Datasources, begin, &mut false, &mut json, |entries, _| entries < PAGE);
        json.push(b']');
        let page = strings(&serde_json::from_slice(&json).unwrap(), |entry| &entry["name"]);
        assert!(page.iter().eq(expected.iter().copied()), "page {}", nth + 1);
    }
    assert_eq!(inventory.position(Listing::Datasources, left.len()), None);
}
