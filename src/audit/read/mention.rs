//! If a text of a run mentions a target that is not the one whose customer will read it.

use super::AuditReader;
use crate::audit::AuditError;
use crate::audit::record::request_from_detail;

/// A shorter name is looked for as a word, because most texts hold its letters.
const SHORT: usize = 3;

impl AuditReader {
    /// Returns true if `text` holds neither the name nor the customer of any target of the run but those called as in
    /// `own`.
    pub fn names_no_other(&self, run_id: &str, text: &str, own: &[&str]) -> Result<bool, AuditError> {
        let text = text.to_lowercase();
        let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
        let mentions = |name: &str| {
            let name = name.trim().to_lowercase();
            match name.chars().count() {
                0 => false,
                1..SHORT => words.contains(&name.as_str()),
                _ => text.contains(&name),
            }
        };
        let mut own_customers = Vec::new();
        self.any_target(run_id, &mut |name, detail| {
            if own.contains(&name) {
                own_customers.extend(request_from_detail(detail).customer);
            }
            false
        })?;
        let is_mentioned = self.any_target(run_id, &mut |name, detail| {
            let customer = || request_from_detail(detail).customer.filter(|it| !own_customers.contains(it));
            !own.contains(&name) && (mentions(name) || customer().is_some_and(|customer| mentions(&customer)))
        })?;
        Ok(!is_mentioned)
    }

    /// Returns true if all targets of the run are called as in `own`.
    pub fn has_no_other(&self, run_id: &str, own: &[&str]) -> Result<bool, AuditError> {
        Ok(!self.any_target(run_id, &mut |name, _| !own.contains(&name))?)
    }

    /// Returns true if `is_it` holds for the name and the `detail` of any target of the run.
    fn any_target(
        &self,
        run_id: &str,
        is_it: &mut dyn FnMut(&str, Option<&str>) -> bool,
    ) -> Result<bool, AuditError> {
        let query =
            "SELECT t.name, t.detail FROM record r JOIN record t ON t.run = r.seq AND t.kind = 'target'
                      WHERE r.kind = 'run' AND r.name = ?1";
        let mut any = || {
            let mut statement = self.connection.prepare_cached(query)?;
            let mut rows = statement.query([run_id])?;
            while let Some(row) = rows.next()? {
                if is_it(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str_or_null()?) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        any().map_err(|e| self.failed(e))
    }
}
