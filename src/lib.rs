//! decom deletes Databrain datasources in bulk and can prove afterwards what it did.
pub mod emulator;
pub mod vocabulary;
