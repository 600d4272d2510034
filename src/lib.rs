//! decom deletes Databrain datasources in bulk and can prove afterwards what it did.
pub mod pace;
pub mod vocabulary;
