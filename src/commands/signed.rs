//! Pages that are signed: a detached SSH signature goes beside the file, which `ssh-keygen -Y verify` alone checks.

use std::path::{Path, PathBuf};

use super::CommandError;
use super::context::Context;
use super::output::{Destination, to_file, written};
use crate::audit::AuditError;
use crate::domain::Place;
use crate::report::CERTIFICATE;
use crate::sshsig::{SIGNATURE_FILE, SigningKey};

/// What the signature of a page is made for.
const NAMESPACE: &str = "decom-certificate";

/// The key that signs a page that goes to `out`, if there is one: that of the checkpoints.
///
/// # Errors
/// If the key cannot sign, or the command line asks for a signature and there is no file to put it beside.
pub(super) fn signing_key(
    context: &Context<'_>,
    out: Destination<'_>,
) -> Result<Option<SigningKey>, CommandError> {
    let Some(key) = &context.settings.audit.signing_key else { return Ok(None) };
    let is_file = out.path.is_some_and(|path| path.is_file() || !path.exists());
    if !is_file {
        if context.options.flags.checkpoint.signing_key.is_some() {
            return Err(CommandError::Usage(
                "a signature goes beside the page; name a file for the page with --out FILE, or leave out --signing-key"
                    .to_owned(),
            ));
        }
        return Ok(None);
    }
    Ok(Some(SigningKey::read(key).map_err(AuditError::from)?))
}

/// Writes `page` to `out`, and its signature beside it if there is a key.
///
/// # Errors
/// If one of them cannot be written, or another file is in its place.
pub(super) fn write_page(
    page: &[u8],
    key: Option<&SigningKey>,
    out: Destination<'_>,
    log: &Path,
) -> Result<(), CommandError> {
    let signed = key.map(|key| key.sign(NAMESPACE, page)).transpose().map_err(AuditError::from)?;
    written(out, log, Place::Kind(CERTIFICATE), &mut |out| out.write_all(page))?;
    if let (Some(signature), Some(path)) = (signed, out.path) {
        to_file(&signature_of(path), log, SIGNATURE_FILE, |out| out.write_all(signature.as_bytes()))?;
    }
    Ok(())
}

/// The signature of the page at `page`.
fn signature_of(page: &Path) -> PathBuf {
    let mut name = page.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}
