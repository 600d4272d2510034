//! Any text as a rate, a list of faults, a duration or a delimiter: parsing never panics, every accepted value is
//! within its bounds, and its displayed form parses to the same value.
//!
//! Input: a letter for the kind (`r`, `f`, `d`, `s`), then the text.
#![no_main]

use std::time::Duration;

use decom::config::{Environment, Flags, Settings};
use decom::emulator::Faults;
use decom::ratelimit::Rate;
use decom::input::parse_delimiter;
use libfuzzer_sys::fuzz_target;

const DAY: Duration = Duration::from_hours(24);

fuzz_target!(|input: &[u8]| {
    let Some((what, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match what {
        b'r' => rate(text),
        b'f' => faults(text),
        b'd' => duration(text),
        b's' => separator(text),
        _ => {}
    }
});

fn rate(text: &str) {
    let Ok(rate) = text.parse::<Rate>() else { return };
    assert_eq!(rate.to_string().parse(), Ok(rate), "{rate}");
    let Rate::Ceiling { requests, window } = rate else {
        assert_eq!((rate.burst(), rate.time_for(1)), (None, None));
        return;
    };
    assert!((Duration::from_millis(1)..=DAY).contains(&window));
    let burst = rate.burst().expect("a ceiling has a burst");
    assert!(burst.get() == 1 || burst.get() <= requests.get() / 50);
    // The requests of one window never take longer than a window, apart from rounding up to nanoseconds.
    let whole = rate.time_for(requests.get().into()).expect("a ceiling has a shortest time");
    assert!(whole <= window + Duration::from_nanos(requests.get().into()));
    assert!(rate.time_for(u64::MAX) >= rate.time_for(u64::MAX / 2));
    for factor in [0, 1, 60, u32::MAX] {
        let faster = rate.scaled(factor);
        assert!(faster.time_for(1_000_000) <= rate.time_for(1_000_000));
        assert!(matches!(faster, Rate::Ceiling { window, .. } if !window.is_zero()));
    }
}

fn faults(text: &str) {
    match text.parse::<Faults>() {
        Ok(faults) => assert_eq!(faults.to_string().parse(), Ok(faults), "{faults}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn duration(text: &str) {
    let environment = Environment::of([("DECOM_GRACE".into(), text.into())]);
    match Settings::resolve(None, &environment, &Flags::default()) {
        Ok(settings) => assert!(settings.run.grace <= DAY),
        Err(error) => assert!(error.to_string().contains("run.grace"), "{error}"),
    }
}

fn separator(text: &str) {
    if let Ok(separator) = parse_delimiter(text) {
        assert!(separator.is_ascii() && !matches!(separator, b'"' | b'\r' | b'\n'));
    }
}
