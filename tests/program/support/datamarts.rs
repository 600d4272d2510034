//! Datamarts as a test lists them, with all that their deletion asks for.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Reply, Request, Server};

/// The entry of a datamart with this many tables, of two columns each.
pub fn entry(name: &str, reads: &str, tables: usize) -> Value {
    let table = |number| {
        json!({
            "schemaName": "public",
            "tableName": format!("table{number}"),
            "datamartTableColumns": [{ "columnName": "id" }, { "columnName": "name" }],
        })
    };
    json!({
        "name": name,
        "companyIntegration": { "name": reads },
        "datamartTables": (0..tables).map(table).collect::<Vec<_>>(),
        "datamartOrganization": { "tenancyLevel": "DATABASE" },
    })
}

/// Lists datamarts with one table each, by name and datasource.
pub fn list(server: &Server, pairs: &[(&str, &str)]) {
    list_entries(server, pairs.iter().map(|(name, reads)| entry(name, reads, 1)).collect());
}

pub fn list_entries(server: &Server, entries: Vec<Value>) {
    server.answer_datamarts(move |_| Reply::json(200, &json!({ "data": entries, "error": null })));
}

/// An API that carries out every deletion, with `acme` and its datamarts `sales` and `web`, `globex` and its `crm`,
/// `plain` without any, and others that nothing asks about.
pub fn api() -> Server {
    let gone = Arc::new(Mutex::new(HashSet::new()));
    let is_left = |gone: &Mutex<HashSet<String>>, name: &str| !gone.lock().unwrap().contains(name);
    let deleting = gone.clone();
    let server = Server::start(move |request| {
        deleting.lock().unwrap().insert(request.name.clone());
        confirmed(request)
    });
    let listing = gone.clone();
    server.answer_listing(move |_| {
        let left = DATASOURCES.iter().filter(|name| is_left(&listing, name));
        let entries: Vec<_> = left.map(|name| json!({ "name": name })).collect();
        Reply::json(200, &json!({ "data": entries }))
    });
    server.answer_datamarts(move |_| {
        let left = DATAMARTS.iter().filter(|(name, _)| is_left(&gone, name));
        let entries: Vec<_> = left.map(|(name, reads)| entry(name, reads, 1)).collect();
        Reply::json(200, &json!({ "data": entries, "error": null }))
    });
    server
}

/// The confirmation of a deletion.
pub fn confirmed(request: &Request) -> Reply {
    if request.is_of_datamart() { Reply::datamart_deleted(&request.name) } else { Reply::deleted() }
}

pub const DATASOURCES: &[&str] =
    &["acme", "globex", "plain", "other1", "other2", "other3", "other4", "other5"];

/// The datamarts of [`api`].
pub const DATAMARTS: &[(&str, &str)] = &[
    ("web", "acme"),
    ("sales", "acme"),
    ("crm", "globex"),
    ("other-a", "other1"),
    ("other-b", "other2"),
    ("other-c", "other3"),
    ("other-d", "other4"),
];
