//! Datamarts: what they hold, that they keep their datasource, and that they can be deleted.

use http::{Method, StatusCode};
use serde_json::Value;

use super::{Lab, Reply, TOKEN, numbered, sent, strings};
use crate::emulator::{EmulatorOptions, FaultKind, Faults};

const LISTING: &str = "/api/v2/data-app/datamarts";

fn lab(names: usize, datamarts: u8, faults: &str) -> Lab {
    let faults: Faults = faults.parse().unwrap();
    Lab::new(EmulatorOptions { datamarts, faults, ..EmulatorOptions::new(TOKEN, numbered(names)) })
}

impl Lab {
    async fn entries(&self) -> Vec<Value> {
        self.get(LISTING).await.json()["data"].as_array().unwrap().clone()
    }

    async fn delete_datamart(&self, name: &str) -> Reply {
        let path = format!("/api/v2/data-app/datamart?datamartName={name}");
        sent(self.request(Method::DELETE, &path)).await.unwrap()
    }
}

fn reads(entry: &Value) -> &str {
    entry["companyIntegration"]["name"].as_str().unwrap()
}

#[tokio::test]
async fn a_datasource_goes_once_the_last_of_its_datamarts_is_gone() {
    let lab = lab(30, 3, "none");
    let entries = lab.entries().await;
    let free = numbered(30).filter(|name| !entries.iter().any(|entry| reads(entry) == name)).count();
    assert!(free > 0 && entries.len() > 30, "{free} without a datamart, {} datamarts", entries.len());
    for name in numbered(30) {
        for datamart in entries.iter().filter(|entry| reads(entry) == name) {
            assert_eq!(lab.delete(&name).await.code(), "DATASOURCE_IN_USE");
            let datamart = datamart["name"].as_str().unwrap();
            let reply = lab.delete_datamart(datamart).await;
            assert_eq!(reply.json(), serde_json::json!({ "id": datamart, "error": null }));
            assert_eq!(lab.delete_datamart(datamart).await.code(), "INVALID_REQUEST_BODY");
        }
        assert_eq!(lab.delete(&name).await.status, StatusCode::OK, "{name}");
    }
    assert_eq!((lab.entries().await.len(), lab.listed().await.len()), (0, 0));
    let tally = lab.emulator.tally();
    assert_eq!((tally.deletions, tally.datamart_deletions), (30, entries.len() as u64));
}

#[tokio::test]
async fn names_that_are_like_that_of_a_datamart_are_not_found() {
    let lab = lab(10, 3, "none");
    let entries = lab.entries().await;
    let name = entries[0]["name"].as_str().unwrap();
    for other in [&name[1..], &name.to_uppercase(), &format!("{name}0"), "x-1", "x-0", "-1", "1", "x-99999"] {
        assert_eq!(lab.delete_datamart(other).await.code(), "INVALID_REQUEST_BODY", "{other}");
    }
    for query in ["", "?datasourceName=x", "?datamartName="] {
        let request = lab.request(Method::DELETE, &format!("/api/v2/data-app/datamart{query}"));
        assert_eq!(sent(request).await.unwrap().code(), "INVALID_REQUEST_BODY", "{query}");
    }
    assert_eq!(lab.entries().await, entries);
}

#[tokio::test]
async fn pages_of_datamarts_move_up_when_one_is_deleted() {
    let lab = lab(40, 3, "none");
    let all = strings(&lab.get(LISTING).await.json()["data"], |entry| &entry["name"]);
    lab.delete_datamart(&all[2]).await;
    let second = lab.get(&format!("{LISTING}?isPagination=true&pageNumber=2")).await;
    assert_eq!(strings(&second.json()["data"], |entry| &entry["name"]), all[11..21]);
}

