//! The one thread on which a command waits for the network and for time.

use super::CommandError;

/// Runs something asynchronous on the one thread that all I/O shares.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    Ok(result)
}
