//! The names of what depends on a datasource that is in use: read once in a run, when they are first needed, and again
//! for a datasource whose own datamarts the run has deleted.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::Lister;
use crate::domain::{Credentials, Target, Verdict};

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

    /// Returns the names of the datamarts that read the datasource `target`, with the token redacted and at most 100;
    /// `None` if they cannot be read.
    pub async fn of(&self, target: &Target) -> Option<Vec<String>> {
        let name = target.name.as_str();
        if target.may_be_released(Verdict::InUse) {
            // What was read before may hold those that the run has deleted since.
            return Some(self.kept(&self.read().await?.remove(name).unwrap_or_default()));
        }
        let by_datasource = self.by_datasource.get_or_init(|| self.read()).await.as_ref()?;
        Some(self.kept(by_datasource.get(name).map(Vec::as_slice).unwrap_or_default()))
    }

    async fn read(&self) -> Option<HashMap<String, Vec<String>>> {
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
    }

    fn kept(&self, names: &[String]) -> Vec<String> {
        let mut kept: Vec<_> =
            names.iter().take(MOST_NAMES).map(|name| self.credentials.redact(name.clone())).collect();
        if names.len() > MOST_NAMES {
            kept.push(format!("… and {} more", names.len() - MOST_NAMES));
        }
        kept
    }
}
