//! What a run would do, shown before anything is done.

use std::io::{self, Write};

use serde_json::json;

use super::shown::{distinct, grouped, visible};

/// How many names of each kind are shown where not all are asked for.
const SOME: usize = 5;

/// What a run would do.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// Where the API is.
    pub host: String,
    /// How many targets the input names.
    pub count: u64,
    /// How many rows named one again.
    pub repeated: u64,
    /// The first of these names.
    pub repeated_names: Vec<String>,
    /// How many would be deleted.
    pub due: u64,
    /// The first of these.
    pub first: Vec<String>,
    /// The last of these that are not among the first.
    pub last: Vec<String>,
    /// All of these, where they are asked for.
    pub to_delete: Option<Vec<String>>,
    /// Protected targets, each with why.
    pub protected: Names,
    /// Targets that are gone already, each with since when.
    pub already_deleted: Names,
    /// What the listing says, where it was read.
    pub listed: Option<Listed>,
    /// Why nothing is known of what exists, where that is worth a line.
    pub unlisted: Option<&'static str>,
    /// The guards: what each looks at, and why it refuses where it does.
    pub guards: Vec<(String, Held)>,
    /// The digest of the saved plan that this is, and who approved it.
    pub plan: Option<(String, Option<String>)>,
    /// The share of them that this process takes, and how many are to be deleted of it.
    pub share: Option<(String, u64)>,
    /// How long it would take, and at which rate.
    pub time: Option<(String, String)>,
    /// Whether this is all that will happen: every line says so.
    pub dry_run: bool,
    /// Whether every name is shown, and not only some.
    pub whole: bool,
}

/// What a guard says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It lets the run through.
    Holds,
    /// It refuses the run, for this reason.
    Refuses(String),
    /// It could not be asked, for this reason.
    Unchecked(&'static str),
}

/// Names, each with a word on it: all of them, or only the first few and how many there are.
#[derive(Debug, Clone, Default)]
pub struct Names {
    count: u64,
    named: Vec<(String, String)>,
}

impl Names {
    /// So many names, of which these are known: all, or the first few.
    #[must_use]
    pub const fn new(count: u64, named: Vec<(String, String)>) -> Self {
        Self { count, named }
    }

    fn of(named: Vec<(String, String)>) -> Self {
        Self { count: named.len() as u64, named }
    }
}

/// What the listing says of the targets that would be deleted.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// How many datasources there are in all.
    pub all: u64,
    /// How many of the targets exist.
    pub exist: u64,
    /// Targets that do not exist, each with the names that do and are like it, and in what they differ.
    pub missing: Vec<(String, Vec<(String, String)>)>,
    /// Targets that are in use, each with what depends on it; `None` where that is not known.
    pub in_use: Option<Vec<(String, Vec<String>)>>,
}

/// A number, and what there is so many of.
fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

