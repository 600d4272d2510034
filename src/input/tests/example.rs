//! The example that the project ships is read, and is as awkward as it means to be.

use std::collections::HashSet;
use std::path::Path;

use super::super::{CsvReader, Input};
use super::with_header;

#[test]
fn reads_the_example_that_the_project_ships() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/examples/offboarding.csv");
    let mut reader = CsvReader::open(&Input::File(path), &with_header()).unwrap();
    let rows = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(reader.finish().unwrap().rows, 1200);

    let names = rows.iter().map(|row| row.name.as_str()).collect::<HashSet<_>>();
    assert_eq!(names.len(), 1194, "six rows repeat an earlier name");
    for awkward in ["Café Luma – orders", "Cafe\u{301} Luma – orders", "100% Organic", " Initrode legacy"]
    {
        assert!(names.contains(awkward), "{awkward:?}");
    }
    assert!(rows.iter().all(|row| row.reason.is_some() && row.ticket.is_some()));
    assert_eq!(rows.iter().filter(|row| row.name.has_outer_space()).count(), 1);
}
