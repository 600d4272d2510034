//! Names in the log that are like one that is not there: a different spelling of it, or else a likely slip.

use super::{AuditReader, LogSeries};
use crate::audit::AuditError;
use crate::domain::{ResourceKind, near_miss_key, nearest};

/// How many names are returned at most.
const MOST: usize = 3;

impl LogSeries {
    /// The names that differ from `name` only in what is hard to see or easy to confuse; if there are none, the one
    /// that it is most likely a misspelling of.
    pub fn near(&self, kind: Option<ResourceKind>, name: &str) -> Result<Vec<String>, AuditError> {
        let key = near_miss_key(name);
        let (mut alike, mut slip): (Vec<String>, Option<String>) = (Vec::new(), None);
        for reader in self.readers() {
            reader.each_name(kind, &mut |candidate| {
                if near_miss_key(candidate) == key {
                    if alike.len() < MOST && !alike.iter().any(|known| known == candidate) {
                        alike.push(candidate.to_owned());
                    }
                } else {
                    slip = nearest(name, slip.as_deref().into_iter().chain([candidate]));
                }
            })?;
        }
        Ok(if alike.is_empty() { slip.into_iter().collect() } else { alike })
    }
}

impl AuditReader {
    /// Hands each name of a target of this kind, or of both, to `take`; some of them more than once.
    fn each_name(&self, kind: Option<ResourceKind>, take: &mut dyn FnMut(&str)) -> Result<(), AuditError> {
        let failed = |e| self.failed(e);
        let query = "SELECT DISTINCT name, coalesce(detail ->> '$.kind', 'datasource') AS kind
                       FROM record WHERE kind = 'target' ORDER BY name";
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let of: String = row.get(1).map_err(failed)?;
            if kind.is_none_or(|kind| kind.as_str() == of) {
                take(row.get_ref(0).and_then(|name| Ok(name.as_str()?)).map_err(failed)?);
            }
        }
        Ok(())
    }
}
