//! The definitions of datamarts, kept in a file beside the log before anything is sent: one a line, each the complete
//! entry of the listing, so that a datamart can be created again.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::audit::AuditError;
use crate::audit::record::{beside, real_path};
use crate::domain::{KeptDefinitions, Place, hex, write_whole_file};

/// What the name of the folder beside the log ends with.
pub const DEFINITIONS: &str = ".definitions";

/// Only the owner may read what customers called their tables.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Every entry is a JSON object.
const ENTRY: Place = Place::Kind(&["{"]);

/// The file of the definitions of one run.
#[derive(Debug)]
pub struct Definitions {
    folder: PathBuf,
    path: PathBuf,
}

impl Definitions {
    /// Those of the run `run_id` of the log at `log`.
    ///
    /// # Errors
    /// If the folder of the log cannot be read.
    pub fn of_run(log: &Path, run_id: &str) -> Result<Self, AuditError> {
        let folder = beside(&real_path(log)?, DEFINITIONS);
        let path = folder.join(format!("{run_id}.jsonl"));
        Ok(Self { folder, path })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `entries`, each once, and returns once they are durable: only then may a datamart be deleted.
    ///
    /// # Errors
    /// If they cannot be written: nothing may be sent then.
    pub fn keep(&self, entries: &[String]) -> Result<KeptDefinitions, AuditError> {
        self.make_folder().map_err(|source| self.failed("keep", source))?;
        let entries: Vec<_> = entries.iter().map(String::as_bytes).collect();
        self.write(Place::New, &entries).map_err(|source| self.failed("keep", source))
    }

    /// Writes `entries` after those that are there.
    ///
    /// # Errors
    /// If they cannot be written, or those that are there cannot be read.
    pub fn add(&self, entries: &[String]) -> Result<KeptDefinitions, AuditError> {
        let there = self.bytes()?.unwrap_or_default();
        let there = there.strip_suffix(b"\n").unwrap_or(&there);
        let there = there.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let all: Vec<_> = there.chain(entries.iter().map(String::as_bytes)).collect();
        self.make_folder().map_err(|source| self.failed("keep", source))?;
        self.write(ENTRY, &all).map_err(|source| self.failed("keep", source))
    }

    /// The SHA-256 of each entry that is there; `None` if there is no file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn digests(&self) -> Result<Option<HashSet<String>>, AuditError> {
        let lines = |bytes: Vec<u8>| {
            bytes.split(|byte| *byte == b'\n').map(|line| hex(Sha256::digest(line))).collect()
        };
        Ok(self.bytes()?.map(lines))
    }

    fn bytes(&self) -> Result<Option<Vec<u8>>, AuditError> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("read", source)),
        }
    }

    fn make_folder(&self) -> io::Result<()> {
        match DirBuilder::new().mode(FOLDER_MODE).create(&self.folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => other?,
        }
        // Whatever the umask and whoever made it.
        fs::set_permissions(&self.folder, Permissions::from_mode(FOLDER_MODE))?;
        File::open(self.folder.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    fn write(&self, place: Place, entries: &[&[u8]]) -> io::Result<KeptDefinitions> {
        let mut digest = Sha256::new();
        write_whole_file(&self.path, place, Some(FILE_MODE), |out| {
            for entry in entries {
                for part in [entry, &b"\n"[..]] {
                    digest.update(part);
                    out.write_all(part)?;
                }
            }
            Ok(())
        })?;
        let names = [self.folder.file_name(), self.path.file_name()];
        let [folder, file] = names.map(|name| name.unwrap_or_default().to_string_lossy());
        let (sha256, entries) = (hex(digest.finalize()), entries.len() as u64);
        Ok(KeptDefinitions { file: format!("{folder}/{file}"), sha256, entries, lost: 0 })
    }

    fn failed(&self, action: &'static str, source: io::Error) -> AuditError {
        AuditError::Definitions { path: self.path.clone(), action, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kept_for_the_owner_alone_and_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.db");
        let definitions = Definitions::of_run(&log, "one").unwrap();
        assert_eq!(definitions.digests().unwrap(), None);
        let entry = |name: &str| format!("{{\"name\":\"{name}\"}}");
        let kept = definitions.keep(&[entry("a"), entry("b")]).unwrap();
        assert_eq!((kept.file.as_str(), kept.entries), ("audit.db.definitions/one.jsonl", 2));
        assert!(definitions.keep(&[entry("c")]).is_err(), "it is never overwritten");
        let added = definitions.add(&[entry("c")]).unwrap();
        let path = folder.path().join(&added.file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n{}\n{}\n", entry("a"), entry("b"), entry("c")));
        assert_eq!((added.entries, added.sha256), (3, hex(Sha256::digest(&text))));
        let found = definitions.digests().unwrap().unwrap();
        assert!(found.contains(&hex(Sha256::digest(entry("b")))));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        fs::remove_file(&path).unwrap();
        assert_eq!(definitions.add(&[entry("d")]).unwrap().entries, 1, "what was lost is written again");
    }
}
