//! How fast requests may leave, for all workers together.
//!
//! A [`Rate`] is what the user asks for, and a [`ServerWord`] is what an answer's headers say.

mod headers;
mod rate;
#[cfg(test)]
mod tests;

pub use headers::{Quota, ServerWord};
pub use rate::{Rate, RateError};
