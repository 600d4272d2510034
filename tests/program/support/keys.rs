//! Keys and signatures by the real `ssh-keygen`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Sandbox;

/// What a plan's signature is made for.
pub const NAMESPACE: &str = "decom-plan";

/// A key pair.
#[derive(Debug, Clone)]
pub struct Key {
    private: PathBuf,
    /// The public key, as it stands in a file of allowed signers.
    pub public: String,
}

impl Key {
    /// A new key of this type, such as `ed25519` or `ecdsa-384`.
    pub fn new(sandbox: &Sandbox, name: &str, kind: &str) -> Self {
        let private = sandbox.path(name);
        let (algorithm, bits) = kind.split_once('-').unwrap_or((kind, ""));
        let mut command = ssh_keygen();
        command.args(["-q", "-N", "", "-C", name, "-t", algorithm]).arg("-f").arg(&private);
        if !bits.is_empty() {
            command.args(["-b", bits]);
        }
        done(&mut command);
        let public = std::fs::read_to_string(private.with_extension("pub")).unwrap();
        Self { private, public: public.trim_end().to_owned() }
    }

    /// A private key that is encrypted with a passphrase.
    pub fn encrypted(sandbox: &Sandbox, name: &str) -> PathBuf {
        let private = sandbox.path(name);
        done(ssh_keygen().args(["-q", "-N", "a passphrase", "-t", "ed25519"]).arg("-f").arg(&private));
        private
    }

    /// Signs `file`, as its approver would, and returns the signature's file.
    pub fn sign(&self, file: &Path, namespace: &str) -> PathBuf {
        let made = PathBuf::from(format!("{}.sig", file.display()));
        let _ = std::fs::remove_file(&made);
        done(ssh_keygen().args(["-Y", "sign", "-n", namespace]).arg("-f").arg(&self.private).arg(file));
        let kept = PathBuf::from(format!("{}.{namespace}.sig", self.private.display()));
        std::fs::rename(made, &kept).unwrap();
        kept
    }
}

/// Writes the armored file again, in lines of this width that end so.
pub fn rewrap(file: &Path, width: usize, line_end: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let [begin, body @ .., end] = &lines[..] else { panic!("{text}") };
    let body = body.concat();
    let body: Vec<_> = body.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap()).collect();
    let lines = [&[*begin], &body[..], &[*end, ""]].concat();
    std::fs::write(file, lines.join(line_end)).unwrap();
}

/// Whether `ssh-keygen` finds that `identity` signed the plan `file`.
pub fn verified(
    file: &Path,
    signature: &Path,
    allowed: &Path,
    revoked: Option<&Path>,
    identity: &str,
) -> bool {
    verified_for(NAMESPACE, file, signature, allowed, revoked, identity)
}

/// Whether `ssh-keygen` finds that `identity` signed `file` for this namespace.
pub fn verified_for(
    namespace: &str,
    file: &Path,
    signature: &Path,
    allowed: &Path,
    revoked: Option<&Path>,
    identity: &str,
) -> bool {
    if !signature.exists() {
        return false;
    }
    let mut command = ssh_keygen();
    command.args(["-Y", "verify", "-n", namespace, "-I", identity]).arg("-f").arg(allowed);
    command.arg("-s").arg(signature);
    if let Some(revoked) = revoked {
        command.arg("-r").arg(revoked);
    }
    run(command.stdin(std::fs::File::open(file).unwrap())).status.success()
}

/// Writes a key revocation list with the public key in `key`.
pub fn revocation_list(list: &Path, key: &Path) {
    done(ssh_keygen().args(["-k", "-q", "-f"]).arg(list).arg(key));
}

/// Whether there is no `ssh-keygen` here, so that `test` is skipped.
pub fn are_missing(test: &str) -> bool {
    let missing = ssh_keygen().output().is_err();
    if missing {
        super::skipped(test, "there is no ssh-keygen (the package openssh-client)");
    }
    missing
}

fn ssh_keygen() -> Command {
    let mut command = Command::new("ssh-keygen");
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!("these tests need ssh-keygen (the package openssh-client), which cannot be run: {error}")
    })
}

fn done(command: &mut Command) {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
