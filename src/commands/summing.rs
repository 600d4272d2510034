//! The digest of what is written, while it is written.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::domain::hex;

/// The digest and the length of what was written so far.
#[derive(Default)]
pub(super) struct Sum {
    digest: Sha256,
    pub(super) bytes: u64,
}

impl Sum {
    pub(super) fn hex(&self) -> String {
        hex(self.digest.clone().finalize())
    }
}

/// Passes on what is written, and adds it to a sum.
pub(super) struct SummingWriter<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) sum: &'a mut Sum,
}

impl Write for SummingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.digest.update(&bytes[..written]);
        self.sum.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
