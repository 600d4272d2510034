//! What depends on a datasource that is in use: looked up once in a run, when it is first needed.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::OnceCell;
use tracing::Span;

use super::Lister;
use crate::domain::DatasourceName;

/// How long the look-up may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Knows the dependants of each datasource, once it was asked.
#[derive(Debug)]
pub(super) struct Dependants {
    lister: Lister,
    /// The run, which those who ask may not be in.
    run: Span,
    by_datasource: OnceCell<HashMap<String, Vec<String>>>,
}

impl From<Lister> for Dependants {
    fn from(lister: Lister) -> Self {
        Self { lister, run: Span::current(), by_datasource: OnceCell::new() }
    }
}

impl Dependants {
    /// The names of what depends on `name`; empty where they cannot be found, which is no reason
    /// to hold up what is certain.
    pub(super) async fn of(&self, name: &DatasourceName) -> Vec<String> {
        let read = self.by_datasource.get_or_init(|| async {
            // A clear answer waits for this to be recorded.
            let why = match tokio::time::timeout(PATIENCE, self.lister.datamarts()).await {
                Ok(Ok(by_datasource)) => return by_datasource,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no listing within {}", humantime::format_duration(PATIENCE)),
            };
            tracing::warn!(parent: &self.run, error = why, "what depends on the datasources in use is not recorded");
            HashMap::new()
        });
        read.await.get(name.as_str()).cloned().unwrap_or_default()
    }
}
