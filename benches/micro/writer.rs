//! The audit log's writer: a real file on the disk of the build folder, each commit durable.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use decom::audit::{AuditLog, LogOptions, Recorder, RunOpening};
use decom::domain::{
    Answer, AttemptEnd, CustomerRequest, DatasourceName, Evidence, NewTarget, Next, Outcome, Seq,
    SessionFacts, Target, TargetRole, Timestamp, Verdict,
};
use tokio::runtime::{Builder, Runtime};

/// A folder on a real disk: temporary files may be in memory, where a commit costs nothing.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

pub fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(FOLDER).unwrap();
    let mut group = criterion.benchmark_group("audit writer");
    for batch in [1_i64, 16, 64, 256] {
        let log = open(&folder.path().join(format!("{batch}.db")));
        let recorder = log.recorder();
        let runtime = Builder::new_current_thread().build().unwrap();
        let run = begin(&recorder, &runtime);
        let mut targets = 0;
        group.throughput(Throughput::Elements(batch.unsigned_abs()));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            bencher.iter(|| {
                // A target can have only one outcome.
                targets += batch;
                hand_over(&recorder, &runtime, run, targets - batch..targets);
            });
        });
        drop(recorder);
        log.close();
    }
    group.finish();
}

/// Hands over an answer for each of `targets` at once and waits until all are durable: one commit or, if the writer was
/// quicker to take the first, two.
fn hand_over(recorder: &Recorder, runtime: &Runtime, run: Seq, targets: Range<i64>) {
    targets.for_each(|target| recorder.attempt_ended(run, answer(Seq(run.0 + 1 + target))));
    runtime.block_on(recorder.flush()).unwrap();
}

fn answer(target: Seq) -> AttemptEnd {
    AttemptEnd {
        target: Target {
            seq: target,
            number: 1,
            name: DatasourceName::new("tenant-000001-postgres").unwrap(),
            role: TargetRole::Datasource,
            attempts: 0,
            doubted: false,
            redelivered: false,
        },
        number: 1,
        at: AT,
        latency: Duration::from_micros(1_500),
        answer: Answer {
            verdict: Verdict::Deleted,
            http_status: Some(200),
            error_code: None,
            message: Some("Datasource deleted successfully".to_owned()),
            datasource_id: Some("8f14e45f-ceea-467f-a2f2-0d5b1c0a7e11".to_owned()),
        },
        next: Next::Settled(Outcome::Deleted, Evidence::Acknowledged),
        dependants: None,
    }
}

const AT: Timestamp = Timestamp::from_micros(1_764_000_000_000_000);

fn open(path: &Path) -> AuditLog {
    let options = LogOptions {
        holder: "process of a benchmark".to_owned(),
        new_log_id: "0123456789abcdef".to_owned(),
        tool_version: "0".to_owned(),
        at: AT,
        clock_tolerance: Duration::from_mins(1),
        checkpoints: None,
    };
    AuditLog::open(path, &options).unwrap()
}

fn begin(recorder: &Recorder, runtime: &Runtime) -> Seq {
    let opening = RunOpening {
        run_id: "20251124T160000Z-0badcafe".to_owned(),
        at: AT,
        input: "names.csv".to_owned(),
        input_sha256: None,
        targets_sha256: None,
        operator: "a benchmark".to_owned(),
        reason: None,
        ticket: None,
        base_url: "http://127.0.0.1".to_owned(),
        token_fingerprint: String::new(),
        tool_version: "0".to_owned(),
        host: String::new(),
        session: SessionFacts::default(),
        settings: serde_json::Value::Null,
    };
    let name = DatasourceName::new("tenant-000001-postgres").unwrap();
    let target = NewTarget {
        name,
        role: TargetRole::Datasource,
        reason: None,
        ticket: None,
        request: CustomerRequest::default(),
        skip: None,
    };
    runtime.block_on(recorder.begin_run(opening, Box::new(std::iter::once(Ok(target))))).unwrap()
}
