//! Names from a CSV: read, checked, hashed.

use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use decom::input::{CsvOptions, CsvReader};

const ROWS: u64 = 10_000;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("CSV intake");
    group.throughput(Throughput::Elements(ROWS));
    let mut names = "datasource_name\n".to_owned();
    let mut whole = "datasource_name,reason,ticket\n".to_owned();
    for number in 0..ROWS {
        writeln!(names, "tenant-{number:06}-postgres").unwrap();
        writeln!(whole, "\"tenant-{number:06}, postgres\",offboarded,OPS-{number}").unwrap();
    }
    for (name, text) in [("names alone", names), ("quoted, with reason and ticket", whole)] {
        let bytes: Arc<[u8]> = text.into_bytes().into();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let input = Cursor::new(Arc::clone(&bytes));
                let reader = CsvReader::from_reader(input, "input".to_owned(), &CsvOptions::default());
                let rows = reader.unwrap().map(Result::unwrap).count();
                assert_eq!(rows as u64, ROWS);
            });
        });
    }
    group.finish();
}