impl Planned {
    /// Shows it to machines as `json`, or else to people.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write, json: bool) -> io::Result<()> {
        if json { self.print_json(out) } else { self.print(out) }
    }

    /// Shows it to people.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines =
            vec![format!("{} on {}", counted(self.count, "datasource", "datasources"), self.host)];
        if let Some((digest, approver)) = &self.plan {
            lines.push(format!("  plan {digest}"));
            lines.push(match approver {
                Some(approver) => format!("  approved by {}", visible(approver)),
                None => "  approved by nobody".to_owned(),
            });
        }
        if self.repeated > 0 {
            lines.push(format!("  {} one of them again", counted(self.repeated, "row names", "rows name")));
            lines.extend(self.repeated_names.iter().map(|name| format!("      {}", distinct(name))));
        }
        lines.push(format!("  {} to delete", grouped(self.due)));
        if let Some((shard, due)) = &self.share {
            lines.push(format!("  {} of these by this process, {shard}", grouped(*due)));
        }
        let between = self.due.saturating_sub((self.first.len() + self.last.len()) as u64);
        lines.extend(self.first.iter().map(|name| format!("      {}", distinct(name))));
        if between > 0 {
            lines.push(format!("      … {} more …", grouped(between)));
        }
        lines.extend(self.last.iter().map(|name| format!("      {}", distinct(name))));
        match (&self.listed, self.unlisted) {
            (Some(listed), _) => self.add_listed(listed, &mut lines),
            (None, Some(why)) => lines.push(format!("  how many of them exist is not known: {why}")),
            (None, None) => {}
        }
        self.add(&mut lines, "protected, and skipped", &self.protected);
        self.add(
            &mut lines,
            "already deleted according to the audit log, and skipped",
            &self.already_deleted,
        );
        if let Some((time, rate)) = &self.time {
            lines.push(format!("  about {time} at {rate}"));
        }
        for (guard, held) in &self.guards {
            match held {
                Held::Holds => lines.push(format!("  guard {guard}: holds")),
                Held::Refuses(why) => lines.push(format!("  guard {guard}: REFUSES: {why}")),
                Held::Unchecked(why) => lines.push(format!("  guard {guard}: not checked: {why}")),
            }
        }
        let mark = if self.dry_run { "(dry run) " } else { "" };
        for line in lines {
            writeln!(out, "{mark}{line}")?;
        }
        Ok(())
    }

    fn add_listed(&self, listed: &Listed, lines: &mut Vec<String>) {
        lines.push(format!(
            "  {}, of {} in all",
            counted(listed.exist, "of them exists", "of them exist"),
            counted(listed.all, "datasource", "datasources")
        ));
        let missing: Vec<_> = listed
            .missing
            .iter()
            .map(|(name, near)| {
                let near = near.iter().map(|(near, differs_in)| {
                    format!("`{}` does, and differs in {differs_in}", visible(near))
                });
                (name.clone(), near.collect::<Vec<_>>().join("; "))
            })
            .collect();
        // What nearly exists is the likeliest slip, and is never left out.
        let (near, far): (Vec<_>, Vec<_>) = missing.into_iter().partition(|(_, hint)| !hint.is_empty());
        let missing = |n: usize| if n == 1 { "does not exist" } else { "do not exist" };
        self.add(lines, missing(far.len()), &Names::of(far));
        if !near.is_empty() {
            let (n, missing) = (grouped(near.len() as u64), missing(near.len()));
            lines.push(format!("  {n} {missing}, but something like it does:"));
            lines.extend(
                near.iter().map(|(name, hint)| format!("      `{}` does not exist; {hint}", visible(name))),
            );
        }
        match &listed.in_use {
            None => lines.push("  what is in use could not be read".to_owned()),
            Some(in_use) => {
                let in_use: Vec<_> = in_use
                    .iter()
                    .map(|(name, used_by)| {
                        (name.clone(), format!("used by {}", visible(&used_by.join(", "))))
                    })
                    .collect();
                self.add(lines, "in use, which the API refuses", &Names::of(in_use));
            }
        }
    }

    fn add(&self, lines: &mut Vec<String>, what: &str, names: &Names) {
        if names.count == 0 {
            return;
        }
        lines.push(format!("  {} {what}", grouped(names.count)));
        let shown = if self.whole { names.named.len() } else { SOME.min(names.named.len()) };
        for (name, why) in &names.named[..shown] {
            let why = if why.is_empty() { String::new() } else { format!("  {why}") };
            lines.push(format!("      {}{why}", distinct(name)));
        }
        if (shown as u64) < names.count {
            lines.push(format!("      … {} more …", grouped(names.count - shown as u64)));
        }
    }

    /// Shows it to machines, as one JSON object.
    fn print_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let pairs = |names: &Names| {
            names.named.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>()
        };
        let lists = |lists: &[(String, Vec<String>)], key: &str| {
            lists.iter().map(|(name, others)| json!({ "name": name, key: others })).collect::<Vec<_>>()
        };
        let listed = self.listed.as_ref().map(|listed| {
            let missing = listed.missing.iter().map(|(name, near)| {
                json!({ "name": name, "near": near.iter().map(|(near, _)| near).collect::<Vec<_>>() })
            });
            json!({
                "all": listed.all,
                "exist": listed.exist,
                "missing": missing.collect::<Vec<_>>(),
                "in_use": listed.in_use.as_ref().map(|in_use| lists(in_use, "used_by")),
            })
        });
        let guards: Vec<_> = self
            .guards
            .iter()
            .map(|(guard, held)| match held {
                Held::Holds => json!({ "guard": guard, "holds": true, "why": null }),
                Held::Refuses(why) => json!({ "guard": guard, "holds": false, "why": why }),
                Held::Unchecked(why) => json!({ "guard": guard, "holds": null, "why": why }),
            })
            .collect();
        let object = json!({
            "dry_run": self.dry_run,
            "host": self.host,
            "targets": self.count,
            "repeated_rows": self.repeated,
            "repeated_names": self.repeated_names,
            "plan_digest": self.plan.as_ref().map(|(digest, _)| digest),
            "approved_by": self.plan.as_ref().and_then(|(_, approver)| approver.as_ref()),
            "due": self.due,
            "share": self.share.as_ref().map(|(shard, due)| json!({ "shard": shard, "due": due })),
            "to_delete": self.to_delete,
            "listing": listed,
            "protected": pairs(&self.protected),
            "already_deleted": pairs(&self.already_deleted),
            "guards": guards,
            "would_start": !self.guards.iter().any(|(_, held)| matches!(held, Held::Refuses(_))),
            "time": self.time.as_ref().map(|(time, _)| time),
            "rate": self.time.as_ref().map(|(_, rate)| rate),
        });
        writeln!(out, "{object}")
    }
}
