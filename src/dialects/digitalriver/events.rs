//! Events of the last 30 days, as webhooks tell of them.

use refundry_domain::ids::EventId;
use serde_json::value::RawValue;

use super::call::{Answered, Call, shown};
use super::format::DigitalRiver;
use super::paging::{self, List, Span, no_cursor, span};
use super::refusals::No;
use super::told::{self, NAMES};
use super::wire::number;
use crate::delivery::covers;
use crate::dialects::shared::paging::Fields;
use crate::dialects::shared::right::{Reads, Right};
use crate::store::{Event, EventFilter, Page, StoreError};

const DAYS_MS: i64 = 30 * 24 * 60 * 60 * 1000;
const TYPES_MOST: usize = 19;
/// How many events are read at once.
const AT_ONCE: u32 = 100;

pub async fn show(right: Right<Reads>, call: Call) -> Answered {
    call.no_fields()?;
    let unknown = || No::unknown("Event", "id", &call.name);
    let number = number("evt_", &call.name).ok_or_else(unknown)?;
    let event = find(&right, number).await?.ok_or_else(unknown)?;
    Ok(shown(&view(&right, &event).await?.ok_or_else(unknown)?))
}

async fn find(right: &Right<Reads>, number: i64) -> Result<Option<Event>, StoreError> {
    let after = Some(number.saturating_sub(1));
    let page = Page { after, before: None, limit: 1, oldest_first: true };
    let found = right.events(EventFilter::default(), page).await?.rows;
    Ok(found.into_iter().find(|event| event.id == EventId(number)))
}

async fn view(right: &Right<Reads>, event: &Event) -> Result<Option<Box<RawValue>>, StoreError> {
    let message = right.told(&DigitalRiver(None), event).await?;
    let text = message.and_then(|message| String::from_utf8(message.body.to_vec()).ok());
    Ok(text.and_then(|text| RawValue::from_string(text).ok()))
}

/// Which events are asked for.
struct Wanted {
    types: Vec<String>,
    created: Span,
}

impl Wanted {
    fn read(right: &Right<Reads>, fields: &mut Fields) -> Result<Wanted, No> {
        let mut types = fields.take_all("types");
        let one = fields.take("type")?;
        if one.is_some() && !types.is_empty() {
            return Err(No::invalid("types", "Give type or types, not both."));
        }
        if types.len() > TYPES_MOST {
            return Err(No::invalid("types", "Fewer than 20 can be asked for."));
        }
        types.extend(one);
        let mut created = span(fields, "createdTime")?;
        created.from = created.from.max(Some(right.now().after_ms(-DAYS_MS)));
        Ok(Wanted { types, created })
    }

    fn has(&self, name: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|one| covers(one, name))
    }

    fn fits(&self, event: &Event) -> bool {
        told::usual(event).is_some_and(|name| self.has(name))
            && self.created.from.is_none_or(|from| event.at >= from)
            && self.created.until.is_none_or(|until| event.at < until)
    }

    /// The ledger's types that may be among them.
    fn names(&self) -> Vec<String> {
        let named = NAMES.iter().filter(|(_, names)| names.iter().any(|name| self.has(name)));
        named.map(|(native, _)| (*native).to_owned()).collect()
    }
}

pub async fn list(right: Right<Reads>, call: Call) -> Answered {
    let mut fields = call.fields()?;
    let asked = paging::page(&mut fields, |text| number("evt_", text))?;
    let wanted = Wanted::read(&right, &mut fields)?;
    fields.finish()?;
    if let Some((name, at)) = asked.cursor
        && find(&right, at).await?.is_none()
    {
        return Err(no_cursor(name));
    }
    let limit = usize::try_from(asked.page.limit).unwrap_or(usize::MAX);
    let mut found = gather(&right, &wanted, asked.page, limit).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    if asked.page.before.is_some() {
        found.reverse();
    }
    let mut data = Vec::with_capacity(found.len());
    for event in &found {
        data.extend(view(&right, event).await?);
    }
    Ok(shown(&List { has_more, data }))
}

/// One more than the limit, if there are so many, those nearest to the cursor first. Which of the
/// ledger's events fit is partly in their data, so it is read on until there are enough.
async fn gather(
    right: &Right<Reads>,
    wanted: &Wanted,
    page: Page,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    let names = wanted.names();
    let mut found = Vec::new();
    if names.is_empty() {
        return Ok(found);
    }
    let filter = EventFilter { names, ..EventFilter::default() };
    let mut page = Page { limit: AT_ONCE, ..page };
    loop {
        let mut slice = right.events(filter.clone(), page).await?;
        if page.before.is_some() {
            slice.rows.reverse();
        }
        let Some(last) = slice.rows.last().map(|event| event.id.0) else { return Ok(found) };
        for event in slice.rows {
            // The list is newest first, but for the way back from a cursor.
            if page.before.is_none() && wanted.created.from.is_some_and(|from| event.at < from) {
                return Ok(found);
            }
            if wanted.fits(&event) {
                found.push(event);
            }
            if found.len() > limit {
                return Ok(found);
            }
        }
        if !slice.more {
            return Ok(found);
        }
        match page.before {
            Some(_) => page.before = Some(last),
            None => page.after = Some(last),
        }
    }
}
