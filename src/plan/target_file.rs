//! Targets in a temporary file, a JSON line each, so that a list of any length takes little memory.

use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::SpooledTempFile;

use super::saved::SavedSkipReason;
use crate::domain::{CustomerRequest, DatasourceName, NewTarget, TargetRole};

/// How many bytes stay in memory before they go to disk.
const MEMORY: usize = 1024 * 1024;

/// An unnamed temporary file, or memory while that suffices.
pub(super) struct TargetFile {
    file: BufWriter<SpooledTempFile>,
}

/// One line: the name, its reason and ticket, who asked for it, and why it is skipped.
type Line<'a> =
    (&'a str, Option<&'a str>, Option<&'a str>, &'a CustomerRequest, Option<(SavedSkipReason, &'a str)>);
type OwnedLine = (String, Option<String>, Option<String>, CustomerRequest, Option<(SavedSkipReason, String)>);

impl TargetFile {
    /// An empty file in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self { file: BufWriter::new(tempfile::spooled_tempfile_in(MEMORY, folder)) }
    }

    /// Appends `target`.
    pub(super) fn push(&mut self, target: &NewTarget) -> io::Result<()> {
        let skip = target.skip.as_ref().map(|(reason, words)| ((*reason).into(), words.as_str()));
        let (reason, ticket) = (target.reason.as_deref(), target.ticket.as_deref());
        let line: Line<'_> = (target.name.as_str(), reason, ticket, &target.request, skip);
        serde_json::to_writer(&mut self.file, &line)?;
        self.file.write_all(b"\n")
    }

    /// The targets, from the first to the last.
    pub(super) fn read(&mut self) -> io::Result<impl Iterator<Item = io::Result<NewTarget>>> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        Ok(targets(file))
    }

    /// As [`TargetFile::read`], of a file that is not needed afterwards.
    pub(super) fn into_targets(
        self,
    ) -> io::Result<impl Iterator<Item = io::Result<NewTarget>> + Send + use<>> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(targets(file))
    }
}

fn targets(file: impl io::Read) -> impl Iterator<Item = io::Result<NewTarget>> {
    BufReader::new(file).lines().map(|line| {
        let (name, reason, ticket, request, skip): OwnedLine = serde_json::from_str(&line?)?;
        let name =
            DatasourceName::new(&name).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let (role, skip) = (TargetRole::Datasource, skip.map(|(reason, words)| (reason.into(), words)));
        Ok(NewTarget { name, role, reason, ticket, request, skip })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SkipReason;

    #[test]
    fn returns_targets_as_they_were_and_in_order() {
        let target = |name: String, reason: Option<&str>, skip: Option<_>| NewTarget {
            name: DatasourceName::new(&name).unwrap(),
            role: TargetRole::Datasource,
            reason: reason.map(str::to_owned),
            ticket: reason.map(|_| "OFF-1".to_owned()),
            request: CustomerRequest {
                customer: reason.map(str::to_owned),
                requested_at: skip.is_none().then(|| "2026-03-01".to_owned()),
            },
            skip,
        };
        let skip = Some((SkipReason::Protected, "matches `a\"b*`".to_owned()));
        let mut all =
            vec![target("a\"b, ü\\n".to_owned(), Some("one\ntwo"), None), target("b".to_owned(), None, skip)];
        // More than stay in memory.
        all.extend((0..50_000).map(|number| target(format!("kunde {number}"), Some(""), None)));
        let mut file = TargetFile::new(&std::env::temp_dir());
        for target in &all {
            file.push(target).unwrap();
        }
        assert!(file.read().unwrap().map(Result::unwrap).eq(all.clone()), "read");
        assert!(file.read().unwrap().map(Result::unwrap).eq(all.clone()), "read again");
        assert!(file.into_targets().unwrap().map(Result::unwrap).eq(all), "read for the last time");
    }
}
