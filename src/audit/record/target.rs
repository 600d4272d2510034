//! What a target is, in the `detail` of its record: `kind`, `dependant_of` and `definition_sha256` of a datamart, and of
//! the datasource of a group the number of its `datamarts`; `customer` and `requested_at` as the input has them. A
//! datasource that is deleted by itself, and of whose customer nothing is said, has none of them, as in logs of earlier
//! versions.

use serde::{Deserialize, Serialize};

use crate::domain::{CustomerRequest, ResourceKind, TargetRole};

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
    #[serde(flatten)]
    request: CustomerRequest,
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

/// Which customer asked for the target whose record has this `detail`.
pub(in crate::audit) fn request_from_detail(detail: Option<&str>) -> CustomerRequest {
    detail.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The `detail` of a target with this role, for which this customer asked.
pub(in crate::audit) fn detail_of_target(role: &TargetRole, request: &CustomerRequest) -> Option<String> {
    let detail = match role {
        TargetRole::Datasource if *request == CustomerRequest::default() => return None,
        TargetRole::Datasource => Detail::default(),
        TargetRole::Group { datamarts } => Detail { datamarts: Some(*datamarts), ..Detail::default() },
        TargetRole::Dependant { of, definition_sha256 } => Detail {
            kind: Some(ResourceKind::Datamart.as_str().to_owned()),
            dependant_of: Some(of.clone()),
            definition_sha256: Some(definition_sha256.clone()),
            ..Detail::default()
        },
    };
    let detail = Detail { request: request.clone(), ..detail };
    // Fails only for a map whose keys are not text, and this is none.
    serde_json::to_string(&detail).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> CustomerRequest {
        CustomerRequest {
            customer: Some("Acme \"A\" Ltd".to_owned()),
            requested_at: Some("2026-03-01".to_owned()),
        }
    }

    #[test]
    fn roles_are_read_as_they_were_written() {
        for role in [
            TargetRole::Datasource,
            TargetRole::Group { datamarts: 0 },
            TargetRole::Group { datamarts: 3 },
            TargetRole::Dependant { of: "a \"b\" ü".to_owned(), definition_sha256: "00".repeat(32) },
        ] {
            for request in [CustomerRequest::default(), request()] {
                let detail = detail_of_target(&role, &request);
                assert_eq!(role_from_detail(detail.as_deref()).unwrap(), role, "{detail:?}");
                assert_eq!(request_from_detail(detail.as_deref()), request, "{detail:?}");
            }
        }
        assert_eq!(detail_of_target(&TargetRole::Datasource, &CustomerRequest::default()), None);
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
