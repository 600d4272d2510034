//! Datasources with the datamarts that read them, as the server has them, and a run over them in the log.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use decom::audit::{AuditLog, LogOptions, RunOpening};
use decom::domain::{
    Clock, CustomerRequest, DatasourceName, NewTarget, SessionFacts, SystemClock, TargetRole,
};
use sha2::{Digest, Sha256};

use super::account;

/// A datamart: its name, and the SHA-256 of its entry in the listing.
type Datamart = (String, String);

/// The names of all targets of the groups of these datasources, as [`account`] writes them, and the groups.
pub struct Groups {
    datasources: Vec<String>,
    datamarts: BTreeMap<String, Vec<Datamart>>,
}

impl Groups {
    /// Those of the server.
    pub fn of(base_url: &str, token: &str, datasources: &[String]) -> Self {
        let mut datamarts: BTreeMap<String, Vec<Datamart>> = BTreeMap::new();
        for entry in account::entries(base_url, token, "/api/v2/data-app/datamarts") {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let digest = Sha256::digest(entry.to_string());
            let sha256 = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            let (name, reads) = (text(&entry["name"]), text(&entry["companyIntegration"]["name"]));
            datamarts.entry(reads).or_default().push((name, sha256));
        }
        Self { datasources: datasources.to_vec(), datamarts }
    }

    /// The names of all targets.
    pub fn names(&self) -> Vec<String> {
        let datamarts = self.datamarts.values().flatten().map(|(name, _)| account::of_datamart(name));
        self.datasources.iter().cloned().chain(datamarts).collect()
    }

    /// Puts a run over them into a new log, as decom records one.
    pub fn record(&self, log: &Path, base_url: &str) {
        let target = |name: &str, role| {
            let name = DatasourceName::new(name).unwrap();
            Ok(NewTarget {
                name,
                role,
                reason: None,
                ticket: None,
                request: CustomerRequest::default(),
                skip: None,
            })
        };
        let targets: Vec<_> = self
            .datasources
            .iter()
            .flat_map(|datasource| {
                let own = self.datamarts.get(datasource).map_or(&[][..], Vec::as_slice);
                let datamarts = own.iter().map(|(name, sha256)| {
                    let (of, definition_sha256) = (datasource.clone(), sha256.clone());
                    target(name, TargetRole::Dependant { of, definition_sha256 })
                });
                let itself = target(datasource, TargetRole::Group { datamarts: own.len() as u64 });
                datamarts.chain([itself]).collect::<Vec<_>>()
            })
            .collect();
        let at = SystemClock.timestamp();
        let options = LogOptions {
            holder: "process of a test".to_owned(),
            new_log_id: "0123456789abcdef".to_owned(),
            tool_version: "0".to_owned(),
            at,
            clock_tolerance: Duration::from_mins(1),
            checkpoints: None,
        };
        let opening = RunOpening {
            run_id: "groups".to_owned(),
            at,
            input: "names.csv".to_owned(),
            input_sha256: None,
            targets_sha256: None,
            operator: "a test".to_owned(),
            reason: None,
            ticket: None,
            base_url: base_url.to_owned(),
            token_fingerprint: String::new(),
            tool_version: "0".to_owned(),
            host: String::new(),
            settings: serde_json::json!({ "with_datamarts": true }),
            session: SessionFacts::default(),
        };
        let made = log.with_extension("made");
        let open = AuditLog::open(&made, &options).unwrap();
        let recorder = open.recorder();
        let begun = recorder.begin_run(opening, Box::new(targets.into_iter()));
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(begun).unwrap();
        drop(recorder);
        open.close();
        // A copy: a process that the other test starts may hold the lock of the first one for a moment, as it was forked.
        std::fs::copy(made, log).unwrap();
    }
}
