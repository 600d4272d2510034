//! The queue of the settings, for `work` and `enqueue`.

use std::path::Path;
use std::time::{Duration, Instant};

use super::CommandError;
use super::context::{Context, host, random_hex};
use crate::queue::{Address, Message, Queue, QueueError, QueueOptions};

/// The longest wait for a broker that is away at the start: long enough for one that is being restarted.
const START: Duration = Duration::from_secs(30);

/// The longest wait for a broker that is away during a run that has an end.
const MAX_OUTAGE: Duration = Duration::from_mins(15);

/// The pause between two tries.
const APART: Duration = Duration::from_secs(2);

/// The longest file that is read for an address, in bytes.
const LONGEST_FILE: u64 = 4096;

/// The address of the queue.
pub(super) fn queue_address(context: &Context<'_>) -> Result<Address, CommandError> {
    let settings = &context.settings.queue;
    let text = match (&settings.url, &settings.url_file) {
        (Some(url), None) => url.clone(),
        (None, Some(file)) => first_line(file)?,
        (None, None) => {
            return Err(CommandError::Usage(
                "no queue; name one with --queue URL, such as redis://localhost?queue=decom".to_owned(),
            ));
        }
        (Some(_), Some(file)) => {
            return Err(CommandError::Usage(format!(
                "the queue is named twice: by queue.url, and in the file {} (queue.url_file); unset one",
                file.display()
            )));
        }
    };
    let address: Address = text.parse()?;
    if address.has_password() && context.options.flags.queue.queue_url.is_some() {
        tracing::warn!(
            "every user of this machine can read the queue's password from the process list; give the URL by --queue-file or DECOM_QUEUE_URL"
        );
    }
    Ok(address)
}

/// How the queue at `address` is opened.
pub(super) fn queue_options(context: &Context<'_>, address: &Address) -> QueueOptions {
    QueueOptions {
        address: address.clone(),
        worker: format!("{}-{}-{}", host(), std::process::id(), random_hex(4)),
        unsettled: u16::try_from(context.settings.pace.concurrency).unwrap_or(u16::MAX),
        lease: context.settings.queue.hold,
    }
}

/// How long the broker may be away during a run; `None` if it is waited for indefinitely.
pub(super) fn max_outage(context: &Context<'_>, follow: bool) -> Option<Duration> {
    context.settings.queue.max_outage.or((!follow).then_some(MAX_OUTAGE))
}

/// Opens the queue at `address`, and waits for a broker that is away: a run without end as long as during the run,
/// everything else a short while.
pub(super) async fn open_queue(
    context: &Context<'_>,
    address: &Address,
    follow: bool,
) -> Result<Box<dyn Queue>, CommandError> {
    let options = queue_options(context, address);
    let begun = Instant::now();
    let max_outage = max_outage(context, follow);
    let patience = if follow { max_outage } else { max_outage.map(|max| max.min(START)) };
    let is_left = || patience.is_none_or(|patience| begun.elapsed() + APART < patience);
    loop {
        match crate::queue::open(options.clone()).await {
            Ok(queue) => {
                context.observers.queue(true);
                return Ok(queue);
            }
            Err(error @ QueueError::Unreachable { .. }) if is_left() => {
                context.observers.queue(false);
                tracing::warn!(%error, "trying again in {}", humantime::format_duration(APART));
                tokio::time::sleep(APART).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Warns about how the queue was set up, if there is reason to. That it cannot be looked up is no reason to stop.
pub(super) async fn warn_of_weakness(queue: &dyn Queue) {
    match queue.weakness().await {
        Ok(Some(weakness)) => tracing::warn!("{weakness}"),
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "how the queue was set up is not known"),
    }
}

/// The one line of a file.
fn first_line(path: &Path) -> Result<String, CommandError> {
    use std::io::Read;
    let unreadable = |why: String| CommandError::Usage(format!("{}: {why}", path.display()));
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
        .map_err(|error| unreadable(format!("cannot read the queue's URL: {error}")))?;
    let line = text.trim();
    if line.is_empty() || line.contains('\n') {
        return Err(unreadable("the file does not hold one line, the queue's URL".to_owned()));
    }
    Ok(line.to_owned())
}

/// What a queue gives a worker that has not begun its run.
pub(super) enum Arrival {
    Message(Message),
    /// Nothing came, and nothing waits: there is nothing to record.
    Nothing,
    /// The broker cannot be reached, or something waits that cannot be taken: that is for the run to report.
    Unknown,
}

/// Waits for the first message, up to `idle`.
pub(super) async fn arrival(queue: &dyn Queue, idle: Duration) -> Arrival {
    match queue.take(idle).await {
        Ok(Some(message)) => Arrival::Message(message),
        Ok(None) if matches!(queue.waiting().await, Ok(0)) => Arrival::Nothing,
        Ok(None) | Err(_) => Arrival::Unknown,
    }
}
