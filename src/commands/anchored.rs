//! Logs that are certified: verified, and held against the checkpoints of the settings.

use std::path::{Path, PathBuf};

use super::CommandError;
use super::context::Context;
use crate::audit;
use crate::audit::verify::{Anchor, AnchorCheck, AnchorSignature, Anchors, Verification};
use crate::report::{Anchoring, Checkpoint, CheckpointSignature};

/// Who may sign the checkpoints that a certificate rests on.
#[derive(Debug, Clone, Default)]
pub struct CheckpointSigners {
    /// The file of those who may.
    pub allowed: Option<PathBuf>,
    /// Public keys whose signatures do not count any more.
    pub revoked: Option<PathBuf>,
}

/// Verifies the log at `log`, and holds it against the checkpoints of the settings. Nobody may have it open.
///
/// # Errors
/// If the log is not sound, a checkpoint contradicts it, or something that is named is not there.
pub(super) fn verified(
    log: &Path,
    signers: &CheckpointSigners,
    context: &Context<'_>,
) -> Result<Vec<Verification>, CommandError> {
    let folder = context.settings.audit.checkpoint_dir.as_deref();
    let (allowed_signers, revoked) = (signers.allowed.as_deref(), signers.revoked.as_deref());
    if allowed_signers.is_some() && folder.is_none() {
        return Err(CommandError::Usage(
            "--allowed-signers checks checkpoints; also name their folder with --checkpoint-dir DIR"
                .to_owned(),
        ));
    }
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(CommandError::Usage(format!("{}: there is no such folder", folder.display())));
    }
    for file in [allowed_signers, revoked].into_iter().flatten() {
        if !file.is_file() {
            return Err(CommandError::Usage(format!("{}: there is no such file", file.display())));
        }
    }
    let anchors = AnchorCheck { folder, allowed_signers, revoked, now: context.world.clock.timestamp() };
    Ok(audit::refuse_to_certify(log, &anchors)?)
}

/// What is known of the newest checkpoint of the log with this id: one whose signature counts comes before all others.
pub(super) fn newest_anchoring(verified: &[Verification], log_id: &str, context: &Context<'_>) -> Anchoring {
    let log = verified.iter().find(|log| log.log_id.as_deref() == Some(log_id));
    anchoring(log.and_then(|log| newest(&log.anchors)), context)
}

/// What a page says of this checkpoint, which agrees with the log.
pub(super) fn anchoring(anchor: Option<&Anchor>, context: &Context<'_>) -> Anchoring {
    match (&context.settings.audit.checkpoint_dir, anchor) {
        (None, _) => Anchoring::NotLooked,
        (Some(_), None) => Anchoring::NotFound,
        (Some(_), Some(anchor)) => Anchoring::Found(checkpoint(anchor)),
    }
}

fn newest(anchors: &Anchors) -> Option<&Anchor> {
    let rank = |anchor: &Anchor| match anchor.signature {
        AnchorSignature::Checked { .. } => 2,
        AnchorSignature::NotChecked => 1,
        AnchorSignature::Refused { .. } | AnchorSignature::Missing => 0,
    };
    anchors.list.iter().max_by_key(|anchor| (rank(anchor), anchor.statement.records))
}

fn checkpoint(anchor: &Anchor) -> Checkpoint {
    Checkpoint {
        file: anchor.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        text: anchor.text.clone(),
        records: anchor.statement.records,
        time: anchor.statement.time,
        signature: match &anchor.signature {
            AnchorSignature::Missing => CheckpointSignature::Missing,
            AnchorSignature::NotChecked => CheckpointSignature::NotChecked,
            AnchorSignature::Refused { why } => CheckpointSignature::Refused { why: why.clone() },
            AnchorSignature::Checked { signers } => CheckpointSignature::Checked { signers: signers.clone() },
        },
    }
}
