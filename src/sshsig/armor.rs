//! The armor around signatures and private keys. `ssh-keygen` accepts lines of any width in it; the library
//! accepts one width only.

use crate::domain::Place;

/// What the file of a signature begins with.
pub const SIGNATURE_FILE: Place = Place::Kind(&["-----BEGIN SSH SIGNATURE-----"]);

/// The width of the lines that the library reads.
const WIDTH: usize = 70;

/// The base64 within the armor, without white space.
pub(super) fn base64_of(armored: &str, label: &str) -> Option<String> {
    let (begin, rest) = armored.trim_start().split_once('\n')?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    (begin.trim_end() == format!("-----BEGIN {label}-----")).then(|| body.split_ascii_whitespace().collect())
}

/// The same armor in lines of the width that the library reads.
pub(super) fn rewrapped(armored: &str, label: &str) -> Option<String> {
    let base64 = base64_of(armored, label)?;
    let lines: Vec<_> = base64.as_bytes().chunks(WIDTH).map(String::from_utf8_lossy).collect();
    Some(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
}
