//! A merchant, its settings and the keys to its books.

use std::collections::BTreeMap;

use crate::ids::{EndpointId, GatewayId, KeyId, MerchantId, Timestamp, TransactionId};
use crate::money::{Currency, Minor};
use crate::policy::{Approval, DailyLimit, NotifyOnly};
use crate::webhook::{EndpointChange, NewEndpoint};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merchant {
    pub id: MerchantId,
    pub name: String,
    pub settings: Settings,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub approval: Approval,
    pub daily: DailyLimit,
    /// How long a customer has to give bank details, in milliseconds.
    pub information_expiry_ms: i64,
    /// The IANA name of the zone in whose clocks dates without a zone are written and read.
    pub time_zone: String,
    pub notify_only: NotifyOnly,
    /// How long an outside platform that was told to pay may be silent, in milliseconds.
    pub report_within_ms: i64,
    /// Whether a return closes once its refunds reach what it is worth.
    pub auto_close: bool,
    /// Whether a refund by bank transfer asks the customer for the account first.
    pub ask_bank_details: bool,
    /// The merchant's own account, which bank transfers come from.
    pub debtor: Option<Debtor>,
}

/// Whose account bank transfers are paid from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debtor {
    pub name: String,
    pub iban: String,
    pub bic: Option<String>,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            approval: Approval::Never,
            daily: DailyLimit::default(),
            information_expiry_ms: 30 * DAY_MS,
            time_zone: "UTC".to_owned(),
            notify_only: NotifyOnly::default(),
            report_within_ms: 7 * DAY_MS,
            auto_close: false,
            ask_bank_details: false,
            debtor: None,
        }
    }
}

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Read,
    /// Register, request, cancel, retry, report.
    Write,
    /// Confirm what the policy wants approved.
    Approve,
    /// Keys, settings, merchants.
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Write, Scope::Approve, Scope::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Approve => "approve",
            Scope::Admin => "admin",
        }
    }

    pub fn parse(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// An API key; the secret itself is never kept, only its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub merchant: MerchantId,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub hash: [u8; 32],
    /// Requests a second that it may make in the long run, and at once.
    pub rate_per_second: u32,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// A merchant's account at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub id: GatewayId,
    pub merchant: MerchantId,
    /// The provider's name, as payments carry it.
    pub name: String,
    /// What speaks to it.
    pub connector: String,
    pub settings: BTreeMap<String, String>,
    /// The credentials, which only the master key opens.
    pub sealed: Vec<u8>,
    /// Whether anything is sent to it.
    pub enabled: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a connection is from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionChange {
    pub name: String,
    pub connector: String,
    pub settings: BTreeMap<String, String>,
    /// New credentials; without, it keeps those that it has.
    pub sealed: Option<Vec<u8>>,
    pub enabled: bool,
}

/// A file of bank transfers that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransferFile {
    /// The name by which banks tell it from others.
    pub message_id: String,
    pub currency: Currency,
    pub total: Minor,
    /// The file itself, which only the master key opens.
    pub sealed: Vec<u8>,
    /// The refund transactions in it, each with the file that it stood in so far.
    pub transfers: Vec<(TransactionId, Option<i64>)>,
}

/// A change to a merchant, its keys, its webhook endpoints or its accounts at providers. Recorded as
/// an event of the merchant, by whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Administration {
    CreateMerchant {
        name: String,
    },
    ChangeMerchant {
        name: Option<String>,
        settings: Option<Settings>,
    },
    CreateKey {
        name: String,
        scopes: Vec<Scope>,
        hash: [u8; 32],
        rate_per_second: u32,
    },
    /// Gives the key that the operator set in the environment its secret; makes it when it is new.
    SetAdminKey {
        hash: [u8; 32],
    },
    RevokeKey {
        key: KeyId,
    },
    CreateEndpoint(NewEndpoint),
    ChangeEndpoint {
        endpoint: EndpointId,
        change: EndpointChange,
    },
    /// Makes the connection of this name, or changes it.
    SetConnection(ConnectionChange),
    /// Keeps a file of bank transfers, and that they stand in it.
    ExportTransfers(NewTransferFile),
}

impl Administration {
    /// The type of the event that it makes.
    pub fn name(&self) -> &'static str {
        match self {
            Administration::CreateMerchant { .. } => "merchant.created",
            Administration::ChangeMerchant { .. } => "merchant.updated",
            Administration::CreateKey { .. } => "key.created",
            Administration::SetAdminKey { .. } => "key.set",
            Administration::RevokeKey { .. } => "key.revoked",
            Administration::CreateEndpoint(_) => "webhook_endpoint.created",
            Administration::ChangeEndpoint { change, .. } => change.name(),
            Administration::SetConnection(_) => "gateway.configured",
            Administration::ExportTransfers(_) => "bank_transfers.exported",
        }
    }
}
