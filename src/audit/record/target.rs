//! What a target is, in the `detail` of its record: `kind`, `dependant_of` and `definition_sha256` of a datamart, and of
//! the datasource of a group the number of its `datamarts`. A datasource that is deleted by itself has none of them, as
//! in logs of earlier versions.

use serde::{Deserialize, Serialize};

use crate::domain::{ResourceKind, TargetRole};

/// The members of a target's `detail` that say what it is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dependant_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datamarts: Option<u64>,
}

/// Why a `detail` does not say what its target is.
#[derive(Debug, thiserror::Error)]
pub(in crate::audit) enum RoleError {
    #[error("the detail of a target is not a JSON object: {0}")]
    NotAnObject(#[from] serde_json::Error),
    #[error("a target of the kind {kind:?}, dependant of {of:?}, is not one that decom records")]
    Unknown { kind: Option<String>, of: Option<String> },
}

/// The role that `detail`, of a target's record, describes.
pub(in crate::audit) fn role_from_detail(detail: Option<&str>) -> Result<TargetRole, RoleError> {
    let Some(text) = detail else { return Ok(TargetRole::Datasource) };
    let detail: Detail = serde_json::from_str(text)?;
    let kind = detail.kind.as_deref().unwrap_or(ResourceKind::Datasource.as_str());
    match (kind.parse(), detail) {
        (Ok(ResourceKind::Datasource), Detail { dependant_of: None, datamarts, .. }) => Ok(match datamarts {
            Some(datamarts) => TargetRole::Group { datamarts },
            None => TargetRole::Datasource,
        }),
        (
            Ok(ResourceKind::Datamart),
            Detail { dependant_of: Some(of), definition_sha256: Some(definition_sha256), .. },
        ) => Ok(TargetRole::Dependant { of, definition_sha256 }),
        (_, Detail { kind, dependant_of: of, .. }) => Err(RoleError::Unknown { kind, of }),
    }
}

/// The `detail` of a target with this role.
pub(in crate::audit) fn detail_of_role(role: &TargetRole) -> Option<String> {
    let detail = match role {
        TargetRole::Datasource => return None,
        TargetRole::Group { datamarts } => Detail { datamarts: Some(*datamarts), ..Detail::default() },
        TargetRole::Dependant { of, definition_sha256 } => Detail {
            kind: Some(ResourceKind::Datamart.as_str().to_owned()),
            dependant_of: Some(of.clone()),
            definition_sha256: Some(definition_sha256.clone()),
            datamarts: None,
        },
    };
    // Fails only for a map whose keys are not text, and this is none.
    serde_json::to_string(&detail).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_were_written() {
        for role in [
            TargetRole::Datasource,
            TargetRole::Group { datamarts: 0 },
            TargetRole::Group { datamarts: 3 },
            TargetRole::Dependant { of: "a \"b\" ü".to_owned(), definition_sha256: "00".repeat(32) },
        ] {
            let detail = detail_of_role(&role);
            assert_eq!(role_from_detail(detail.as_deref()).unwrap(), role, "{detail:?}");
        }
        let message = r#"{"message_id":"1","redelivered":true}"#;
        assert_eq!(role_from_detail(Some(message)).unwrap(), TargetRole::Datasource);
    }

    #[test]
    fn refuses_what_decom_does_not_record() {
        for detail in [
            "protected",
            "[]",
            r#"{"kind":"workspace"}"#,
            r#"{"kind":"datamart"}"#,
            r#"{"kind":"datamart","dependant_of":"a"}"#,
            r#"{"dependant_of":"a"}"#,
        ] {
            assert!(role_from_detail(Some(detail)).is_err(), "{detail}");
        }
    }
}
