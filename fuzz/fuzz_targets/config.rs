//! Any text as the configuration file: resolving it never panics, every accepted value is within the bounds that the
//! documented defaults state, and every error names the file.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use decom::config::{ConfigError, Environment, Flags, Settings};
use libfuzzer_sys::fuzz_target;

const DAY: Duration = Duration::from_hours(24);

/// In memory if there is such a folder: this file is written for every input.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    folder.join(format!("decom-fuzz-{}.toml", std::process::id()))
});

fuzz_target!(|file: &[u8]| {
    fs::write(&*FILE, file).expect("the folder can be written");
    match Settings::resolve(Some(&FILE), &Environment::default(), &Flags::default()) {
        Ok(settings) => check(&settings),
        Err(error) => check_error(&error),
    }
});

fn check(settings: &Settings) {
    assert!(!settings.audit.db.as_os_str().is_empty() && settings.audit.clock_tolerance <= DAY);
    assert!((1..=1024).contains(&settings.pace.concurrency));
    assert!((1..=20).contains(&settings.retry.max_attempts));
    let safety = &settings.safety;
    assert!(safety.max_share > 0.0 && safety.max_share <= 100.0);
    assert!(safety.breaker_failures >= 1 && safety.breaker_failures <= safety.breaker_window);
    let api = &settings.api;
    for length in [
        api.connect_timeout,
        api.response_timeout,
        api.attempt_timeout,
        settings.pace.max_pause,
        settings.retry.first_backoff,
        settings.retry.longest_backoff,
    ] {
        assert!(!length.is_zero() && length <= DAY);
    }
    let run = &settings.run;
    assert!(run.grace <= DAY);
    for text in [&run.operator, &run.reason, &run.ticket].into_iter().flatten() {
        assert!(!text.is_empty() && !text.chars().any(char::is_control));
    }
}

fn check_error(error: &ConfigError) {
    let message = error.to_string();
    let file = FILE.display().to_string();
    assert!(message.contains(&file), "an error that does not name the file: {message}");
    if let ConfigError::Syntax { line, column, .. } = error {
        assert!(*line >= 1 && *column >= 1);
    }
}
