//! The verdict on a reply, for each form of reply.

use std::hint::black_box;

use criterion::Criterion;
use decom::api::{Body, BodyEnd, classify};

/// Replies as the API documents them, and one of a proxy.
const REPLIES: [(&str, u16, &str); 4] = [
    (
        "deleted",
        200,
        r#"{"id":"8f14e45f-ceea-467f-a2f2-0d5b1c0a7e11","message":"Datasource deleted successfully"}"#,
    ),
    (
        "in use",
        400,
        r#"{"error":{"code":"DATASOURCE_IN_USE","message":"Datasource is used by datamarts","status":400}}"#,
    ),
    (
        "not found",
        400,
        r#"{"error":{"code":"DATASOURCE_NAME_ERROR","message":"Invalid datasource name","status":400}}"#,
    ),
    ("proxy", 502, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>"),
];

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classify");
    for (name, status, text) in REPLIES {
        let body = Body { bytes: text.into(), end: BodyEnd::Whole };
        group.bench_function(name, |bencher| bencher.iter(|| classify(status, black_box(&body))));
    }
    group.finish();
}
