//! Tests of the pace.

mod headers;
mod rate;

use std::time::Duration;

use super::Rate;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
