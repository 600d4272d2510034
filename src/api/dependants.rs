//! The names of what depends on a datasource that is in use: read once in a run, when they are first needed.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::Lister;
use crate::domain::{Credentials, DatasourceName};

/// How long reading them may take: the recording of a definite reply waits for them.
const LONGEST: Duration = Duration::from_secs(5);

/// How many names are recorded for one datasource.
const MOST_NAMES: usize = 100;

/// The dependants of each datasource.
pub struct Dependants {
    lister: Lister,
    credentials: Credentials,
    /// `None` if they cannot be read.
    by_datasource: OnceCell<Option<HashMap<String, Vec<String>>>>,
}

impl Dependants {
    #[must_use]
    pub fn new(lister: Lister, credentials: Credentials) -> Self {
        Self { lister, credentials, by_datasource: OnceCell::new() }
    }

    /// Returns the names of the datamarts that read `name`, with the token redacted and at most 100; `None` if they
    /// cannot be read.
    pub async fn of(&self, name: &DatasourceName) -> Option<Vec<String>> {
        let read = self.by_datasource.get_or_init(|| async {
            let why = match timeout(LONGEST, self.lister.dependants()).await {
                Ok(Ok(by_datasource)) => return Some(by_datasource),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no listing within {}", humantime::format_duration(LONGEST)),
            };
            tracing::warn!(
                error = why,
                "cannot read what depends on the datasources in use; their dependants are not recorded"
            );
            None
        });
        let names = read.await.as_ref()?.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let mut kept: Vec<_> =
            names.iter().take(MOST_NAMES).map(|name| self.credentials.redact(name.clone())).collect();
        if names.len() > MOST_NAMES {
            kept.push(format!("… and {} more", names.len() - MOST_NAMES));
        }
        Some(kept)
    }
}