#[tokio::test]
async fn definitions_have_the_documented_form_and_belong_to_the_seed() {
    let entries = lab(20, 3, "none").entries().await;
    assert_eq!(entries, lab(20, 3, "none").entries().await);
    for entry in &entries {
        let tables = entry["datamartTables"].as_array().unwrap();
        assert!(!tables.is_empty());
        for table in tables {
            assert!(table["tableName"].is_string() && table["schemaName"].is_string());
            let columns = table["datamartTableColumns"].as_array().unwrap();
            assert!(columns.len() >= 2 && columns.iter().all(|column| column["columnName"].is_string()));
        }
        let level = &entry["datamartOrganization"]["tenancyLevel"];
        assert!(level.is_null() || level == "DATABASE", "{level}");
    }
}

#[tokio::test]
async fn shared_datasources_and_workspaces_are_drawn_by_name() {
    let lab = lab(200, 0, "shared=20%,workspace=20%");
    let entries = lab.entries().await;
    assert!(!entries.is_empty());
    assert!(entries.iter().all(|entry| entry["datamartOrganization"]["tenancyLevel"] == "TABLE"));
    for entry in &entries {
        lab.delete_datamart(entry["name"].as_str().unwrap()).await;
    }
    let mut bound = 0;
    for name in numbered(200) {
        let reply = lab.delete(&name).await;
        if reply.status == StatusCode::OK {
            continue;
        }
        // No listing shows why, and it stays so.
        assert_eq!(reply.code(), "DATASOURCE_IN_USE");
        assert_eq!(lab.delete(&name).await.code(), "DATASOURCE_IN_USE");
        bound += 1;
    }
    assert!((20..=60).contains(&bound), "{bound}");
    assert_eq!(lab.emulator.tally().faults[&FaultKind::Workspace], 2 * bound);
}

#[tokio::test]
async fn requests_for_datamarts_meet_the_faults_of_requests() {
    let lab = lab(100, 3, "http500=20%,http500-after=20%,login-page=10%");
    let (mut failed, mut login) = (0, 0);
    for entry in lab.entries().await {
        let name = entry["name"].as_str().unwrap();
        let mut reply = lab.delete_datamart(name).await;
        while reply.status == 500 || reply.body.contains("Sign in") {
            if reply.status == 500 {
                failed += 1;
            } else {
                login += 1;
            }
            reply = lab.delete_datamart(name).await;
        }
        // Deleted now, or by a request that got a 500.
        assert!(reply.status == 200 || reply.code() == "INVALID_REQUEST_BODY", "{reply:?}");
    }
    assert!(failed > 10 && login > 5, "{failed} {login}");
    assert_eq!(lab.entries().await.len(), 0);
}

#[tokio::test]
async fn datamarts_appear_move_and_change_once_they_were_listed() {
    for (fault, what) in
        [("new-datamart", "new"), ("moved-datamart", "moved"), ("changed-datamart", "changed")]
    {
        let lab = lab(30, 0, &format!("{fault}=50%"));
        let (first, second) = (lab.entries().await, lab.entries().await);
        assert_eq!(second, lab.entries().await, "once");
        let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
        let before = |entry: &Value| first.iter().find(|other| name(other) == name(entry));
        let tables = |entry: &Value| entry["datamartTables"].as_array().unwrap().len();
        let mut changed = 0;
        for entry in &second {
            let what_is = match before(entry) {
                None => "new",
                Some(other) if reads(other) != reads(entry) => "moved",
                Some(other) if tables(other) + 1 == tables(entry) => "changed",
                Some(other) => {
                    assert_eq!(other, entry);
                    continue;
                }
            };
            assert_eq!(what_is, what);
            changed += 1;
        }
        assert!((8..=22).contains(&changed), "{fault}: {changed}");
        assert!(first.iter().all(|entry| second.iter().any(|other| name(other) == name(entry))));
        // Each datasource is kept by those that read it now.
        for datasource in numbered(30) {
            for entry in second.iter().filter(|entry| reads(entry) == datasource) {
                assert_eq!(lab.delete(&datasource).await.code(), "DATASOURCE_IN_USE");
                assert_eq!(lab.delete_datamart(&name(entry)).await.status, StatusCode::OK);
            }
            assert_eq!(lab.delete(&datasource).await.status, StatusCode::OK, "{fault} {datasource}");
        }
    }
}
