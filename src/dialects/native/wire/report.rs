//! What an outside platform says of a refund transaction that it carries out.

use serde::Deserialize;
use utoipa::ToSchema;

use super::words::FailureWord;
use crate::dialects::shared::exact::Figure;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportAsk {
    pub state: ReportStatus,
    /// The platform's own name of the movement; with `succeeded` and `processing`.
    pub provider_reference: Option<String>,
    /// With `failed`; `other` when not given.
    pub code: Option<FailureWord>,
    /// In the platform's own words.
    pub message: Option<String>,
    /// What was paid, with `succeeded`; another amount than was asked for needs attention.
    pub amount: Option<Figure>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    Succeeded,
    Failed,
    /// Acknowledged, or still waiting for something.
    Processing,
    Canceled,
    /// Paid, and taken back since.
    Reversed,
}
