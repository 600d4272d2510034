//! Who carried a run out, where and through what, in words. Nobody is identified: an operator is as stated, and a login is
//! what the machine said.

use super::Facts;
use crate::domain::SessionFacts;

impl Facts<'_> {
    /// What is out of the ordinary about the way to the server, a sentence each.
    pub(in crate::report) fn unusual(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for sentence in self.account.sessions.iter().flat_map(|session| session.facts.unusual()) {
            let sentence = sentence.afterwards();
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        sentences
    }
}

/// Who ran a session, beside the operator as stated.
pub(in crate::report) fn account_of(facts: &SessionFacts) -> String {
    let login = facts.login.as_ref().map(|login| format!("login {login}"));
    let uid = facts.uid.map(|uid| format!("uid {uid}"));
    let host = facts.host.as_ref().map(|host| format!("on {host}"));
    let version = facts.tool_version.as_ref().map(|version| format!("decom {version}"));
    let known = [login, uid, host, version].into_iter().flatten().collect::<Vec<_>>();
    let stated = if facts.operator.is_some() { "operator as stated" } else { "no operator is recorded" };
    [&[stated.to_owned()][..], &known].concat().join(", ")
}

/// What is known of the way to the server in a session.
pub(in crate::report) fn way_of(facts: &SessionFacts) -> Vec<String> {
    let mut known = Vec::new();
    known.push(match facts.proxy {
        None => "how the server was reached is not recorded".to_owned(),
        Some(true) => "through a proxy".to_owned(),
        Some(false) => "without a proxy".to_owned(),
    });
    let digests = [
        ("SHA-256 of the server’s certificate", &facts.server_certificate_sha256),
        ("SHA-256 of the file of certificate authorities", &facts.ca_sha256),
        ("SHA-256 of the configuration", &facts.config_sha256),
    ];
    known.extend(digests.iter().filter_map(|(what, digest)| Some(format!("{what}: {}", digest.as_ref()?))));
    if let Some(ahead) = facts.clock_ahead_ms {
        let seconds = ahead.unsigned_abs() / 1000;
        let side = if ahead < 0 { "behind" } else { "ahead of" };
        known.push(match seconds {
            0 => "the machine’s clock agreed with the server’s within a second".to_owned(),
            seconds => format!("the machine’s clock was {seconds} s {side} the server’s"),
        });
    }
    known
}
