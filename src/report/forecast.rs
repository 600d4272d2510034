//! What a run would do, shown before it begins.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::groups::{self, GroupsSummary};
use super::guard_line::{GuardLine, GuardResult};
use super::text::{delimited, grouped, rounded, visible};

/// How many names of each kind are shown unless all are asked for.
const SOME: usize = 5;

/// What a run would do.
#[derive(Debug, Clone, Default)]
pub struct Forecast {
    /// The host of the API.
    pub host: String,
    /// The number of targets.
    pub count: u64,
    /// The number of rows that repeat a name.
    pub repeated: u64,
    /// The first of the repeated names.
    pub repeated_names: Vec<String>,
    /// The number of targets to delete.
    pub due: u64,
    /// The first targets to delete.
    pub first: Vec<String>,
    /// The last targets to delete, without the first ones.
    pub last: Vec<String>,
    /// All targets to delete, if they are asked for.
    pub to_delete: Option<Vec<String>>,
    /// Protected targets, each with the reason.
    pub protected: NameList,
    /// Targets that must not be deleted for now, each with the reason.
    pub on_hold: NameList,
    /// Targets that are gone already, each with the time.
    pub already_deleted: NameList,
    /// Targets that were deleted earlier and exist again, each with the time.
    pub exists_again: NameList,
    /// Targets that are skipped because of a datamart, each with the reason.
    pub kept: NameList,
    /// The datamarts that are taken along; `None` if none are to be.
    pub datamarts: Option<GroupsSummary>,
    /// What the listing shows, if it was read.
    pub listing: Option<ListingSummary>,
    /// Why the listing was not read, if that is worth a line.
    pub no_listing: Option<&'static str>,
    /// Each guard, and its result.
    pub guards: Vec<GuardLine>,
    /// The digest of the saved plan, and its approver.
    pub plan: Option<(String, Option<String>)>,
    /// The share of this process, and the number of targets to delete in it.
    pub share: Option<(String, u64)>,
    /// The estimated time in seconds, and the rate.
    pub time: Option<(Duration, String)>,
    /// What is out of the ordinary about the way to the API, a phrase each.
    pub unusual: Vec<String>,
    /// Nothing else will happen, so every line is marked.
    pub dry_run: bool,
    /// Show every skipped name.
    pub whole: bool,
    /// Show every name that is to be deleted.
    pub all: bool,
}

/// Names, each with a note, or the first few of them and their number.
#[derive(Debug, Clone, Default)]
pub struct NameList {
    count: u64,
    named: Vec<(String, String)>,
}

impl NameList {
    /// `count` names, of which these are known.
    #[must_use]
    pub const fn new(count: u64, named: Vec<(String, String)>) -> Self {
        Self { count, named }
    }

    fn all(named: Vec<(String, String)>) -> Self {
        Self { count: named.len() as u64, named }
    }
}

/// What the listing shows of the targets to delete.
#[derive(Debug, Clone, Default)]
pub struct ListingSummary {
    /// The number of all datasources.
    pub all: u64,
    /// The number of targets that exist.
    pub exist: u64,
    /// Targets that do not exist, each with similar names that do, and in what they differ.
    pub missing: Vec<(String, Vec<(String, String)>)>,
    /// Targets in use; `None` if what depends on them could not be read.
    pub in_use: Option<Vec<InUse>>,
    /// Targets that probably serve several customers, each with the datamart that shows it.
    pub shared: Vec<(String, String)>,
}

/// A target that is in use.
#[derive(Debug, Clone)]
pub struct InUse {
    pub name: String,
    /// The datamarts that read it, each with its tenancy level.
    pub used_by: Vec<(String, Option<String>)>,
}

/// A number and its noun.
fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

impl Forecast {
    /// What will happen to the targets as far as the listing shows, in one line; `None` if it was not read.
    #[must_use]
    pub fn effect(&self) -> Option<String> {
        // The listing is about the whole input, and this process takes a share of it.
        let listing = self.listing.as_ref().filter(|_| self.share.is_none())?;
        let in_use = listing.in_use.as_ref().map(|in_use| in_use.len() as u64);
        let deleted = grouped(listing.exist.saturating_sub(in_use.unwrap_or(0)));
        let up_to = if in_use.is_none() { "up to " } else { "" };
        let is = |n: u64| if n == 1 { "is" } else { "are" };
        let missing = listing.missing.len() as u64;
        let parts = [
            (missing, if missing == 1 { "does not exist".to_owned() } else { "do not exist".to_owned() }),
            (in_use.unwrap_or(0), format!("{} in use", is(in_use.unwrap_or(0)))),
            (self.protected.count, format!("{} protected", is(self.protected.count))),
            (self.on_hold.count, format!("{} on hold", is(self.on_hold.count))),
            (self.already_deleted.count, format!("{} already deleted", is(self.already_deleted.count))),
            (self.exists_again.count, "deleted earlier, and there again".to_owned()),
            (self.kept.count, "kept because of a datamart".to_owned()),
        ];
        let occurring = parts.into_iter().filter(|(n, _)| *n > 0);
        let mut all = vec![match &self.datamarts {
            Some(datamarts) => {
                let deleted =
                    groups::counted(listing.exist.saturating_sub(in_use.unwrap_or(0)), "datasource");
                format!("{up_to}{deleted} and {} will be deleted", groups::counted(datamarts.due, "datamart"))
            }
            None => format!("{up_to}{deleted} will be deleted"),
        }];
        all.extend(occurring.map(|(n, what)| format!("{} {what}", grouped(n))));
        Some(all.join(", "))
    }

