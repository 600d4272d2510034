//! The endpoints, and the parameters of their queries.

use std::borrow::Cow;

use url::form_urlencoded;

use super::inventory::Listing;
use crate::domain::ResourceKind;

const DATASOURCES: &str = "/api/v2/datasource";
const DATAMARTS: &str = "/api/v2/data-app/datamarts";
const DATAMART: &str = "/api/v2/data-app/datamart";

/// The values of a parameter, decoded once, with `+` for a space as Express decodes it.
pub(super) fn values<'a>(query: Option<&'a str>, key: &str) -> Vec<Cow<'a, str>> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.filter(|(k, _)| k == key).map(|(_, value)| value).collect()
}

/// The only value of a parameter. Express makes an array of several, which no endpoint takes.
fn value<'a>(query: Option<&'a str>, key: &str) -> Option<Cow<'a, str>> {
    let mut values = values(query, key);
    values.pop().filter(|_| values.is_empty())
}

/// The listing at this path.
pub(super) fn listed(path: &str) -> Option<Listing> {
    match path {
        DATASOURCES => Some(Listing::Datasources),
        DATAMARTS => Some(Listing::Datamarts),
        _ => None,
    }
}

/// Returns true if a datamart can be created at this path.
pub(super) fn creates(path: &str) -> bool {
    path == DATAMARTS
}

/// What can be deleted at this path.
pub(super) fn deletable(path: &str) -> Option<ResourceKind> {
    match path {
        DATASOURCES => Some(ResourceKind::Datasource),
        DATAMART => Some(ResourceKind::Datamart),
        _ => None,
    }
}

pub(super) const fn parameter(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Datasource => "datasourceName",
        ResourceKind::Datamart => "datamartName",
    }
}

pub(super) fn name_to_delete(kind: ResourceKind, query: Option<&str>) -> Option<Cow<'_, str>> {
    value(query, parameter(kind)).filter(|name| !name.is_empty())
}

pub(super) fn page_number(query: Option<&str>) -> Option<usize> {
    let number = value(query, "pageNumber")?;
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    number.parse().ok().filter(|page| digits && *page > 0)
}
