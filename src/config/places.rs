//! Knows where each setting was set, and says there what is wrong with it.

use std::path::PathBuf;
use std::time::Duration;

use figment::Figment;

use super::ConfigError;

/// Knows where each setting was set, and says what is wrong with it there.
pub(super) struct Places<'a>(pub(super) &'a Figment);

impl Places<'_> {
    /// Where `key` was set.
    pub(super) fn of(&self, key: &str) -> String {
        self.0.find_metadata(key).map_or_else(String::new, |metadata| metadata.name.to_string())
    }

    pub(super) fn invalid(
        &self,
        key: &'static str,
        value: impl std::fmt::Display,
        why: impl std::fmt::Display,
    ) -> ConfigError {
        ConfigError::Invalid { place: self.of(key), key, value: value.to_string(), why: why.to_string() }
    }

    pub(super) fn whole<T: TryFrom<i64>>(
        &self,
        key: &'static str,
        value: i64,
        least: i64,
        most: i64,
    ) -> Result<T, ConfigError> {
        let fits = (least..=most).contains(&value).then(|| T::try_from(value).ok()).flatten();
        fits.ok_or_else(|| {
            let range = if most == i64::MAX { "on".to_owned() } else { format!("to {most}") };
            self.invalid(key, value, format!("a whole number from {least} {range} is needed"))
        })
    }

    pub(super) fn duration(&self, key: &'static str, value: &str) -> Result<Duration, ConfigError> {
        self.up_to(key, value, Duration::from_hours(24), "a day")
    }

    /// A duration that may be long, and is not nothing.
    pub(super) fn long(&self, key: &'static str, value: &str) -> Result<Duration, ConfigError> {
        match self.up_to(key, value, Duration::from_hours(24 * 366), "a year")? {
            Duration::ZERO => Err(self.invalid(key, value, "it must be longer than nothing, like 24h or 7d")),
            duration => Ok(duration),
        }
    }

    pub(super) fn up_to(
        &self,
        key: &'static str,
        value: &str,
        most: Duration,
        in_words: &str,
    ) -> Result<Duration, ConfigError> {
        let wrong =
            |why: String| self.invalid(key, value, format!("{why}; write it like 500ms, 30s, 2m or 1h"));
        let duration = humantime::parse_duration(value).map_err(|error| wrong(error.to_string()))?;
        if duration > most {
            return Err(wrong(format!("it is longer than {in_words}")));
        }
        Ok(duration)
    }

    pub(super) fn positive(&self, key: &'static str, value: &str) -> Result<Duration, ConfigError> {
        match self.duration(key, value)? {
            Duration::ZERO => {
                Err(self.invalid(key, value, "it must be longer than nothing, like 500ms or 30s"))
            }
            duration => Ok(duration),
        }
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    pub(super) fn path(&self, value: &str) -> Option<PathBuf> {
        (!value.is_empty()).then(|| PathBuf::from(value))
    }

    /// A filter of the log. A word alone that is no level would be taken for a module, and silence
    /// everything else.
    pub(super) fn level(&self, value: String) -> Result<String, ConfigError> {
        let level = |word: &str| {
            ["off", "error", "warn", "info", "debug", "trace"].iter().any(|it| it.eq_ignore_ascii_case(word))
        };
        let words = value.split(',').map(str::trim);
        if words.clone().any(|word| !word.is_empty() && !word.contains(['=', '[']) && !level(word)) {
            let why = "write a level such as `info`, or a filter such as `info,decom=debug`";
            return Err(self.invalid("log.level", value.escape_debug(), why));
        }
        Ok(value)
    }

    /// A text of one line, as it goes into the log and on paper.
    pub(super) fn line(&self, key: &'static str, value: String) -> Result<Option<String>, ConfigError> {
        if value.chars().count() > 1000 {
            return Err(self.invalid(
                key,
                format!("{}…", value.chars().take(40).collect::<String>()),
                "it is longer than 1000 characters",
            ));
        }
        if value.chars().any(char::is_control) {
            return Err(self.invalid(key, value.escape_debug(), "it holds a control character"));
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }
}
