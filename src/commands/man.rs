//! `decom man`: the man pages, one for each command, made from the help.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::CommandError;
use super::context::VERSION;
use super::output::to_stdout;
use crate::domain::{ExitStatus, Place, write_whole_file};

/// What `decom man` is asked for.
#[derive(Debug, Clone)]
pub struct ManRequest {
    /// The folder for all pages; without one, the page of decom itself is printed.
    pub out: Option<PathBuf>,
}

/// Prints or writes the man pages of `program`, the whole command line.
///
/// # Errors
/// If the folder or a page cannot be written.
pub fn man(request: &ManRequest, program: Command) -> Result<ExitStatus, CommandError> {
    let mut program = named_parts(program);
    program.build();
    let pages = pages(&program, &[]);
    let Some(folder) = &request.out else {
        to_stdout(|out| pages.iter().take(1).try_for_each(|page| page.write(out)))?;
        return Ok(ExitStatus::Done);
    };
    fs::create_dir_all(folder).map_err(|error| {
        let folder = folder.display();
        CommandError::Usage(format!("{folder}: cannot make this folder: {error}; name another with --out"))
    })?;
    for page in &pages {
        let path = folder.join(format!("{}.1", page.name()));
        write_whole_file(&path, Place::Kind(&[PAGE]), None, |out| page.write(out))
            .map_err(|source| CommandError::Output { path, source })?;
    }
    Ok(ExitStatus::Done)
}

/// Calls the parts of each command what the help calls them. There is no page for `help`: it would be empty.
fn named_parts(command: Command) -> Command {
    let command = command.disable_help_subcommand(true).mut_subcommands(named_parts);
    command.subcommand_value_name("COMMAND").subcommand_help_heading("COMMANDS")
}

/// How each page begins.
const PAGE: &str = ".ie \\n(.g";

/// The man page of a command.
struct Page<'a> {
    command: &'a Command,
    /// The names of the pages of the commands that this one is a part of.
    above: Vec<&'a str>,
}

/// The pages of `command` and of all its parts, its own first.
fn pages<'a>(command: &'a Command, above: &[&'a str]) -> Vec<Page<'a>> {
    let page = Page { command, above: above.to_vec() };
    let below = [above, &[page.name()]].concat();
    let parts = command.get_subcommands().flat_map(|part| pages(part, &below)).collect::<Vec<_>>();
    [page].into_iter().chain(parts).collect()
}

impl<'a> Page<'a> {
    fn name(&self) -> &'a str {
        self.command.get_display_name().unwrap_or_else(|| self.command.get_name())
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let man = Man::new(self.command.clone())
            .title(self.name().to_uppercase())
            .source(format!("decom {VERSION}"))
            .manual("decom manual");
        man.render_title(out)?;
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)?;
        if self.command.has_subcommands() {
            man.render_subcommands_section(out)?;
        }
        let help = self.command.get_after_long_help().or_else(|| self.command.get_after_help());
        if let Some(help) = help {
            write_closing(&help.to_string(), out)?;
        }
        self.write_references(out)
    }

    /// The pages of the commands that this one is a part of.
    fn write_references(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.above.is_empty() {
            return Ok(());
        }
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]);
        let mut line = Vec::new();
        for name in &self.above {
            if !line.is_empty() {
                line.push(roman(", "));
            }
            line.extend([bold(*name), roman("(1)")]);
        }
        roff.text(line);
        roff.to_writer(out)
    }
}

/// What the help ends with. A line such as `Exit codes:` begins a section, whose lines stay as they are.
fn write_closing(help: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    let mut is_open = false;
    for block in help.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()) {
        let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
        let heading = first.strip_suffix(':').filter(|_| !first.starts_with(' ') && !rest.is_empty());
        if let Some(heading) = heading {
            roff.control("SH", [heading.to_uppercase().as_str()]);
        } else if is_open {
            roff.control("PP", []);
        } else {
            roff.control("SH", ["NOTES"]);
        }
        is_open = true;
        roff.control("nf", []);
        let lines = if heading.is_some() { rest } else { block };
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff.to_writer(out)
}
