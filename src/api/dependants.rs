//! What depends on a datasource that is in use: looked up once in a run, when it is first needed.

use std::collections::HashMap;

use tokio::sync::OnceCell;

use super::Lister;
use crate::vocabulary::DatasourceName;

/// Knows the dependants of each datasource, once it was asked.
#[derive(Debug)]
pub(super) struct Dependants {
    lister: Lister,
    by_datasource: OnceCell<HashMap<String, Vec<String>>>,
}

impl From<Lister> for Dependants {
    fn from(lister: Lister) -> Self {
        Self { lister, by_datasource: OnceCell::new() }
    }
}

impl Dependants {
    /// The names of what depends on `name`; empty where they cannot be found, which is no reason
    /// to hold up what is certain.
    pub(super) async fn of(&self, name: &DatasourceName) -> Vec<String> {
        let read = self.by_datasource.get_or_init(|| async {
            self.lister.datamarts().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "what depends on the datasources in use is not recorded");
                HashMap::new()
            })
        });
        read.await.get(name.as_str()).cloned().unwrap_or_default()
    }
}
