//! What depends on a datasource that is in use: looked up once in a run, when it is first needed.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::Lister;
use crate::domain::{DatasourceName, Token};

/// How long the look-up may take: a clear answer waits for it to be recorded.
const LONGEST: Duration = Duration::from_secs(5);

/// How many names are recorded for one datasource.
const MOST_NAMES: usize = 100;

/// Knows the dependants of each datasource, once it was asked.
pub struct Dependants {
    lister: Lister,
    token: Token,
    by_datasource: OnceCell<HashMap<String, Vec<String>>>,
}

impl Dependants {
    #[must_use]
    pub fn new(lister: Lister, token: Token) -> Self {
        Self { lister, token, by_datasource: OnceCell::new() }
    }

    /// Returns the names of what depends on `name`, the token redacted and 100 of them at most; none if they cannot be
    /// found, which must not hold up what is certain.
    pub async fn of(&self, name: &DatasourceName) -> Vec<String> {
        let read = self.by_datasource.get_or_init(|| async {
            let why = match timeout(LONGEST, self.lister.datamarts()).await {
                Ok(Ok(by_datasource)) => return by_datasource,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no listing within {}", humantime::format_duration(LONGEST)),
            };
            tracing::warn!(error = why, "what depends on the datasources in use is not recorded");
            HashMap::new()
        });
        let Some(names) = read.await.get(name.as_str()) else { return Vec::new() };
        let mut kept: Vec<_> =
            names.iter().take(MOST_NAMES).map(|name| self.token.redact(name.clone())).collect();
        if names.len() > MOST_NAMES {
            kept.push(format!("… and {} more", names.len() - MOST_NAMES));
        }
        kept
    }
}
