//! Who runs this, where and through what: for the records of a run, and shown before it is confirmed.

use std::path::Path;

use nix::unistd::{Uid, User};
use sha2::{Digest, Sha256};

use super::CommandError;
use super::access::ApiAccess;
use super::context::{Context, VERSION, host};
use crate::api::LONGEST_CA_FILE;
use crate::config::{config_digest, effective_settings, is_proxied};
use crate::domain::{SessionFacts, hex, read_file};

/// The facts of this process, with what the listing showed of the server, if it was read.
pub(super) fn facts(context: &Context<'_>, access: &ApiAccess) -> Result<SessionFacts, CommandError> {
    let uid = Uid::current();
    let server = access.api.observation.facts();
    let options = context.options;
    // Without TLS nobody is asked who the server is.
    let is_over_tls = access.base_url().starts_with("https:");
    let settings = effective_settings(options.config.as_deref(), &context.world.environment, &options.flags)?;
    Ok(SessionFacts {
        operator: Some(context.operator()?),
        // One that no source of users knows has a number alone, as in most containers.
        login: User::from_uid(uid).ok().flatten().map(|user| user.name),
        uid: Some(uid.as_raw()),
        host: Some(host()),
        tool_version: Some(VERSION.to_owned()),
        config_sha256: Some(config_digest(&settings)),
        ca_sha256: access.api.ca_file.as_deref().filter(|_| is_over_tls).and_then(digest_of),
        proxy: Some(is_proxied(&context.world.environment, access.base_url())?),
        server_certificate_sha256: server.certificate_sha256,
        clock_ahead_ms: server.clock_ahead_ms,
    })
}

/// SHA-256 of a file that was read before.
fn digest_of(path: &Path) -> Option<String> {
    read_file(path, LONGEST_CA_FILE).ok().map(|bytes| hex(Sha256::digest(bytes)))
}
