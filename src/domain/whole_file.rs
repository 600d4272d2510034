//! Writes a file so that, whatever interrupts it, there is the old file or the whole new one.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, access};

/// What may already be at the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing: a file that is there is an error.
    New,
    /// A file of the same kind, which begins with one of these texts, or an empty one: it is replaced, and its
    /// permissions stay. In the texts `0` stands for any digit. Every other file is an error.
    Kind(&'static [&'static str]),
}

/// SQLite takes a file whose name ends so for a part of the database beside it.
const PARTS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The end of the name of a lock of decom's, which may be empty.
const LOCK: &str = ".lock";

/// Checks that a file may be written at `path`: no output replaces what decom did not write as one of its kind, or
/// becomes a part of a database.
///
/// # Errors
/// If it may not, or if what is there cannot be read.
pub fn check_place(path: &Path, place: Place) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if PARTS.iter().any(|part| name.ends_with(part)) {
        return Err(io::Error::other(
            "SQLite would take a file of this name for a part of a database; choose another name",
        ));
    }
    let Place::Kind(beginnings) = place else { return Ok(()) };
    let Ok(mut there) = File::open(path) else {
        // Without the right to read it nothing shows of what kind it is.
        return if fs::metadata(path).is_ok_and(|there| there.is_file()) { Err(taken()) } else { Ok(()) };
    };
    if !there.metadata()?.is_file() {
        return Ok(());
    }
    let longest = beginnings.iter().map(|beginning| beginning.len()).max().unwrap_or(0);
    let mut found = Vec::with_capacity(longest);
    Read::by_ref(&mut there).take(longest as u64).read_to_end(&mut found)?;
    let is_like = |beginning: &&str| {
        let alike = |(there, own): (&u8, u8)| *there == own || (own == b'0' && there.is_ascii_digit());
        found.len() >= beginning.len() && found.iter().zip(beginning.bytes()).all(alike)
    };
    let is_own = if found.is_empty() { !name.ends_with(LOCK) } else { beginnings.iter().any(is_like) };
    if is_own { Ok(()) } else { Err(taken()) }
}

/// Checks, and changes nothing, that [`write_whole_file`] could write a file at `path`.
///
/// # Errors
/// If it could not.
pub fn check_writable(path: &Path, place: Place) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            if there.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            return Ok(access(path, Access::WRITE_OK)?);
        }
        _ => check_place(path, place)?,
    }
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    check_folder(real.parent().unwrap_or(Path::new("")))
}

/// Checks, and changes nothing, that new files could be written in `folder`.
///
/// # Errors
/// If they could not.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

fn taken() -> io::Error {
    let why = "there is a file here that decom did not write as one of this kind; move it away, or name another file";
    io::Error::new(io::ErrorKind::AlreadyExists, why)
}

/// Writes a file beside its place, and moves it there once it is durable. What is not a regular file, such as a pipe,
/// is written to as it is. With `mode` the file has these permissions whatever the umask.
///
/// # Errors
/// If `write` fails, or the file cannot be written: what was at `path` is still there.
pub fn write_whole_file(
    path: &Path,
    place: Place,
    mode: Option<u32>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    // A pipe cannot be looked into.
    if fs::metadata(path).map_or(true, |there| there.is_file()) {
        check_place(path, place)?;
    }
    let there = match place {
        Place::New => None,
        Place::Kind(_) => fs::metadata(path).ok(),
    };
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        let mut out = BufWriter::new(File::options().write(true).open(path)?);
        return write(&mut out).and_then(|()| out.flush());
    }
    // Of a link, what it leads to is replaced.
    let path = if there.is_some() { path.canonicalize()? } else { path.to_owned() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let opened_folder = File::open(folder)?;
    // As any new file: the default of temporary files keeps others out.
    let mut file = tempfile::Builder::new()
        .prefix(".decom-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    let permissions = mode.map(Permissions::from_mode).or(there.map(|there| there.permissions()));
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    let mut out = BufWriter::new(&mut file);
    write(&mut out)?;
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    match place {
        Place::New => file.persist_noclobber(&path)?,
        Place::Kind(_) => file.persist(&path)?,
    };
    opened_folder.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: Place = Place::Kind(&["one", "three"]);

    fn write(path: &Path, place: Place, text: &'static str) -> io::Result<()> {
        write_whole_file(path, place, None, |out| out.write_all(text.as_bytes()))
    }

    #[test]
    fn a_file_is_whole_or_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        write(&path, Place::New, "one").unwrap();
        assert_eq!(write(&path, Place::New, "two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let failed = write_whole_file(&path, TEXTS, None, |out| {
            out.write_all(b"half of it")?;
            Err(io::Error::other("as the test says"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "as the test says");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, TEXTS, "three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn what_is_not_a_file_is_written_to() {
        write(Path::new("/dev/null"), TEXTS, "text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn no_file_of_another_kind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let kind = Place::Kind(&["# Run 0000", "[]"]);
        for (there, passes) in [
            ("# Run 2026\n", true),
            ("[]\n", true),
            ("", true),
            ("# Run", false),
            ("# Runs 1", false),
            ("SQLite format 3\0", false),
        ] {
            let path = folder.path().join("out");
            fs::write(&path, there).unwrap();
            assert_eq!(check_place(&path, kind).is_ok(), passes, "{there:?}");
        }
        for name in ["other.db-wal", "other.db-shm", "other.db-journal", "other.db.lock"] {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            assert!(check_place(&path, kind).is_err(), "{name}");
        }
        assert!(check_place(&folder.path().join("none-wal"), Place::New).is_err());
        assert!(check_place(&folder.path().join("none.db"), kind).is_ok());
    }
}
