//! Where a report goes: a file, or standard output.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::CommandError;
use crate::audit::{AuditError, DEFINITIONS};
use crate::domain::{Place, write_whole_file};

/// Keeps the error of reading the log while a report is written: then that is what went wrong, and not the writing.
#[derive(Debug, Default)]
pub(super) struct ReadError(RefCell<Option<AuditError>>);

impl ReadError {
    /// The result of reading, as a writer takes it.
    pub(super) fn keep(&self, read: Result<(), AuditError>) -> io::Result<()> {
        read.map_err(|error| {
            *self.0.borrow_mut() = Some(error);
            io::Error::other("the audit log cannot be read")
        })
    }

    /// The result of reading and writing.
    pub(super) fn or(self, written: Result<(), CommandError>) -> Result<(), CommandError> {
        match self.0.into_inner() {
            Some(error) => Err(error.into()),
            None => written,
        }
    }
}

/// Where the user wants a report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'a> {
    /// The file; standard output if there is none.
    pub(super) path: Option<&'a Path>,
    /// Replace a file that is there and holds something else.
    pub(super) force: bool,
}

/// Writes to the file of `out`, which must not be a part of `log`, or to standard output.
pub(super) fn written(
    out: Destination<'_>,
    log: &Path,
    kind: Place,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    match out.path {
        None => to_stdout(write),
        // What is not a regular file, such as a pipe, is written to as it is.
        Some(path) if !out.force && (path.is_file() || !path.exists()) => to_new_file(path, log, write),
        Some(path) => to_file(path, log, kind, write),
    }
}

/// Writes the file at `path`, which must not be a part of `log`: it would be lost.
pub(super) fn to_file(
    path: &Path,
    log: &Path,
    kind: Place,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    refuse_log(path, log)?;
    let failed = |source| CommandError::Output { path: path.to_owned(), source };
    write_whole_file(path, kind, None, write).map_err(failed)
}

/// Writes the file at `path`. If there is one, it must hold the same: nothing is overwritten without being asked for.
pub(super) fn to_new_file(
    path: &Path,
    log: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CommandError> {
    refuse_log(path, log)?;
    let failed = |source| CommandError::Output { path: path.to_owned(), source };
    // Neither a folder nor a pipe holds the same.
    if fs::symlink_metadata(path).is_ok() {
        let there =
            if path.is_file() { Some(BufReader::new(File::open(path).map_err(failed)?)) } else { None };
        let mut comparison = Comparison { there };
        write(&mut comparison).map_err(failed)?;
        return if comparison.finish().map_err(failed)? {
            Ok(())
        } else {
            Err(CommandError::Usage(format!(
                "{}: there is a file here already that holds something else; name another with --out, or replace it with --force",
                path.display()
            )))
        };
    }
    write_whole_file(path, Place::New, None, write).map_err(failed)
}

/// Refuses a file that is a part of the log, or would be one, or lies among the definitions beside it: it would be lost.
pub(super) fn refuse_log(path: &Path, log: &Path) -> Result<(), CommandError> {
    // Where there is no file yet, its folder and its name.
    let place = |path: &Path| {
        if let Ok(found) = fs::metadata(path) {
            return Some((found.dev(), found.ino(), None));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let found = fs::metadata(folder).ok()?;
        Some((found.dev(), found.ino(), path.file_name().map(OsStr::to_owned)))
    };
    let part = |suffix| {
        let mut part = log.as_os_str().to_owned();
        part.push(suffix);
        PathBuf::from(part)
    };
    let definitions = fs::metadata(part(DEFINITIONS)).ok().map(|found| (found.dev(), found.ino()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::metadata(folder).ok().map(|found| (found.dev(), found.ino()));
    if definitions.is_some() && folder == definitions {
        let path = path.display();
        return Err(CommandError::Usage(format!(
            "{path}: this folder holds the definitions of deleted datamarts; name another"
        )));
    }
    let there = place(path);
    if there.is_some() && ["", "-wal", "-shm", ".lock"].into_iter().any(|it| place(&part(it)) == there) {
        let path = path.display();
        return Err(CommandError::Usage(format!("{path}: this is the audit log; name another file")));
    }
    Ok(())
}

/// Compares what would be written with a file, until they differ.
struct Comparison {
    there: Option<BufReader<File>>,
}

impl Comparison {
    /// Returns true if all that was written is all that the file holds.
    fn finish(self) -> io::Result<bool> {
        self.there.map_or(Ok(false), |mut there| Ok(there.fill_buf()?.is_empty()))
    }
}

impl Write for Comparison {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(there) = &mut self.there {
            let mut found = Vec::with_capacity(bytes.len());
            there.take(bytes.len() as u64).read_to_end(&mut found)?;
            if found != bytes {
                self.there = None;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output for what a command shows beside its work. If a reader, such as `head`, closes its end, the rest is
/// dropped, and the command does its work and ends as it would otherwise.
pub(super) fn stdout() -> impl Write {
    Stdout { out: io::stdout().lock(), is_closed: false }
}

struct Stdout {
    out: io::StdoutLock<'static>,
    is_closed: bool,
}

impl Stdout {
    fn unless_closed<T>(
        &mut self,
        otherwise: T,
        write: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.is_closed {
            return Ok(otherwise);
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(otherwise)
            }
            other => other,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), Write::flush)
    }
}

/// Writes to standard output. A reader that closes its end, such as `head`, is not an error.
pub(super) fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CommandError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
