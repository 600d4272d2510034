//! The program against the embedded emulator of the API, and what both sides report afterwards.

use std::path::PathBuf;

use decom::emulator::{Emulator, EmulatorOptions, Faults};

use super::process::Decom;
use super::{Sandbox, TOKEN};

/// A sandbox, and an API in which datasources of these names exist.
pub struct Estate {
    pub sandbox: Sandbox,
    pub emulator: Emulator,
    requests: PathBuf,
}

impl Estate {
    /// An API without faults.
    pub fn of(names: &[&str]) -> Self {
        Self::with(names.iter().map(|name| (*name).to_owned()).collect(), Faults::none())
    }

    /// An API with these faults.
    pub fn with(names: Vec<String>, faults: Faults) -> Self {
        Self::of_options(EmulatorOptions { faults, ..EmulatorOptions::new(TOKEN, names) })
    }

    /// An API in which a workspace uses the first of these, so that a canary with it ends early.
    pub fn with_first_in_use(names: &[&str]) -> Self {
        let in_workspaces = names.iter().take(1).map(|name| (*name).to_owned()).collect();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Self::of_options(EmulatorOptions { in_workspaces, ..EmulatorOptions::new(TOKEN, names) })
    }

    pub fn of_options(options: EmulatorOptions) -> Self {
        let (sandbox, elsewhere) = (Sandbox::new(), tempfile::NamedTempFile::new().unwrap());
        let requests = elsewhere.into_temp_path().keep().unwrap();
        let options = EmulatorOptions { request_log: Some(requests.clone()), ..options };
        Self { sandbox, emulator: Emulator::start(options).unwrap(), requests }
    }

    /// `decom` with `arguments`, and after them those that lead it to this API without a rate limit.
    pub fn decom(&self, arguments: &[&str]) -> Decom {
        let mut command = self.sandbox.decom(arguments);
        command.args(["--base-url", self.emulator.base_url(), "--rate", "unlimited"]);
        command
    }

    /// The names for which a DELETE arrived, in order, and whether it deleted.
    pub fn deletes(&self) -> Vec<(String, bool)> {
        let log = std::fs::read_to_string(&self.requests).unwrap();
        let entries = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        entries.map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry["did"] == "deleted")).collect()
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.requests);
    }
}
