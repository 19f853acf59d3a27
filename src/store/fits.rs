//! Whether a row that is at hand is one that a filter asks for.

use refundry_domain::order::tracking_ids;
use refundry_domain::refund::Refund;

use super::{Movement, RefundFilter, TransactionFilter, TransactionKind, TransactionRow};

pub fn refund(refund: &Refund, filter: &RefundFilter) -> bool {
    let any_state = filter.states.is_empty();
    (any_state || filter.states.contains(&refund.state))
        && filter.return_id.is_none_or(|id| refund.return_id == Some(id))
        && filter.execution.is_none_or(|execution| refund.execution == execution)
        && filter.to.is_none_or(|to| refund.to == to)
        && filter
            .tracking_id
            .as_deref()
            .is_none_or(|wanted| tracking_ids(&refund.metadata).contains(&wanted))
        && filter.created_from.is_none_or(|from| refund.created_at >= from)
        && filter.created_until.is_none_or(|until| refund.created_at < until)
}

pub fn name(kind: TransactionKind) -> &'static str {
    match kind {
        TransactionKind::In(kind) => kind.name(),
        TransactionKind::Refund => "refund",
    }
}

pub fn transaction(row: &TransactionRow, filter: &TransactionFilter) -> bool {
    let (kind, provider, reference, created_at) = match &row.movement {
        Movement::In(row) => {
            (TransactionKind::In(row.kind), &row.provider, &row.provider_reference, row.created_at)
        }
        Movement::Back(row) => {
            (TransactionKind::Refund, &row.provider, &row.provider_reference, row.created_at)
        }
    };
    let (refund, state) = match &row.movement {
        Movement::In(_) => (None, None),
        Movement::Back(row) => (Some(row.refund), Some(row.state)),
    };
    (filter.kinds.is_empty() || filter.kinds.contains(&kind))
        && (filter.states.is_empty() || state.is_some_and(|state| filter.states.contains(&state)))
        && (filter.refund.is_none() || filter.refund == refund)
        && filter.provider.as_ref().is_none_or(|wanted| wanted == provider)
        && (filter.provider_reference.is_none() || filter.provider_reference == *reference)
        && filter.created_from.is_none_or(|from| created_at >= from)
        && filter.created_until.is_none_or(|until| created_at < until)
}
