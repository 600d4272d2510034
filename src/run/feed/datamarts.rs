//! The listing of datamarts that groups are held against before they are sent, and again while they are: it is read
//! again once it is ten minutes old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::StopReason;
use crate::api::{ApiError, Lister};
use crate::domain::{BootTime, Datamart, lock};

/// How old a listing may be when a request for a group leaves.
const LONGEST: Duration = Duration::from_mins(10);

/// Reads the listing of datamarts.
#[async_trait]
pub(super) trait DatamartSource: Send + Sync {
    async fn datamarts(&self) -> Result<Vec<Datamart>, ApiError>;
}

#[async_trait]
impl DatamartSource for Lister {
    async fn datamarts(&self) -> Result<Vec<Datamart>, ApiError> {
        Self::datamarts(self).await
    }
}

/// Returns the time; its own type so that tests need not wait.
pub(super) type Now = Arc<dyn Fn() -> BootTime + Send + Sync>;

/// What one reading of the listing showed.
#[derive(Debug)]
pub(super) struct DatamartListing {
    /// When the reading began.
    began: BootTime,
    by_name: HashMap<String, Vec<Listed>>,
    /// The names of the datamarts of each datasource.
    by_datasource: HashMap<String, Vec<String>>,
}

/// An entry of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The datasource that the datamart reads.
    pub(super) datasource: String,
    pub(super) definition_sha256: String,
}

impl DatamartListing {
    pub(super) fn new(began: BootTime, datamarts: Vec<Datamart>) -> Self {
        let mut by_name = HashMap::<_, Vec<_>>::with_capacity(datamarts.len());
        let mut by_datasource = HashMap::<_, Vec<_>>::new();
        for datamart in datamarts {
            let definition_sha256 = datamart.definition_sha256();
            let Datamart { name, datasource, .. } = datamart;
            by_datasource.entry(datasource.clone()).or_default().push(name.clone());
            by_name.entry(name).or_default().push(Listed { datasource, definition_sha256 });
        }
        Self { began, by_name, by_datasource }
    }

    /// When its reading began, which identifies it.
    pub(super) const fn began(&self) -> BootTime {
        self.began
    }

    /// The entries of this name.
    pub(super) fn entries(&self, name: &str) -> &[Listed] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of the datamarts that read this datasource.
    pub(super) fn readers_of(&self, datasource: &str) -> &[String] {
        self.by_datasource.get(datasource).map_or(&[], Vec::as_slice)
    }
}

/// The listing that is in force, which all workers share.
pub(super) struct CurrentListing {
    source: Box<dyn DatamartSource>,
    now: Now,
    current: Mutex<Option<Arc<DatamartListing>>>,
    /// Held by the one that reads it.
    reading: tokio::sync::Mutex<()>,
}

impl CurrentListing {
    pub(super) fn new(source: Box<dyn DatamartSource>, now: Now) -> Self {
        Self { source, now, current: Mutex::new(None), reading: tokio::sync::Mutex::new(()) }
    }

    pub(super) fn now(&self) -> BootTime {
        (self.now)()
    }

    /// The listing, if it is not too old.
    pub(super) fn get(&self) -> Option<Arc<DatamartListing>> {
        let current = lock(&self.current).clone()?;
        (self.now() <= current.began + LONGEST).then_some(current)
    }

    /// The listing, read now if there is none that is not too old.
    ///
    /// # Errors
    /// If it cannot be read: nothing of a group may be sent then.
    pub(super) async fn fresh(&self) -> Result<Arc<DatamartListing>, StopReason> {
        let _reading = self.reading.lock().await;
        if let Some(current) = self.get() {
            return Ok(current);
        }
        let began = self.now();
        let datamarts = self.source.datamarts().await.map_err(|error| StopReason::NoListing { error })?;
        let listing = Arc::new(DatamartListing::new(began, datamarts));
        *lock(&self.current) = Some(listing.clone());
        // Also if reading it took longer: nothing newer can be had.
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;

    /// A listing that counts how often it was read, and fails once it is told to.
    #[derive(Default)]
    struct Counted {
        readings: AtomicUsize,
        fails: AtomicUsize,
    }

    #[async_trait]
    impl DatamartSource for Arc<Counted> {
        async fn datamarts(&self) -> Result<Vec<Datamart>, ApiError> {
            self.readings.fetch_add(1, Ordering::Relaxed);
            if self.fails.load(Ordering::Relaxed) > 0 {
                return Err(ApiError::Listing { what: "datamarts", why: "HTTP 403".to_owned() });
            }
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn one_reading_serves_for_ten_minutes_and_is_then_read_again() {
        let (start, passed, source) =
            (BootTime::now(), Arc::new(AtomicU64::new(0)), Arc::<Counted>::default());
        let seconds = passed.clone();
        let now: Now = Arc::new(move || start + Duration::from_secs(seconds.load(Ordering::Relaxed)));
        let listing = CurrentListing::new(Box::new(source.clone()), now);
        assert!(listing.get().is_none());
        for (at, readings) in [(0, 1), (1, 1), (600, 1), (601, 2), (1201, 2), (1202, 3)] {
            passed.store(at, Ordering::Relaxed);
            assert_eq!(listing.get().is_some(), source.readings.load(Ordering::Relaxed) == readings, "{at}");
            listing.fresh().await.unwrap();
            assert_eq!(source.readings.load(Ordering::Relaxed), readings, "after {at} s");
        }
        passed.store(2000, Ordering::Relaxed);
        source.fails.store(1, Ordering::Relaxed);
        assert!(matches!(listing.fresh().await, Err(StopReason::NoListing { .. })));
        assert!(listing.get().is_none(), "the old one is not used instead");
    }
}
