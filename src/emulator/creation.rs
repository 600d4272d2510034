//! The request that creates a datamart, and the entry of the listing that it makes.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::datamarts::COLUMNS;

/// The body of the request, as the API documents it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Creation {
    pub(super) name: String,
    pub(super) datasource_name: String,
    table_list: Vec<Table>,
    #[serde(default)]
    tenancy_settings: Option<Tenancy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Table {
    name: String,
    columns: Vec<Column>,
    schema_name: Option<String>,
    client_column: Option<String>,
    label: Option<String>,
    is_hide: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Column {
    name: String,
    alias: Option<String>,
    label: Option<String>,
    is_hide: Option<bool>,
    #[serde(rename = "isCustomColumn")]
    is_custom: Option<bool>,
    sql: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tenancy {
    #[serde(rename = "tenancyLevel")]
    level: String,
    client_column_type: String,
    schema_name: Option<String>,
    table_name: Option<String>,
    table_client_name_column: Option<String>,
    table_primary_key_column: Option<String>,
}

/// Why a request creates nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotCreated {
    Malformed(&'static str),
    Tenancy,
}

impl Creation {
    pub(super) fn read(body: &[u8]) -> Result<Self, NotCreated> {
        let creation: Self =
            serde_json::from_slice(body).map_err(|_| NotCreated::Malformed("Invalid request body"))?;
        if creation.table_list.is_empty() {
            return Err(NotCreated::Malformed("Table list cannot be empty"));
        }
        if creation.name.is_empty() || creation.table_list.iter().any(|table| table.columns.is_empty()) {
            return Err(NotCreated::Malformed("Invalid table or column structure"));
        }
        let is_known = |tenancy: &Tenancy| {
            ["TABLE", "DATABASE"].contains(&tenancy.level.as_str())
                && ["NUMBER", "STRING"].contains(&tenancy.client_column_type.as_str())
        };
        if !creation.tenancy_settings.as_ref().is_none_or(is_known) {
            return Err(NotCreated::Tenancy);
        }
        Ok(creation)
    }

    /// The entry of the listing.
    pub(super) fn entry(&self) -> Value {
        let tables = self.table_list.iter().map(|table| {
            let columns: Vec<_> = table.columns.iter().map(Column::entry).collect();
            object([
                ("tableName", json!(table.name)),
                ("schemaName", json!(table.schema_name)),
                ("clientColumn", json!(table.client_column)),
                ("label", json!(table.label)),
                ("isHide", json!(table.is_hide)),
                ("datamartTableColumns", json!(columns)),
            ])
        });
        let organization = self.tenancy_settings.as_ref().map(|tenancy| {
            object([
                ("tenancyLevel", json!(tenancy.level)),
                ("clientColumnType", json!(tenancy.client_column_type)),
                ("schemaName", json!(tenancy.schema_name)),
                ("tableName", json!(tenancy.table_name)),
                ("tableClientNameColumn", json!(tenancy.table_client_name_column)),
                ("tablePrimaryKeyColumn", json!(tenancy.table_primary_key_column)),
            ])
        });
        object([
            ("name", json!(self.name)),
            ("companyIntegration", json!({ "name": self.datasource_name })),
            ("datamartTables", tables.collect()),
            ("datamartRelationships", json!([])),
            ("datamartOrganization", json!(organization)),
        ])
    }
}

impl Column {
    fn entry(&self) -> Value {
        // The real API reads the type from the database.
        let datatype = COLUMNS.iter().find(|(name, _)| *name == self.name).map_or("varchar", |(_, of)| of);
        object([
            ("columnName", json!(self.name)),
            ("datatype", json!(datatype)),
            ("alias", json!(self.alias)),
            ("label", json!(self.label)),
            ("isHide", json!(self.is_hide)),
            ("isCustomColumn", json!(self.is_custom)),
            ("sql", json!(self.sql)),
        ])
    }
}

/// An object of the members that have a value.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}
