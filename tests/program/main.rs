//! The real program, run as its users run it, against real files and a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::items_after_statements,
    clippy::semicolon_if_nothing_returned,
    clippy::similar_names,
    clippy::format_collect,
    clippy::float_cmp,
    clippy::too_many_lines,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod adding_up;
mod approvals;
mod audit_queries;
mod bad_input;
mod beginnings;
mod belief;
mod broker_outages;
mod certificate_checkpoints;
mod certificate_page;
mod certificates;
mod changed_groups;
mod checks;
mod clocks;
mod colors;
mod configuration;
mod confirmation;
mod customer_certificates;
mod datamart_requests;
mod datasette;
mod day_budget;
mod day_budget_of_workers;
mod definitions;
mod digests;
mod doubt;
mod eight_nights;
mod evidence_schemas;
mod exports;
mod fail_closed;
mod foreign_readers;
mod group_faults;
mod group_guards;
mod group_order;
mod group_plans;
mod guard_table;
mod guards;
mod help_pages;
mod hold_changes;
mod holds;
mod kinds;
mod kubernetes;
mod layers;
mod listing_names;
mod listings;
mod machine_forms;
mod merges;
mod metrics;
mod notice_events;
mod notices;
mod obstacles;
mod old_logs;
mod one_file;
mod outputs;
mod overwriting;
mod pace;
mod periods;
mod plan_binding;
mod plan_runs;
mod plan_waits;
mod plans;
mod poison;
mod poison_among_names;
mod printed_configuration;
mod probes;
mod prometheus;
mod queue_draining;
mod queue_jetstream;
mod queue_rabbitmq;
mod queue_redis;
#[cfg(feature = "sqs")]
mod queue_sqs;
mod quiet_nights;
mod readme;
mod records;
mod recreation;
mod refused_logs;
mod rehearsal;
mod reports;
mod resuming;
mod rotations;
mod schemas;
mod second_person;
mod secrets;
mod service_manager;
mod sessions;
mod settling;
mod shared_datasources;
mod sharing;
mod shells;
mod showing;
mod signals;
mod sleeping_workers;
mod spellings;
mod still_listed;
mod suggestions;
mod support;
mod system_limits;
mod systemd;
mod tampering;
mod timestamps;
mod tls;
mod token_rotation;
mod tool_lines;
#[cfg(feature = "otlp")]
mod traces;
mod verdict_table;
mod verdicts;
mod wal_order;
mod whole_listings;
mod working;
mod working_limits;
mod workshop;
