//! `decom config`: the documented defaults, every value in force, or the schema of the configuration file.

use std::io::{self, Write};

use serde_json::json;

use super::CommandError;
use super::context::{Options, World};
use super::output::to_stdout;
use crate::config::{self, DEFAULTS, EffectiveSetting, effective_settings};
use crate::domain::ExitStatus;
use crate::report::visible;

/// What `decom config` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigRequest {
    /// The documented defaults: a configuration file that changes nothing.
    Defaults,
    /// Every value in force, and where it comes from.
    Effective,
    /// The JSON Schema of the configuration file.
    Schema,
}

/// Prints the configuration.
///
/// # Errors
/// If the settings that are asked for are not valid.
pub fn config(request: ConfigRequest, options: &Options, world: &World) -> Result<ExitStatus, CommandError> {
    match request {
        ConfigRequest::Defaults if !options.json => to_stdout(|out| out.write_all(DEFAULTS.as_bytes()))?,
        ConfigRequest::Schema => {
            let schema = config::schema()?;
            to_stdout(|out| writeln!(out, "{schema:#}"))?;
        }
        // The defaults as JSON are the settings without a file, a variable or a flag.
        ConfigRequest::Defaults => {
            let settings =
                effective_settings(None, &config::Environment::default(), &config::Flags::default())?;
            to_stdout(|out| write_json(out, &settings))?;
        }
        ConfigRequest::Effective => {
            let settings = effective_settings(options.config.as_deref(), &world.environment, &options.flags)?;
            to_stdout(
                |out| if options.json { write_json(out, &settings) } else { write_toml(out, &settings) },
            )?;
        }
    }
    Ok(ExitStatus::Done)
}

/// Writes the settings as a configuration file that sets each of them; the places are comments.
fn write_toml(out: &mut dyn Write, settings: &[EffectiveSetting]) -> io::Result<()> {
    let mut section = "";
    for setting in settings {
        if setting.section != section {
            if !section.is_empty() {
                writeln!(out)?;
            }
            section = setting.section;
            writeln!(out, "[{section}]")?;
        }
        let (key, places) = (setting.key, visible(&setting.places.join("; ")).into_owned());
        match &setting.value {
            // A text or a list of texts in JSON is one in TOML as well.
            Some(value) => writeln!(out, "{:<50} # {places}", format!("{key} = {value}"))?,
            None => writeln!(out, "# {key} is set ({places}), and not shown because it is a secret")?,
        }
    }
    Ok(())
}

fn write_json(out: &mut dyn Write, settings: &[EffectiveSetting]) -> io::Result<()> {
    let object = |setting: &EffectiveSetting| {
        let name = format!("{}.{}", setting.section, setting.key);
        let (value, from) = (&setting.value, &setting.places);
        json!({ "setting": name, "value": value, "is_secret": value.is_none(), "from": from }).to_string()
    };
    let lines: Vec<_> = settings.iter().map(object).collect();
    writeln!(out, "[{}]", lines.join(",\n"))
}
