//! Hashes and counts the raw bytes of an input as they are read, before anything else sees them.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::domain::hex;

/// A reader that remembers the SHA-256 and the number of all bytes it has handed on.
pub(super) struct HashingReader<R> {
    inner: R,
    hasher: Sha256,
    bytes: u64,
}

impl<R> HashingReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0 }
    }

    /// How many bytes have been read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA-256 of everything read so far in hexadecimal, and its length in bytes.
    pub(super) fn facts(self) -> (String, u64) {
        (hex(self.hasher.finalize()), self.bytes)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}
