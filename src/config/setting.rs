//! What is known of each setting before any value is read: its default, its flag, its variables.

use std::sync::LazyLock;

use figment::error::Actual;
use figment::value::Value;

use super::DEFAULTS;
use super::flags::flag_names;
use super::toml_value::{document, value_of};

/// Variables that begin with `DECOM_` and are not settings.
const OTHER_VARIABLES: [&str; 1] = ["DECOM_CONFIG"];

/// Settings of which a value takes a check away, or makes a success of what is none.
const WEAKENING: [&str; 4] =
    ["api.allow_http", "safety.ignore_not_found", "safety.listing_check", "run.accept"];

/// All settings, as `config/default.toml` lists them.
pub(super) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let flags = flag_names();
    let defaults = document(DEFAULTS).ok();
    let sections = defaults.iter().flat_map(|defaults| defaults.iter());
    let keys = sections.flat_map(|(section, item)| {
        item.as_table_like()
            .into_iter()
            .flat_map(move |table| table.iter().map(move |(key, default)| (section, key, default)))
    });
    let setting = |(section, key, default): (&str, &str, &toml_edit::Item)| {
        let long = format!("{section}_{key}");
        let flag = flags.iter().find(|(name, _)| *name == key || *name == long);
        Setting {
            section: section.to_owned(),
            key: key.to_owned(),
            default: value_of(DEFAULTS, default),
            is_fraction: default.as_float().is_some(),
            flag: flag.map(|(_, flag)| flag.clone()),
        }
    };
    keys.map(setting).collect()
});

/// A setting.
pub(super) struct Setting {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) default: Value,
    /// If it is a number that may have a fraction, which its default keeps as a text.
    is_fraction: bool,
    pub(super) flag: Option<String>,
}

impl Setting {
    /// Returns true if it takes a check away or hides an outcome: none of these is suggested for what is misspelled.
    pub(super) fn weakens(&self) -> bool {
        WEAKENING.contains(&self.path().as_str())
    }

    /// As `section.key`.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    pub(super) const fn is_fraction(&self) -> bool {
        self.is_fraction
    }

    /// Returns true if a flag's field of this name sets it.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.key == name || format!("{}_{}", self.section, self.key) == name
    }

    /// The variables that set it: with its section, like its flag, and, for a flag that begins with `no-`, also
    /// without that, which says the opposite.
    pub(super) fn variables(&self) -> Vec<Variable> {
        let flag = self.flag.as_deref().unwrap_or_default();
        let plain = flag.strip_prefix("no-");
        let named = |name: &str, is_inverted| {
            let name = format!("DECOM_{}", name.replace(['.', '-'], "_").to_ascii_uppercase());
            Variable { name, is_inverted }
        };
        let mut variables = vec![named(&self.path(), false)];
        for (name, is_inverted) in [(plain.unwrap_or(flag), false), (flag, plain.is_some())] {
            let variable = named(name, is_inverted);
            if !name.is_empty() && variables.iter().all(|known| known.name != variable.name) {
                variables.push(variable);
            }
        }
        variables
    }

    /// What `text` in a variable says of it. A text that its kind cannot be stays one, and is refused later.
    pub(super) fn value(&self, text: &str, is_inverted: bool) -> Value {
        match self.default.to_actual() {
            Actual::Seq => Value::from(items(text)),
            Actual::Bool(_) => truth(text).map_or_else(|| text.into(), |truth| (truth != is_inverted).into()),
            Actual::Signed(_) => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            _ => text.into(),
        }
    }
}

/// A variable of the environment that sets something, or, inverted, its opposite.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) is_inverted: bool,
}

/// Returns true if `name` is not a mistake: it has another use here, or Kubernetes made it for a service that is
/// called `decom`, or `decom-` and something.
pub(super) fn is_foreign(name: &str) -> bool {
    OTHER_VARIABLES.contains(&name)
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

/// The items of a list in a variable, with commas or line breaks between, except within braces or brackets, which
/// belong to a glob. An empty item is kept: it is a mistake, which the user of the list reports.
fn items(text: &str) -> Vec<String> {
    let (mut items, mut braces, mut in_class) = (vec![String::new()], 0_usize, false);
    for c in text.trim_end_matches(['\n', '\r']).chars() {
        match c {
            ']' => in_class = false,
            '[' => in_class = true,
            '{' if !in_class => braces += 1,
            '}' if !in_class => braces = braces.saturating_sub(1),
            _ => {}
        }
        match items.last_mut() {
            Some(item) if c != '\n' && (c != ',' || in_class || braces > 0) => item.push(c),
            _ => items.push(String::new()),
        }
    }
    items.iter().map(|item| item.trim().to_owned()).collect()
}

/// What a text says of a switch.
fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}
