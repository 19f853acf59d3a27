//! The merchant's accounts at providers: connected, looked at, tried out, switched on and off.

use axum::response::Response;
use refundry_domain::ids::GatewayId;
use refundry_domain::merchant::{Administration, Connection, ConnectionChange};

use super::call::{Call, created, listed, shown};
use super::keys::page_of;
use super::wire::gateways::{GatewayAsk, GatewayPatch, GatewayView, TestView};
use super::wire::words::{expect_id, id};
use crate::dialects::shared::administers::IN_DOUBT;
use crate::dialects::shared::body::escape;
use crate::dialects::shared::problem::{Code, Problem};
use crate::dialects::shared::right::{Administers, Right};
use crate::gateways::connectors::{self, Connector, Texts};
use crate::gateways::sandbox;
use crate::store::Administered;

const NAME_MOST: usize = 40;

pub async fn list(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let page = fields.page(|text| expect_id::<GatewayId>(text).map(|id| id.0))?;
    fields.finish()?;
    let slice = page_of(right.connections().await?, &page, |row| row.id.0);
    Ok(listed(&slice, &page, GatewayView::of, |row| row.id))
}

pub async fn show(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    call.fields()?.finish()?;
    let row = find(&right, call.segment().to_owned()).await?;
    Ok(shown(&GatewayView::of(&row)))
}

pub async fn create(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let read = call.read::<GatewayAsk>().await?;
    let ask = read.body;
    check_name(&ask.name)?;
    if right.connections().await?.iter().any(|row| row.name == ask.name) {
        let detail = "A gateway of this name is connected already; change it with PATCH.";
        return Err(Problem::field(Code::GatewayExists, "/name", detail));
    }
    let connector = connector(&ask.connector)?;
    let (settings, secrets) = (ask.settings.0, ask.secrets.0);
    check(connector, &settings, Some(&secrets))?;
    let sealed = right.seal(&ask.name, &secrets)?;
    let row =
        proposed(&right, ask.name, ask.connector, settings, sealed, ask.enabled.unwrap_or(true));
    usable(&right, &row)?;
    if read.dry_run {
        return Ok(shown(&GatewayView::of(&row).proposed()));
    }
    Ok(created(&GatewayView::of(&set(&right, row, true).await?)))
}

pub async fn change(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let wanted = call.segment().to_owned();
    let read = call.read::<GatewayPatch>().await?;
    let mut row = find(&right, wanted).await?;
    let patch = read.body;
    let secrets = patch.secrets.map(|given| given.0);
    let connector = connector(&row.connector)?;
    let mut is_moved = false;
    if let Some(settings) = patch.settings {
        is_moved = moved(connector, &row.settings, &settings.0);
        if connector.is_another_account(&row.settings, &settings.0)
            && let Some(sent) = right.in_doubt(&row.name).await?
        {
            let detail = format!("txn_{sent} {IN_DOUBT}");
            return Err(Problem::field(Code::GatewayInUse, "/settings", detail));
        }
        row.settings = settings.0;
    }
    row.enabled = patch.enabled.unwrap_or(row.enabled);
    check(connector, &row.settings, secrets.as_ref())?;
    if is_moved && secrets.is_none() {
        let detail = "Write the credentials again with a new address.";
        return Err(Problem::field(Code::FieldInvalid, "/secrets", detail));
    }
    let has_secrets = secrets.is_some();
    if let Some(secrets) = &secrets {
        row.sealed = right.seal(&row.name, secrets)?;
    }
    usable(&right, &row)?;
    if read.dry_run {
        return Ok(shown(&GatewayView::of(&row)));
    }
    Ok(shown(&GatewayView::of(&set(&right, row, has_secrets).await?)))
}

/// Asks the provider whether it takes the credentials; moves no money.
pub async fn test(right: Right<Administers>, call: Call) -> Result<Response, Problem> {
    let wanted = call.segment().to_owned();
    let read = call.read_or_default::<super::wire::asks::Nothing>().await?;
    let row = find(&right, wanted).await?;
    if read.dry_run {
        return Ok(shown(&TestView { works: None, detail: None }));
    }
    let tried = right.try_out(row).await;
    Ok(shown(&TestView { works: Some(tried.is_ok()), detail: tried.err() }))
}

/// By its id or by its name.
async fn find(right: &Right<Administers>, wanted: String) -> Result<Connection, Problem> {
    let number = id::<GatewayId>(&wanted);
    let rows = right.connections().await?;
    let found = rows.into_iter().find(|row| row.name == wanted || Some(row.id) == number);
    found.ok_or_else(|| {
        Problem::new(Code::GatewayNotFound, "There is no such gateway of this merchant.")
    })
}

async fn set(
    right: &Right<Administers>,
    row: Connection,
    with_secrets: bool,
) -> Result<Connection, Problem> {
    let change = ConnectionChange {
        name: row.name,
        connector: row.connector,
        settings: row.settings,
        sealed: with_secrets.then_some(row.sealed),
        enabled: row.enabled,
    };
    match right.administer(Administration::SetConnection(change)).await? {
        Administered::Connection(row) => Ok(row),
        Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Endpoint(_)
        | Administered::Unknown
        | Administered::Stale => {
            Err(Problem::new(Code::MerchantNotFound, "There is no such merchant."))
        }
    }
}

fn proposed(
    right: &Right<Administers>,
    name: String,
    connector: String,
    settings: Texts,
    sealed: Vec<u8>,
    enabled: bool,
) -> Connection {
    let (merchant, now) = (right.caller().merchant, right.now());
    Connection {
        id: GatewayId(0),
        merchant,
        name,
        connector,
        settings,
        sealed,
        enabled,
        created_at: now,
        updated_at: now,
    }
}

fn connector(name: &str) -> Result<&'static Connector, Problem> {
    connectors::named(name).ok_or_else(|| {
        let known: Vec<&str> = connectors::ALL.iter().map(|known| known.name).collect();
        let detail = format!("There is no such connector; there are: {}.", known.join(", "));
        Problem::field(Code::FieldInvalid, "/connector", detail)
    })
}

fn check(connector: &Connector, settings: &Texts, secrets: Option<&Texts>) -> Result<(), Problem> {
    connector.check(settings, secrets).map_err(|(place, field, why)| {
        let pointer = format!("/{place}/{}", escape(&field));
        Problem::field(Code::FieldInvalid, pointer, format!("{why}."))
    })
}

/// Whether another address is called. Credentials that nobody can read any more are not sent to it.
fn moved(connector: &Connector, known: &Texts, given: &Texts) -> bool {
    let mut addresses = connector.settings.iter().filter(|field| field.name.ends_with("url"));
    addresses.any(|field| known.get(field.name) != given.get(field.name))
}

/// Whether a gateway can be made of it: what only the connector itself can tell.
fn usable(right: &Right<Administers>, row: &Connection) -> Result<(), Problem> {
    right
        .open(row)
        .map_err(|why| Problem::field(Code::FieldInvalid, "", format!("It cannot be used: {why}.")))
}

fn check_name(name: &str) -> Result<(), Problem> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let fits = (1..=NAME_MOST).contains(&name.len()) && name.chars().all(plain);
    if fits && name != sandbox::NAME && !name.starts_with("gw_") {
        return Ok(());
    }
    let detail = "Expected the provider's name as payments carry it: 1 to 40 small letters, \
                  digits, - and _; not sandbox, and not beginning with gw_.";
    Err(Problem::field(Code::FieldInvalid, "/name", detail))
}
