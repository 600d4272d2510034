//! Distinguishes a log that cannot be read now from one that is not sound.

use rusqlite::{Error, ErrorCode, ffi};

/// Returns true if `error` says something of the disk, the memory or the rights of this process, and nothing of what the
/// file holds.
pub(super) fn may_pass(error: &Error) -> bool {
    let Some(code) = error.sqlite_error_code() else { return false };
    match code {
        ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::OutOfMemory
        | ErrorCode::DiskFull => true,
        // A file that ends too early is damaged; a disk that does not answer may answer later.
        ErrorCode::SystemIoFailure => !matches!(
            error.sqlite_error(),
            Some(ffi::Error {
                extended_code: ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS,
                ..
            })
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn what_the_disk_cannot_do_now_is_not_damage() {
        for code in [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHMMAP, ffi::SQLITE_FULL, ffi::SQLITE_CANTOPEN]
        {
            assert!(may_pass(&error(code)), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_ERROR]
        {
            assert!(!may_pass(&error(code)), "{code}");
        }
    }
}
