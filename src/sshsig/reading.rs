//! Reads a file that was named: whole, once, and nothing that never ends.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The bytes of the regular file at `path`, of which there are at most `longest`.
///
/// # Errors
/// Where it cannot be read, or is longer.
pub fn whole(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // A pipe that nobody writes to is neither waited for nor read.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(io::Error::other(format!("it is longer than {longest} bytes")));
    }
    Ok(bytes)
}
