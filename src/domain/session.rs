//! Who carried out a stretch of a run, where and through what: from its beginning, or from where it resumed, to its next
//! end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The clock is far off if it differs by more than this from the server's, in milliseconds.
const FAR_OFF_MS: i64 = 60_000;

/// What is recorded of a session. Records of earlier versions lack most of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionFacts {
    /// Who runs it, as was stated.
    pub operator: Option<String>,
    /// The name of the user that the process ran as, looked up by its number.
    pub login: Option<String>,
    /// The number of that user.
    pub uid: Option<u32>,
    /// The machine.
    pub host: Option<String>,
    pub tool_version: Option<String>,
    /// SHA-256 of the effective configuration, in hexadecimal.
    pub config_sha256: Option<String>,
    /// SHA-256 of the file of a private certificate authority, in hexadecimal; `None` if only public ones were trusted.
    pub ca_sha256: Option<String>,
    /// The requests went through a proxy; `None` if that is not recorded.
    pub proxy: Option<bool>,
    /// SHA-256 of the server's certificate, in hexadecimal; `None` without TLS, or if nothing was asked before.
    pub server_certificate_sha256: Option<String>,
    /// How far the machine's clock was ahead of the server's `Date`, in milliseconds; `None` if nothing was asked before.
    pub clock_ahead_ms: Option<i64>,
}

/// A session, and when it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub from: Timestamp,
    /// When it ended; `None` if that is not recorded.
    pub to: Option<Timestamp>,
    pub facts: SessionFacts,
}

/// What is out of the ordinary about the way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusual {
    /// Certificate authorities of a file are trusted beside the public ones.
    Authorities {
        sha256: String,
    },
    Proxy,
    /// The machine's clock and the server's differ by more than a minute.
    Clock {
        ahead_ms: i64,
    },
}

impl SessionFacts {
    /// All that is out of the ordinary.
    #[must_use]
    pub fn unusual(&self) -> Vec<Unusual> {
        let authorities = self.ca_sha256.clone().map(|sha256| Unusual::Authorities { sha256 });
        let proxy = (self.proxy == Some(true)).then_some(Unusual::Proxy);
        let far_off = self.clock_ahead_ms.filter(|ahead| ahead.abs() > FAR_OFF_MS);
        let clock = far_off.map(|ahead_ms| Unusual::Clock { ahead_ms });
        [authorities, proxy, clock].into_iter().flatten().collect()
    }
}

impl Unusual {
    /// As a phrase before anything is sent.
    #[must_use]
    pub fn before(&self) -> String {
        match self {
            Self::Authorities { sha256 } => {
                format!(
                    "certificate authorities of a file are trusted beside the public ones (SHA-256 {sha256})"
                )
            }
            Self::Proxy => "the requests go through a proxy".to_owned(),
            Self::Clock { ahead_ms } => format!("this machine's clock is {} the server's", off_by(*ahead_ms)),
        }
    }

    /// As a sentence in a report.
    #[must_use]
    pub fn afterwards(&self) -> String {
        match self {
            Self::Authorities { sha256 } => format!(
                "Certificate authorities of a file were trusted beside the public ones (SHA-256 of the file {sha256})."
            ),
            Self::Proxy => "The requests went through a proxy.".to_owned(),
            Self::Clock { ahead_ms } => {
                format!("The machine’s clock was {} the server’s.", off_by(*ahead_ms))
            }
        }
    }
}

/// `2m 5s ahead of`, or `behind`.
fn off_by(ahead_ms: i64) -> String {
    let by = Duration::from_secs(ahead_ms.unsigned_abs() / 1000);
    let side = if ahead_ms > 0 { "ahead of" } else { "behind" };
    format!("{} {side}", humantime::format_duration(by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_out_of_the_ordinary_is_said() {
        let usual =
            SessionFacts { proxy: Some(false), clock_ahead_ms: Some(-60_000), ..SessionFacts::default() };
        assert_eq!(usual.unusual(), []);
        let unusual = SessionFacts {
            ca_sha256: Some("ab".to_owned()),
            proxy: Some(true),
            clock_ahead_ms: Some(-3_600_400),
            ..SessionFacts::default()
        };
        let before: Vec<_> = unusual.unusual().iter().map(Unusual::before).collect();
        assert_eq!(
            before,
            [
                "certificate authorities of a file are trusted beside the public ones (SHA-256 ab)",
                "the requests go through a proxy",
                "this machine's clock is 1h behind the server's"
            ]
        );
    }
}
