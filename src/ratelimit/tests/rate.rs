//! How a rate is written, and what follows from it.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::{ms, rate, secs};
use crate::ratelimit::{Rate, RateError};

fn ceiling(requests: u32, window: Duration) -> Rate {
    Rate::Ceiling { requests: NonZeroU32::new(requests).unwrap(), window }
}

#[test]
fn documented_forms_are_accepted() {
    assert_eq!(rate("480/2m"), ceiling(480, secs(120)));
    assert_eq!(rate("4/s"), ceiling(4, secs(1)));
    assert_eq!(rate("10/500ms"), ceiling(10, ms(500)));
    assert_eq!(rate("1000/1h"), ceiling(1000, secs(3600)));
    assert_eq!(rate("7/m"), ceiling(7, secs(60)));
    assert_eq!(rate("1/24h"), ceiling(1, secs(86_400)));
    assert_eq!(rate("4294967295/1ms"), ceiling(u32::MAX, ms(1)));
    assert_eq!(rate("auto"), Rate::Auto);
    assert_eq!(rate("unlimited"), Rate::Unlimited);
    assert_eq!(Rate::DEFAULT, rate("480/2m"));
}

#[test]
fn each_malformed_rate_is_refused_with_its_cause() {
    let refusal = |text: &str| text.parse::<Rate>().unwrap_err();
    for text in ["", "480", "fast", "AUTO", "480 per 2m"] {
        let error = refusal(text);
        assert!(matches!(error, RateError::Shape { .. } | RateError::Space { .. }), "{text:?}: {error:?}");
    }
    for text in [" 480/2m", "480 /2m", "480/2 m", "480/2m\n", "auto "] {
        assert!(matches!(refusal(text), RateError::Space { .. }), "{text:?}");
    }
    for text in ["0/2m", "-1/2m", "+5/2m", "4294967296/1h", "1.5/s", "/s", "x/s", "99999999999999999999999/s"]
    {
        assert!(matches!(refusal(text), RateError::Requests { .. }), "{text:?}");
    }
    for text in ["480/2", "480/0", "480/", "480/-2m", "480/2x", "480/2m/3", "480/99999999999999999999999s"] {
        assert!(matches!(refusal(text), RateError::Window { .. }), "{text:?}");
    }
    for text in ["480/0s", "480/0ms", "480/25h", "480/86401s", "480/100us", "1/1y"] {
        assert!(matches!(refusal(text), RateError::WindowRange { .. }), "{text:?}");
    }
}

#[test]
fn an_error_quotes_the_text_and_gives_an_example() {
    for text in ["nonsense", "4 /s", "0/2m", "480/2", "480/0s"] {
        let message = text.parse::<Rate>().unwrap_err().to_string();
        assert!(message.contains(&format!("{text:?}")), "{message}");
        assert!(message.contains("480/2m"), "{message}");
    }
}

#[test]
fn the_burst_is_a_fiftieth_of_the_requests_and_at_least_one() {
    let burst = |text: &str| rate(text).burst().map(NonZeroU32::get);
    assert_eq!(burst("480/2m"), Some(9));
    assert_eq!(burst("1/s"), Some(1));
    assert_eq!(burst("99/s"), Some(1));
    assert_eq!(burst("100/s"), Some(2));
    assert_eq!(burst("auto"), None);
    assert_eq!(burst("unlimited"), None);
}

#[test]
fn scaling_shortens_only_the_window() {
    assert_eq!(rate("480/2m").scaled(60), rate("480/2s"));
    assert_eq!(rate("480/2m").scaled(0), rate("480/2m"));
    assert_eq!(rate("1/1ms").scaled(u32::MAX), ceiling(1, Duration::from_nanos(1)));
    assert_eq!(Rate::Auto.scaled(60), Rate::Auto);
    assert_eq!(Rate::Unlimited.scaled(60), Rate::Unlimited);
}

#[test]
fn the_time_for_a_run_excludes_requests_that_may_leave_at_once() {
    assert_eq!(rate("480/2m").time_for(0), Some(Duration::ZERO));
    assert_eq!(rate("480/2m").time_for(5), Some(Duration::ZERO));
    assert_eq!(rate("480/2m").time_for(485), Some(secs(120)));
    assert_eq!(rate("480/2m").time_for(10_000), Some(ms(2_498_750)));
    assert_eq!(rate("1/24h").time_for(u64::MAX), Some(Duration::MAX));
    assert_eq!(Rate::Auto.time_for(5), None);
    assert_eq!(Rate::Unlimited.time_for(5), None);
}

#[test]
fn a_rate_is_serialised_as_its_text() {
    let written = serde_json::to_string(&rate("480/2m")).unwrap();
    assert_eq!(written, "\"480/2m\"");
    assert_eq!(serde_json::from_str::<Rate>(&written).unwrap(), rate("480/2m"));
    let refusal = serde_json::from_str::<Rate>("\"480\"").unwrap_err().to_string();
    assert!(refusal.contains("480/2m"), "{refusal}");
}

proptest! {
    #[test]
    fn a_displayed_rate_parses_to_the_same_rate(requests in 1..u32::MAX, window in 1_000_000..86_400_000_000_000_u64) {
        let rate = ceiling(requests, Duration::from_nanos(window));
        prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
    }

    #[test]
    fn no_text_causes_a_panic(text in "\\PC{0,20}|[0-9+-]{0,25}/[0-9a-zµ .-]{0,25}") {
        if let Ok(rate) = text.parse::<Rate>() {
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }
    }
}
