//! Values with which the tests of several modules here begin.

use std::path::Path;
use std::time::Duration;

use super::{AuditLog, LogOptions, RunOpening};
use crate::domain::{CustomerRequest, DatasourceName, NewTarget, SessionFacts, TargetRole, Timestamp};

/// The time of every record.
pub(super) const AT: Timestamp = Timestamp::from_micros(1_764_000_000_000_000);

pub(super) fn open(path: &Path) -> AuditLog {
    let options = LogOptions {
        holder: "process of a test".to_owned(),
        new_log_id: "0123456789abcdef".to_owned(),
        tool_version: "0".to_owned(),
        at: AT,
        clock_tolerance: Duration::from_mins(1),
        checkpoints: None,
    };
    AuditLog::open(path, &options).unwrap()
}

pub(super) fn opening(run_id: &str) -> RunOpening {
    RunOpening {
        run_id: run_id.to_owned(),
        at: AT,
        input: "names.csv".to_owned(),
        input_sha256: None,
        targets_sha256: None,
        operator: "a test".to_owned(),
        reason: None,
        ticket: None,
        base_url: "http://127.0.0.1".to_owned(),
        token_fingerprint: String::new(),
        tool_version: "0".to_owned(),
        host: String::new(),
        session: SessionFacts::default(),
        settings: serde_json::Value::Null,
    }
}

pub(super) fn target(name: &str) -> NewTarget {
    NewTarget {
        name: DatasourceName::new(name).unwrap(),
        role: TargetRole::Datasource,
        reason: None,
        ticket: None,
        request: CustomerRequest::default(),
        skip: None,
    }
}
