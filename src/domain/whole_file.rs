//! Writes a file so that, whatever interrupts it, there is the old file or the whole new one.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What may already be at the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing: a file that is there is an error.
    New,
    /// Any file: it is replaced, and its permissions stay.
    Any,
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
    let there = match place {
        Place::New => None,
        Place::Any => fs::metadata(path).ok(),
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
        Place::Any => file.persist(&path)?,
    };
    opened_folder.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let failed = write_whole_file(&path, Place::Any, None, |out| {
            out.write_all(b"half of it")?;
            Err(io::Error::other("as the test says"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "as the test says");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, Place::Any, "three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn what_is_not_a_file_is_written_to() {
        write(Path::new("/dev/null"), Place::Any, "text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
