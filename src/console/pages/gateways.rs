//! The accounts at providers: how they stand, whether they work, and credentials that go in and
//! never come out.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use refundry_domain::ids::GatewayId;
use refundry_domain::merchant::{Administration, Connection, ConnectionChange};

use crate::console::cell::{Cell, Fact, fact};
use crate::console::csv;
use crate::console::form::{Draft, Wrongs, sentence};
use crate::console::list::{self, Choice, Table, choice};
use crate::console::query::Query;
use crate::console::shell::Shell;
use crate::console::visit::{Trouble, Visit, html, redirect_done};
use crate::dialects::shared::administers::IN_DOUBT;
use crate::dialects::shared::right::{Administers, Right};
use crate::gateways::connectors::{self, Connector, Field, Texts};
use crate::gateways::sandbox;
use crate::store::Administered;

const NAME_MOST: usize = 40;

struct FieldView {
    /// With what it belongs to in front, as the form has it.
    field: String,
    name: &'static str,
    what: String,
    required: bool,
    value: String,
    wrong: Option<String>,
}

#[derive(Template)]
#[template(path = "gateways.html")]
struct ListPage<'a> {
    shell: &'a Shell,
    table: Table,
    connectors: Vec<Choice>,
    chosen: Option<&'static str>,
    settings: Vec<FieldView>,
    secrets: Vec<FieldView>,
    draft: Draft,
}

#[derive(Template)]
#[template(path = "gateway.html")]
struct Page<'a> {
    shell: &'a Shell,
    name: &'a str,
    path: String,
    state: Cell,
    enabled: bool,
    facts: Vec<Fact>,
    settings: Vec<FieldView>,
    secrets: Vec<FieldView>,
    draft: Draft,
    /// What a test has just shown.
    tried: Option<Result<(), String>>,
}

pub async fn list(visit: Visit) -> Result<Response, Trouble> {
    let fields = visit.query.clone();
    list_page(&visit, Draft { fields, wrongs: Wrongs::default() }).await
}

async fn list_page(visit: &Visit, draft: Draft) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let titles = ["Gateway", "Connector", "State", "Changed"];
    let mut table = Table::new("Gateways", &titles);
    for row in right.connections().await? {
        table.add(vec![
            Cell::link(&row.name, format!("/console/gateways/{}", row.name)),
            Cell::text(&row.connector),
            Cell::pill(state_of(&right, &row)),
            visit.say.time(row.updated_at),
        ]);
    }
    if list::wants_csv(&visit.query) {
        return Ok(csv::of(&table, "gateways"));
    }
    let chosen = connectors::named(draft.value("connector"));
    let connectors = connectors::ALL.iter();
    let connectors =
        connectors.map(|it| choice(it.name, it.name, chosen.is_some_and(|c| c.name == it.name)));
    let shell = visit.shell("Gateways")?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = ListPage {
        connectors: connectors.collect(),
        settings: chosen.map_or_else(Vec::new, |it| views("settings", it.settings, None, &draft)),
        secrets: chosen.map_or_else(Vec::new, |it| views("secrets", it.secrets, None, &draft)),
        chosen: chosen.map(|it| it.name),
        shell: &shell,
        table,
        draft,
    };
    html(status, &page)
}

fn state_of(right: &Right<Administers>, row: &Connection) -> (&'static str, &'static str) {
    if !row.enabled {
        return ("Off", "quiet");
    }
    if right.open(row).is_err() {
        return ("Cannot be used", "bad");
    }
    if right.is_left_alone(&row.name) {
        return ("Does not answer", "bad");
    }
    ("On", "good")
}

/// Settings show what they are; secrets never do.
fn views(
    place: &'static str,
    fields: &'static [Field],
    known: Option<&Texts>,
    draft: &Draft,
) -> Vec<FieldView> {
    let view = |field: &'static Field| {
        let name = format!("{place}.{}", field.name);
        let kept = known.and_then(|known| known.get(field.name)).map_or("", String::as_str);
        FieldView {
            name: field.name,
            what: sentence(&field.what.replace('`', "")),
            required: field.required,
            value: if place == "secrets" { String::new() } else { draft.or(&name, kept) },
            wrong: draft.wrong(&name).map(str::to_owned),
            field: name,
        }
    };
    fields.iter().map(view).collect()
}

