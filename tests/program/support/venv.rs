//! Programs of other people, from a virtual environment with what `tests/requirements.txt` names.

use std::path::{Path, PathBuf};

use super::skipped;

/// The program `name`. `None`, said where nobody can miss it, where this machine has no such folder.
pub fn program(name: &str, test: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("TEST_VENV") else {
        skipped(test, "TEST_VENV names no virtual environment with tests/requirements.txt installed");
        return None;
    };
    let program = Path::new(&folder).join("bin").join(name);
    // Who names a folder wants it used.
    assert!(program.exists(), "TEST_VENV has no {}", program.display());
    Some(program)
}
