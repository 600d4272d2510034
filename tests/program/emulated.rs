//! The program against the embedded emulator of the API, and what both sides say of it afterwards.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use decom::emulator::{Emulator, EmulatorOptions, Faults};

use crate::support::{Sandbox, TOKEN};

/// How the program ended, and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` to its end.
pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The message that the program ended with; what was logged before is left out.
pub fn message(said: &Said) -> &str {
    let (_, message) = said.stderr.split_once("decom: ").unwrap_or_else(|| panic!("no message: {said:?}"));
    message.trim_end()
}

/// A folder of its own, and an API in which datasources of these names exist.
pub struct Estate {
    pub sandbox: Sandbox,
    pub emulator: Emulator,
    requests: PathBuf,
}

impl Estate {
    /// An API that never errs.
    pub fn of(names: &[&str]) -> Self {
        Self::with(names.iter().map(|name| (*name).to_owned()).collect(), Faults::none())
    }

    /// An API in which this goes wrong.
    pub fn with(names: Vec<String>, faults: Faults) -> Self {
        let (sandbox, elsewhere) = (Sandbox::new(), tempfile::NamedTempFile::new().unwrap());
        let requests = elsewhere.into_temp_path().keep().unwrap();
        let options = EmulatorOptions {
            faults,
            request_log: Some(requests.clone()),
            ..EmulatorOptions::new(TOKEN, names)
        };
        Self { sandbox, emulator: Emulator::start(options).unwrap(), requests }
    }

    /// `decom` with `arguments`, and after them those that lead it to this API at full speed.
    pub fn decom(&self, arguments: &[&str]) -> Command {
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

/// What is in a folder.
pub fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
