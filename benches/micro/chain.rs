//! The canonical form of a record and the hash over it.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use decom::audit::chain_hash;
use rusqlite::types::ValueRef;

/// How many columns go into the hash.
const COLUMNS: usize = 19;

/// Returns a record of the first attempt for a target, with `more` columns by their places.
fn record(kind: &'static [u8], more: &[(usize, ValueRef<'static>)]) -> [ValueRef<'static>; COLUMNS] {
    let mut columns = [ValueRef::Null; COLUMNS];
    columns[0] = ValueRef::Integer(1_000_000);
    columns[1] = ValueRef::Text(kind);
    columns[2] = ValueRef::Integer(1_764_000_000_000_000);
    columns[3] = ValueRef::Integer(2);
    columns[4] = ValueRef::Integer(500_000);
    columns[5] = ValueRef::Integer(1);
    for (place, column) in more {
        columns[*place] = *column;
    }
    columns
}

pub fn bench(criterion: &mut Criterion) {
    let send = record(b"send", &[(12, ValueRef::Integer(0))]);
    let answer = record(
        b"answer",
        &[
            (7, ValueRef::Text(b"deleted")),
            (8, ValueRef::Integer(200)),
            (10, ValueRef::Text(b"Datasource deleted successfully")),
            (11, ValueRef::Integer(1_500)),
            (13, ValueRef::Text(b"8f14e45f-ceea-467f-a2f2-0d5b1c0a7e11")),
            (14, ValueRef::Text(b"deleted")),
            (15, ValueRef::Text(b"acknowledged")),
        ],
    );
    let mut group = criterion.benchmark_group("canonical form and hash");
    group.throughput(Throughput::Elements(1));
    for (name, columns) in [("send", &send), ("answer", &answer)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| chain_hash(black_box(&[7; 32]), black_box(columns)));
        });
    }
    group.finish();
}