/// What a form says of the fields of one place; empty ones are left out.
fn given(form: &Query, place: &str, fields: &[Field]) -> Texts {
    let named = fields.iter().filter_map(|field| {
        let value = form.text(&format!("{place}.{}", field.name))?;
        Some((field.name.to_owned(), value.replace("\r\n", "\n")))
    });
    named.collect()
}

fn checked(connector: &Connector, settings: &Texts, secrets: Option<&Texts>) -> Result<(), Wrongs> {
    connector
        .check(settings, secrets)
        .map_err(|(place, field, why)| Wrongs::one(&format!("{place}.{field}"), sentence(&why)))
}

pub async fn create(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    match made(&right, &visit.form).await? {
        Ok(name) => Ok(redirect_done(&format!("/console/gateways/{name}"), "created")),
        Err(wrongs) => list_page(&visit, Draft::refused(&visit.form, wrongs)).await,
    }
}

async fn made(right: &Right<Administers>, form: &Query) -> Result<Result<String, Wrongs>, Trouble> {
    let Some(connector) = connectors::named(form.written("connector")) else {
        return Ok(Err(Wrongs::one("connector", "Choose one of the list.")));
    };
    let name = form.text("name").unwrap_or_default().to_owned();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let fits = (1..=NAME_MOST).contains(&name.len()) && name.chars().all(plain);
    if !fits || name == sandbox::NAME || name.starts_with("gw_") {
        let why = "Write the provider's name as payments carry it: small letters, digits, - and _; \
                   not sandbox, and not beginning with gw_.";
        return Ok(Err(Wrongs::one("name", why)));
    }
    if right.connections().await?.iter().any(|row| row.name == name) {
        return Ok(Err(Wrongs::one("name", "A gateway of this name is connected already.")));
    }
    let settings = given(form, "settings", connector.settings);
    let secrets = given(form, "secrets", connector.secrets);
    if let Err(wrongs) = checked(connector, &settings, Some(&secrets)) {
        return Ok(Err(wrongs));
    }
    let now = right.now();
    let row = Connection {
        id: GatewayId(0),
        merchant: right.caller().merchant,
        sealed: right.seal(&name, &secrets)?,
        name: name.clone(),
        connector: connector.name.to_owned(),
        settings,
        enabled: true,
        created_at: now,
        updated_at: now,
    };
    if let Err(why) = right.open(&row) {
        return Ok(Err(Wrongs::one("", format!("It cannot be used: {why}."))));
    }
    set(right, row, true).await?;
    Ok(Ok(name))
}

async fn set(
    right: &Right<Administers>,
    row: Connection,
    with_secrets: bool,
) -> Result<(), Trouble> {
    let change = ConnectionChange {
        name: row.name,
        connector: row.connector,
        settings: row.settings,
        sealed: with_secrets.then_some(row.sealed),
        enabled: row.enabled,
    };
    match right.administer(Administration::SetConnection(change)).await? {
        Administered::Connection(_) => Ok(()),
        Administered::Merchant(_)
        | Administered::Key(_)
        | Administered::Endpoint(_)
        | Administered::Unknown
        | Administered::Stale => Err(Trouble::missing("merchant")),
    }
}

async fn find(visit: &Visit, right: &Right<Administers>) -> Result<Connection, Trouble> {
    let name = visit.segment(1);
    let rows = right.connections().await?;
    let found = rows.into_iter().find(|row| row.name == name);
    found.ok_or_else(|| Trouble::missing("gateway"))
}

pub async fn show(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let row = find(&visit, &right).await?;
    page(&visit, &right, &row, Draft::default(), None)
}