    /// Writes it as JSON or for people.
    pub fn write(&self, out: &mut dyn Write, json: bool) -> io::Result<()> {
        if json { self.print_json(out) } else { self.print(out) }
    }

    /// Writes it for people.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines =
            vec![format!("{} on {}", counted(self.count, "datasource", "datasources"), self.host)];
        lines.extend(self.effect().map(|effect| format!("  {effect}")));
        if let Some((digest, approver)) = &self.plan {
            lines.push(format!("  plan {digest}"));
            lines.push(match approver {
                Some(approver) => format!("  approved by {}", visible(approver)),
                None => "  not approved".to_owned(),
            });
        }
        lines.extend(self.unusual.iter().map(|what| format!("  NOTE: {}", visible(what))));
        if self.repeated > 0 {
            lines.push(format!("  {} a name", counted(self.repeated, "row repeats", "rows repeat")));
            lines.extend(self.repeated_names.iter().map(|name| format!("      {}", delimited(name))));
        }
        lines.push(match &self.datamarts {
            Some(datamarts) => format!(
                "  {} to delete, and {} with them",
                groups::counted(self.due, "datasource"),
                groups::counted(datamarts.due, "datamart")
            ),
            None => format!("  {} to delete", grouped(self.due)),
        });
        if let Some((shard, due)) = &self.share {
            lines.push(format!("  {} of these in this process, {shard}", grouped(*due)));
        }
        let shown = |name: &String| format!("      {}", delimited(name));
        if let Some(all) = self.to_delete.as_ref().filter(|_| self.all) {
            lines.extend(all.iter().map(shown));
        } else {
            let between = self.due.saturating_sub((self.first.len() + self.last.len()) as u64);
            lines.extend(self.first.iter().map(shown));
            if between > 0 {
                let hint = if self.to_delete.is_some() { " (--all shows them)" } else { "" };
                lines.push(format!("      … {} more …{hint}", grouped(between)));
            }
            lines.extend(self.last.iter().map(shown));
        }
        if let Some(datamarts) = &self.datamarts {
            datamarts.add_to(&mut lines);
        }
        match (&self.listing, self.no_listing) {
            (Some(_), _) if self.due == 0 => {}
            (Some(listing), _) => self.add_listing(listing, &mut lines),
            (None, Some(why)) => lines.push(format!("  existence was not checked: {why}")),
            (None, None) => {}
        }
        self.add(&mut lines, "protected and skipped", &self.protected);
        self.add(&mut lines, "on hold and skipped", &self.on_hold);
        let already = "already deleted according to the audit log and skipped";
        if self.whole || self.already_deleted.count <= SOME as u64 {
            self.add(&mut lines, already, &self.already_deleted);
        } else {
            // Night after night the same names: their number is enough.
            lines.push(format!("  {} {already}", grouped(self.already_deleted.count)));
        }
        self.add(&mut lines, "deleted earlier, there again, and skipped", &self.exists_again);
        self.add(&mut lines, "kept because of a datamart and skipped", &self.kept);
        if let Some((time, rate)) = &self.time {
            lines.push(format!("  about {} at {rate}", rounded(*time)));
        }
        for line in &self.guards {
            let guard = line.title();
            match &line.result {
                // Nothing is to be deleted, which no guard minds.
                GuardResult::Passes if self.due == 0 && !self.whole => {}
                GuardResult::Passes => lines.push(format!("  guard {guard}: passes")),
                GuardResult::Refuses(why) => {
                    lines.push(format!("  guard {guard}: REFUSES: {}", visible(why)));
                }
                GuardResult::Unchecked(why) => lines.push(format!("  guard {guard}: not checked: {why}")),
            }
        }
        let mark = if self.dry_run { "(dry run) " } else { "" };
        for line in lines {
            writeln!(out, "{mark}{line}")?;
        }
        Ok(())
    }

    fn add_listing(&self, listing: &ListingSummary, lines: &mut Vec<String>) {
        lines.push(format!(
            "  {}, of {} in all",
            counted(listing.exist, "of them exists", "of them exist"),
            counted(listing.all, "datasource", "datasources")
        ));
        let missing: Vec<_> = listing
            .missing
            .iter()
            .map(|(name, near)| {
                let near = near.iter().map(|(near, differs_in)| {
                    format!("`{}` does, and differs in {differs_in}", visible(near))
                });
                (name.clone(), near.collect::<Vec<_>>().join("; "))
            })
            .collect();
        // A similar name is the likeliest mistake, so it is never left out.
        let (near, far): (Vec<_>, Vec<_>) = missing.into_iter().partition(|(_, hint)| !hint.is_empty());
        let missing = |n: usize| if n == 1 { "does not exist" } else { "do not exist" };
        self.add(lines, missing(far.len()), &NameList::all(far));
        if !near.is_empty() {
            let (n, missing) = (grouped(near.len() as u64), missing(near.len()));
            lines.push(format!("  {n} {missing}, but a similar name does:"));
            lines.extend(
                near.iter().map(|(name, hint)| format!("      `{}` does not exist; {hint}", visible(name))),
            );
        }
        match &listing.in_use {
            None => lines
                .push("  dependants were not checked: the list of datamarts could not be read".to_owned()),
            Some(in_use) => {
                let in_use: Vec<_> = in_use
                    .iter()
                    .map(|InUse { name, used_by }| {
                        let used_by = used_by.iter().map(|(name, tenancy)| match tenancy {
                            Some(level) => format!("{name} (tenancy {level})"),
                            None => name.clone(),
                        });
                        let used_by = used_by.collect::<Vec<_>>().join(", ");
                        (name.clone(), format!("used by {}", visible(&used_by)))
                    })
                    .collect();
                self.add(lines, "in use, which the API refuses", &NameList::all(in_use));
            }
        }
        if !listing.shared.is_empty() {
            let shared = listing.shared.iter().map(|(name, datamart)| {
                (name.clone(), format!("its datamart `{}` has the tenancy level TABLE", visible(datamart)))
            });
            self.add(lines, "PROBABLY SHARED BY SEVERAL CUSTOMERS", &NameList::all(shared.collect()));
        }
    }

    fn add(&self, lines: &mut Vec<String>, what: &str, names: &NameList) {
        if names.count == 0 {
            return;
        }
        lines.push(format!("  {} {what}", grouped(names.count)));
        let shown = if self.whole { names.named.len() } else { SOME.min(names.named.len()) };
        for (name, why) in &names.named[..shown] {
            let why = if why.is_empty() { String::new() } else { format!("  {why}") };
            lines.push(format!("      {}{why}", delimited(name)));
        }
        if (shown as u64) < names.count {
            lines.push(format!("      … {} more …", grouped(names.count - shown as u64)));
        }
    }

    /// Writes it as one JSON object.
    fn print_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let pairs = |names: &NameList| {
            names.named.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>()
        };
        let in_use = |InUse { name, used_by }: &InUse| {
            let (names, levels): (Vec<_>, Vec<_>) = used_by.iter().cloned().unzip();
            json!({ "name": name, "used_by": names, "tenancy": levels })
        };
        let shared = |(name, datamart): &(String, String)| json!({ "name": name, "shared_by": datamart });
        let listing = self.listing.as_ref().map(|listing| {
            let missing = listing.missing.iter().map(|(name, near)| {
                json!({ "name": name, "near": near.iter().map(|(near, _)| near).collect::<Vec<_>>() })
            });
            json!({
                "all": listing.all,
                "exist": listing.exist,
                "missing": missing.collect::<Vec<_>>(),
                "in_use": listing.in_use.as_ref().map(|all| all.iter().map(in_use).collect::<Vec<_>>()),
                "shared": listing.shared.iter().map(shared).collect::<Vec<_>>(),
            })
        });
        let guards: Vec<_> = self.guards.iter().map(GuardLine::object).collect();
        let object = json!({
            "dry_run": self.dry_run,
            "host": self.host,
            "unusual": self.unusual,
            "targets": self.count,
            "repeated_rows": self.repeated,
            "repeated_names": self.repeated_names,
            "plan_digest": self.plan.as_ref().map(|(digest, _)| digest),
            "approved_by": self.plan.as_ref().and_then(|(_, approver)| approver.as_ref()),
            "due": self.due,
            "share": self.share.as_ref().map(|(shard, due)| json!({ "shard": shard, "due": due })),
            "to_delete": self.to_delete,
            "listing": listing,
            "protected": pairs(&self.protected),
            "on_hold": pairs(&self.on_hold),
            "already_deleted": pairs(&self.already_deleted),
            "exists_again": pairs(&self.exists_again),
            "kept": pairs(&self.kept),
            "datamarts": self.datamarts.as_ref().map(GroupsSummary::object),
            "guards": guards,
            "would_start": !self.guards.iter().any(|line| matches!(line.result, GuardResult::Refuses(_))),
            "time": self.time.as_ref().map(|(time, _)| rounded(*time).to_string()),
            "seconds": self.time.as_ref().map(|(time, _)| time.as_secs_f64().ceil()),
            "rate": self.time.as_ref().map(|(_, rate)| rate),
        });
        writeln!(out, "{object}")
    }
}
