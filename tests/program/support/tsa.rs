//! A real time-stamp authority: `openssl ts`, behind a server on loopback.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Reply, Request, Sandbox, Server, skipped};

const SETTINGS: &str = "
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
[stamper]
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = stamping
[stamping]
serial = serial
signer_cert = stamper.pem
certs = ca.pem
signer_key = stamper.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
";

/// The keys and certificates of an authority, in a folder of its own.
pub struct Authority {
    folder: Sandbox,
}

impl Authority {
    /// `None`, said prominently, if this machine has no openssl.
    pub fn new(test: &str) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            skipped(test, "there is no openssl");
            return None;
        }
        let authority = Self { folder: Sandbox::new() };
        authority.folder.file("settings", SETTINGS);
        authority.folder.file("serial", "01\n");
        let key = "-newkey rsa:2048 -nodes -config settings";
        authority.openssl(&format!(
            "req -x509 -days 2 -subj /CN=ca -extensions authority {key} -keyout ca.key -out ca.pem"
        ));
        authority.openssl(&format!("req -new -subj /CN=stamper {key} -keyout stamper.key -out stamper.csr"));
        authority.openssl(
            "x509 -req -days 2 -in stamper.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile settings -extensions stamper -out stamper.pem",
        );
        Some(authority)
    }

    /// Serves time stamps, and checks that each request is one for a certificate with a nonce.
    pub fn serve(self) -> (Server, PathBuf) {
        let certificate = self.folder.path("ca.pem");
        let server = Server::replying(move |request| self.stamp(request));
        (server, certificate)
    }

    /// The reply to a request for a time stamp.
    pub fn stamp(&self, request: &Request) -> Reply {
        assert_eq!(request.header("content-type"), "application/timestamp-query");
        self.reply(&request.body)
    }

    /// The reply to what is asked.
    pub fn reply(&self, query: &[u8]) -> Reply {
        self.folder.file("query", query);
        let text = String::from_utf8(self.openssl("ts -query -in query -text").stdout).unwrap();
        assert!(text.contains("Certificate required: yes") && text.contains("Nonce: 0x"), "{text}");
        self.openssl("ts -reply -config settings -section stamping -queryfile query -out reply");
        let reply = std::fs::read(self.folder.path("reply")).unwrap();
        Reply::status(200).with("Content-Type", "application/timestamp-reply").body(reply)
    }

    fn openssl(&self, words: &str) -> Output {
        let mut command = Command::new("openssl");
        let ended = command.args(words.split(' ')).current_dir(self.folder.path("")).output().unwrap();
        assert!(ended.status.success(), "{words}: {}", String::from_utf8_lossy(&ended.stderr));
        ended
    }
}

/// What `openssl ts -verify` says of the time stamp of `file`.
pub fn verified(file: &Path, stamp: &Path, certificate: &Path) -> bool {
    let mut command = Command::new("openssl");
    command.args(["ts", "-verify", "-data"]).arg(file).arg("-in").arg(stamp).arg("-CAfile").arg(certificate);
    command.output().unwrap().status.success()
}
