//! Recognises what is not comma-separated UTF-8: foreign encodings, other file formats, other separators.

use std::fmt;

use super::InputError;

/// How many of the first bytes are looked at; fewer only if the input is shorter.
pub(super) const OPENING_BYTES: usize = 64;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// A format that is refused because only UTF-8 text can be read exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignFormat {
    /// UTF-16, the low byte first; what Excel writes as "Unicode text".
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
    /// UTF-32 of either byte order.
    Utf32,
    /// A zip archive, which is what a workbook of Excel or `LibreOffice` is.
    Zip,
    /// Compressed with gzip.
    Gzip,
}

impl ForeignFormat {
    /// How to make UTF-8 text of it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Utf16Le => "convert it with `iconv -f UTF-16LE -t UTF-8 FILE > utf8.csv`",
            Self::Utf16Be => "convert it with `iconv -f UTF-16BE -t UTF-8 FILE > utf8.csv`",
            Self::Utf32 => "convert it with `iconv -f UTF-32 -t UTF-8 FILE > utf8.csv`",
            Self::Zip => "if it is a workbook, save it as \"CSV UTF-8\"",
            Self::Gzip => "unpack it first: `gunzip -c FILE | decom … -`",
        }
    }
}

impl fmt::Display for ForeignFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf16Le => "UTF-16 (little-endian)",
            Self::Utf16Be => "UTF-16 (big-endian)",
            Self::Utf32 => "UTF-32",
            Self::Zip => "a zip archive or an Excel workbook",
            Self::Gzip => "a gzip archive",
        })
    }
}

/// Looks at the first bytes of an input: how many of them are a byte-order mark to be skipped.
///
/// # Errors
/// The foreign format that they show.
pub(super) fn opening(bytes: &[u8]) -> Result<usize, ForeignFormat> {
    if bytes.starts_with(UTF8_BOM) {
        return Ok(UTF8_BOM.len());
    }
    let foreign = match bytes {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some(ForeignFormat::Utf32),
        [0xFF, 0xFE, ..] => Some(ForeignFormat::Utf16Le),
        [0xFE, 0xFF, ..] => Some(ForeignFormat::Utf16Be),
        [b'P', b'K', 3, 4, ..] => Some(ForeignFormat::Zip),
        [0x1F, 0x8B, ..] => Some(ForeignFormat::Gzip),
        _ => utf16_without_mark(bytes),
    };
    foreign.map_or(Ok(0), Err)
}

/// In UTF-16 without a mark, every other byte of Western text is NUL, and always on the same side.
fn utf16_without_mark(bytes: &[u8]) -> Option<ForeignFormat> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let first = pairs.iter().filter(|pair| pair[0] == 0).count();
    let second = pairs.iter().filter(|pair| pair[1] == 0).count();
    match (first, second) {
        (0, nuls) if nuls * 2 > pairs.len() => Some(ForeignFormat::Utf16Le),
        (nuls, 0) if nuls * 2 > pairs.len() => Some(ForeignFormat::Utf16Be),
        _ => None,
    }
}

/// The separators that spreadsheets and databases write; only looked for in order to give a hint.
pub(super) const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A separator's name in messages.
pub(super) fn separator_name(separator: u8) -> String {
    match separator {
        b',' => "commas".to_owned(),
        b';' => "semicolons".to_owned(),
        b'\t' => "tabs".to_owned(),
        b'|' => "vertical bars".to_owned(),
        other => format!("`{}`", char::from(other)),
    }
}

/// How a separator is written on the command line.
pub(super) fn delimiter_flag(separator: u8) -> String {
    match separator {
        b'\t' => "--delimiter tab".to_owned(),
        other => format!("--delimiter '{}'", char::from(other)),
    }
}

/// Takes what was given as `--delimiter`: one ASCII punctuation character, or `tab` (also `\t`).
///
/// # Errors
/// [`InputError::BadDelimiter`] for anything else, such as a quote, a letter, a space or a line break: those
/// are parts of names, or of the CSV format itself.
pub fn parse_delimiter(text: &str) -> Result<u8, InputError> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        &[byte] if is_delimiter(byte) => Ok(byte),
        _ => Err(InputError::BadDelimiter { given: text.to_owned() }),
    }
}

/// Returns true if `byte` can separate columns without being mistaken for something else.
pub(super) fn is_delimiter(byte: u8) -> bool {
    byte == b'\t' || (byte.is_ascii_punctuation() && byte != b'"')
}