fn page(
    visit: &Visit,
    right: &Right<Administers>,
    row: &Connection,
    draft: Draft,
    tried: Option<Result<(), String>>,
) -> Result<Response, Trouble> {
    let connector = connectors::named(&row.connector);
    let mut facts = vec![
        fact("Connector", Cell::text(&row.connector)),
        fact("Changed", visit.say.time(row.updated_at)),
    ];
    if let Some(known) = connector {
        let abilities = (known.abilities)(&row.settings);
        let yes = |is: bool| Cell::text(if is { "yes" } else { "no" });
        facts.push(fact("Pays a key at most once", yes(known.deduplicates)));
        facts.push(fact("Can be asked", yes(known.can_be_asked)));
        facts.push(fact("Gives back in part", yes(abilities.in_part)));
        facts.push(fact("Gives back repeatedly", yes(abilities.repeatedly)));
        if !known.notifications.is_empty() {
            let path = format!("/v1/gateways/{}/notifications", row.name);
            facts.push(fact("Its notifications go to", Cell::code(path)));
        }
    }
    let shell = visit.shell(&format!("Gateway {}", row.name))?;
    let status = if draft.is_wrong() { 422 } else { 200 };
    let page = Page {
        name: &row.name,
        path: format!("/console/gateways/{}", row.name),
        state: Cell::pill(state_of(right, row)),
        enabled: row.enabled,
        settings: connector.map_or_else(Vec::new, |it| {
            views("settings", it.settings, Some(&row.settings), &draft)
        }),
        secrets: connector.map_or_else(Vec::new, |it| views("secrets", it.secrets, None, &draft)),
        shell: &shell,
        facts,
        draft,
        tried,
    };
    html(status, &page)
}

pub async fn change(visit: Visit) -> Result<Response, Trouble> {
    let right: Right<Administers> = visit.right()?;
    let mut row = find(&visit, &right).await?;
    match visit.form.text("do") {
        Some("test") => {
            let tried = right.try_out(row.clone()).await;
            return page(&visit, &right, &row, Draft::default(), Some(tried));
        }
        Some("enable") => row.enabled = true,
        Some("disable") => row.enabled = false,
        Some(_) | None => {
            let changed = configured(&right, &mut row, &visit.form).await?;
            return match changed {
                Ok(with_secrets) => {
                    set(&right, row, with_secrets).await?;
                    Ok(redirect_done(visit.path(), "changed"))
                }
                Err(wrongs) => {
                    page(&visit, &right, &row, Draft::refused(&visit.form, wrongs), None)
                }
            };
        }
    }
    set(&right, row, false).await?;
    Ok(redirect_done(visit.path(), "changed"))
}

/// Puts the form into the row; says whether it has new credentials.
async fn configured(
    right: &Right<Administers>,
    row: &mut Connection,
    form: &Query,
) -> Result<Result<bool, Wrongs>, Trouble> {
    let Some(connector) = connectors::named(&row.connector) else {
        return Err(Trouble::missing("connector"));
    };
    let settings = given(form, "settings", connector.settings);
    let secrets = given(form, "secrets", connector.secrets);
    // None of them written keeps those that are there; any of them written replaces all.
    let secrets: Option<BTreeMap<_, _>> = (!secrets.is_empty()).then_some(secrets);
    if let Err(wrongs) = checked(connector, &settings, secrets.as_ref()) {
        return Ok(Err(wrongs));
    }
    // Credentials that nobody can read any more are not sent to another address.
    let mut addresses = connector.settings.iter().filter(|field| field.name.ends_with("url"));
    let moved = addresses.any(|field| row.settings.get(field.name) != settings.get(field.name));
    if moved && secrets.is_none() {
        let first = connector.secrets.first();
        let place = first.map_or_else(String::new, |field| format!("secrets.{}", field.name));
        let why = "Write the credentials again with a new address.";
        return Ok(Err(Wrongs::one(&place, why)));
    }
    if connector.is_another_account(&row.settings, &settings)
        && let Some(sent) = right.in_doubt(&row.name).await?
    {
        return Ok(Err(Wrongs::one("", format!("txn_{sent} {IN_DOUBT}"))));
    }
    row.settings = settings;
    if let Some(secrets) = &secrets {
        row.sealed = right.seal(&row.name, secrets)?;
    }
    if let Err(why) = right.open(row) {
        return Ok(Err(Wrongs::one("", format!("It cannot be used: {why}."))));
    }
    Ok(Ok(secrets.is_some()))
}
