//! Reads a file whole and once, so that what was checked is what is used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;

/// How long the writer of a pipe is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The bytes of the regular file at `path`, of which there may be at most `longest`.
///
/// # Errors
/// If it is not a regular file, if it is longer, or if it cannot be read.
pub fn read_file(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe without a writer would wait for one.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    read_up_to(file, longest)
}

/// The bytes of the regular file at `path`, or of a pipe, such as a shell makes for `<(pass show token)`, whose writer has
/// a limited time. There may be at most `longest`.
///
/// # Errors
/// If it is neither, if it is longer, or if it cannot be read.
pub fn read_file_or_pipe(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.file_type().is_fifo() {
        return read_file(path, longest);
    }
    // Opening and reading wait for the writer: for as long as it takes, on a thread that is left behind if it takes too
    // long.
    let (sender, bytes) = mpsc::channel();
    let pipe = path.to_owned();
    thread::Builder::new().spawn(move || {
        let read = File::open(pipe).and_then(|file| read_up_to(file, longest));
        // Nobody may wait for it any more.
        let _ = sender.send(read);
    })?;
    bytes.recv_timeout(LONGEST_WAIT).unwrap_or_else(|_| {
        Err(io::Error::other(format!("nothing was written to this pipe for {} s", LONGEST_WAIT.as_secs())))
    })
}

fn read_up_to(file: File, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(io::Error::other(format!("it is longer than {longest} bytes")));
    }
    Ok(bytes)
}
