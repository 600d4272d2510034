//! Time stamps of a third party beside the checkpoints of the audit log: fetched on a thread of their own, so that no
//! run waits for them.

mod protocol;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::time::sleep;
use url::Url;

use super::{Outside, WatchError};
use crate::domain::{Place, lock, read_file, write_whole_file};
use protocol::Query;

/// How the file of a time stamp is called: as the checkpoint's, with this after it.
const SUFFIX: &str = ".tsr";

/// That of the signature that it is about.
const SIGNATURE: &str = ".sig";

/// A signature is shorter, in bytes.
const LONGEST_SIGNATURE: u64 = 16 * 1024;

/// How often an authority is asked for one time stamp, and the pause in between.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// How long the end of a command waits for time stamps that are still to come, and after a signal.
const PATIENCE: Duration = Duration::from_secs(15);
const SHORT_PATIENCE: Duration = Duration::from_secs(3);

/// Fetches a time stamp for each checkpoint that it is told of.
pub struct Timestamps {
    sender: Mutex<Option<Sender<PathBuf>>>,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<()>>,
    /// The checkpoints that wait for theirs.
    waiting: Arc<Mutex<Vec<PathBuf>>>,
}

impl Timestamps {
    /// Starts the thread, which asks the authority at `url`.
    pub fn start(url: Url, outside: Outside) -> Result<Arc<Self>, WatchError> {
        let (sender, checkpoints) = channel::<PathBuf>();
        let (end, ended) = channel();
        let waiting = Arc::new(Mutex::new(Vec::new()));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(WatchError::Thread)?;
        let left = waiting.clone();
        let work = move || {
            // Dropped at the end, which is then seen.
            let _end: Sender<()> = end;
            for checkpoint in checkpoints {
                if let Err(why) = runtime.block_on(fetch(&checkpoint, &url, &outside)) {
                    warn(&checkpoint, &why);
                }
                lock(&left).retain(|waiting| *waiting != checkpoint);
            }
        };
        thread::Builder::new().name("timestamps".to_owned()).spawn(work).map_err(WatchError::Thread)?;
        Ok(Arc::new(Self { sender: Mutex::new(Some(sender)), ended: Mutex::new(ended), waiting }))
    }

    /// Takes note that `checkpoint` and its signature were written. Never waits.
    pub fn add(&self, checkpoint: &Path) {
        lock(&self.waiting).push(checkpoint.to_owned());
        if let Some(sender) = &*lock(&self.sender) {
            // A thread that has ended takes nothing, and what it leaves is reported at the end.
            let _ = sender.send(checkpoint.to_owned());
        }
    }

    /// Waits some seconds for what is still to come.
    pub fn finish(&self, soon: bool) {
        drop(lock(&self.sender).take());
        let patience = if soon { SHORT_PATIENCE } else { PATIENCE };
        if lock(&self.ended).recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            for checkpoint in &*lock(&self.waiting) {
                warn(checkpoint, &format!("the authority did not reply within {} s", patience.as_secs()));
            }
        }
    }
}

fn warn(checkpoint: &Path, why: &str) {
    tracing::warn!(
        "{}: no time stamp was fetched for this checkpoint: {why}; `decom audit checkpoint` fetches one for the end of the log",
        checkpoint.display()
    );
}

/// Fetches the time stamp of a checkpoint's signature, unless there is one.
async fn fetch(checkpoint: &Path, url: &Url, outside: &Outside) -> Result<(), String> {
    let place = beside(checkpoint, SUFFIX);
    if fs::symlink_metadata(&place).is_ok() {
        return Ok(());
    }
    let signature = beside(checkpoint, SIGNATURE);
    let signature = read_file(&signature, LONGEST_SIGNATURE)
        .map_err(|error| format!("cannot read {}: {error}", signature.display()))?;
    let mut attempt = 1;
    let reply = loop {
        match ask(&signature, url, outside).await {
            Ok(reply) => break reply,
            Err(why) if attempt == ATTEMPTS => return Err(why),
            Err(_) => sleep(PAUSE).await,
        }
        attempt += 1;
    };
    write_whole_file(&place, Place::New, Some(0o644), |out| out.write_all(&reply))
        .map_err(|error| format!("cannot write {}: {error}", place.display()))?;
    tracing::info!("{}: this checkpoint has a time stamp", checkpoint.display());
    Ok(())
}

/// Asks the authority once, with a new nonce.
async fn ask(signature: &[u8], url: &Url, outside: &Outside) -> Result<Vec<u8>, String> {
    let unusable =
        |error: protocol::ReplyError| format!("the reply of the authority cannot be used: {error}");
    let query = Query::new(signature, rand::random()).map_err(unusable)?;
    let reply = outside.timestamp(url, query.to_der().map_err(unusable)?).await?;
    query.check(&reply).map_err(unusable)?;
    Ok(reply)
}

fn beside(checkpoint: &Path, suffix: &str) -> PathBuf {
    let mut name = checkpoint.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
