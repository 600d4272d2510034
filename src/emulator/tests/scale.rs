//! Many names: that time and memory stay sane.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::{Lab, TOKEN, numbered, strings};
use crate::emulator::estate::{Catalog, Estate, PAGE, Standing};
use crate::emulator::lots::Lots;
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
    let estate = Estate::new(numbered(MANY), &Faults::rehearsal(), Lots::new(0));
    let text: usize = numbered(MANY).map(|name| name.len()).sum();
    let beyond = (estate.heap_bytes() - text) / MANY;
    assert!(beyond <= 20, "{beyond} bytes for each name");
}

#[test]
fn every_page_is_right_while_datasources_go() {
    // Enough for several blocks of the count, with gaps across their borders.
    let names: Vec<_> = numbered(10_000).collect();
    let mut estate = Estate::new(names.clone().into_iter(), &Faults::none(), Lots::new(0));
    let mut left = Vec::new();
    for (nth, name) in names.iter().enumerate() {
        if nth % 3 == 0 || (4_000..4_200).contains(&nth) {
            let Standing::Free(at) = estate.standing(name) else { panic!("{name}") };
            estate.delete(at);
            assert_eq!(estate.standing(name), Standing::Absent);
        } else {
            left.push(name);
        }
    }
    for (nth, expected) in left.chunks(PAGE).enumerate() {
        let mut json = b"[".to_vec();
        let begin = estate.page_begin(Catalog::Datasources, nth + 1).unwrap();
        estate.list(Catalog::Datasources, begin, &mut false, &mut json, |entries, _| entries < PAGE);
        json.push(b']');
        let page = strings(&serde_json::from_slice(&json).unwrap(), |entry| &entry["name"]);
        assert!(page.iter().eq(expected.iter().copied()), "page {}", nth + 1);
    }
    assert_eq!(estate.page_begin(Catalog::Datasources, left.len().div_ceil(PAGE) + 1), None);
    assert_eq!(estate.page_begin(Catalog::Datasources, 0), None);
}
