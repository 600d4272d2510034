//! What is recorded of the target that a message asks for.

use crate::domain::{Credentials, CustomerRequest, RequestedTarget, Timestamp};
use crate::queue::{DeletionRequest, Message};

/// The target with this number, without what would show a secret: it stays in the log for good.
pub(super) fn requested(
    request: DeletionRequest,
    message: &Message,
    number: u64,
    at: Timestamp,
    credentials: &Credentials,
) -> RequestedTarget {
    let redacted = |text: Option<String>| text.map(|text| credentials.redact(text));
    RequestedTarget {
        at,
        number,
        name: request.name,
        reason: redacted(request.reason),
        ticket: redacted(request.ticket),
        request: CustomerRequest {
            customer: redacted(request.request.customer),
            requested_at: request.request.requested_at,
        },
        message_id: credentials.redact(message.id.clone()),
        redelivered: message.redelivered,
    }
}
