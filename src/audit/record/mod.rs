//! The format of a log: the canonical form of its records, its schema, the statements that
//! checkpoints make about it, and what makes a file a log.
//!
//! Whoever writes, reads, verifies or archives logs builds on this, and this on none of them.

mod canonical;
mod checkpoints;
mod file;
mod lineage;
mod order;
mod schema;
mod statement;
mod target;

#[cfg(test)]
pub(super) use canonical::COLUMNS;
pub use canonical::chain_hash;
pub(super) use canonical::{APPEND, BEFORE_THE_FIRST, Hash, Head, Kind, Record, rehash};
pub(super) use checkpoints::{StatementFile, hold_against_folder, statement_paths};
pub(super) use file::{
    BUSY_TIMEOUT, Content, NO_DATABASE, Schema, beside, has_content, has_wal, real_path, refuse_orphans,
    refuse_other_things, schema_of,
};
pub(super) use lineage::{Predecessor, refuse_closed};
pub(super) use order::not_before;
pub(super) use schema::{
    SCHEMA_VERSION, SchemaDifferences, make_log, make_merged, partial_indexes, replace_views, seal,
    show_views,
};
pub(super) use statement::signature_of;
pub use statement::{Link, PURPOSE, Statement};
pub(super) use target::{detail_of_target, request_from_detail, role_from_detail};
