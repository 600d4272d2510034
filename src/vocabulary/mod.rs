//! The words that every room speaks. They stand at the ground and import nothing of the house.

mod name;

pub use name::{DatasourceName, MAX_NAME_BYTES, NameError};
