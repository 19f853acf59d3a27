//! Webhook endpoints and what was delivered to them.

use std::collections::HashMap;

use refundry_domain::ids::{EndpointId, EventId, MerchantId, Timestamp};
use refundry_domain::webhook::NewEndpoint;
use refundry_domain::webhook::{Delivery, DeliveryState, Endpoint, EndpointChange, EndpointState};
use serde_json::json;

use super::admin::Change;
use super::fail::Fail;
use super::pool::{Lent, Params, Step};
use super::rows::{Cells, select};
use super::single::many;
use crate::store::webhooks::{
    self, Changed, DeliveryFilter, DeliveryPage, Progress, events, tries,
};
use crate::store::{Administered, Slice, rows};

const SUBJECT: &str = "webhook_endpoint";

pub async fn endpoints(lent: &mut Lent, merchant: MerchantId) -> Result<Vec<Endpoint>, Fail> {
    let sql = select!(ENDPOINT, "webhook_endpoints WHERE merchant = $1 ORDER BY number");
    let found = many(lent, sql, vec![&merchant.0]).await?;
    found.iter().map(|row| Ok(rows::endpoint(&mut Cells::of(row))?.0)).collect()
}

const MERCHANTS: &str = "SELECT DISTINCT merchant FROM webhook_endpoints WHERE state = 'enabled' \
    ORDER BY merchant";

/// Takes what nobody has, or what a process has that is gone, each merchant by itself. Whose it is
/// stays so until the lease ends.
pub async fn claim(
    lent: &mut Lent,
    worker: i64,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Endpoint>, Fail> {
    let found = many(lent, MERCHANTS, vec![]).await?;
    let merchants: Vec<i64> = found.iter().map(|row| row.get(0)).collect();
    let take = "UPDATE webhook_endpoints SET lease_worker = $2, lease_until = $4 \
        WHERE merchant = $1 AND state = 'enabled' \
        AND (lease_worker IS NULL OR lease_worker = $2 OR lease_until <= $3)";
    let read = select!(
        ENDPOINT,
        "webhook_endpoints WHERE merchant = $1 AND state = 'enabled' AND lease_worker = $2"
    );
    let mut steps = Vec::with_capacity(2 * merchants.len());
    for merchant in &merchants {
        steps.push(Step::Query(take, vec![merchant, &worker, &now.0, &until.0]));
        steps.push(Step::Query(read, vec![merchant, &worker]));
    }
    let found = lent.send(&steps).await?;
    lent.cleared();
    let own = found.iter().skip(1).step_by(2).flatten();
    own.map(|row| Ok(rows::endpoint(&mut Cells::of(row))?.0)).collect()
}

/// An endpoint's progress and its deliveries in one statement, which does nothing without the
/// lease.
const RECORD: &str = "WITH held AS (UPDATE webhook_endpoints SET \
    cursor = greatest(cursor, $4), failing_since = $5 \
    WHERE merchant = $1 AND number = $2 AND lease_worker = $3 RETURNING 1), \
    put AS (INSERT INTO deliveries (merchant, endpoint, event, order_number, name, state, due, \
    round, tries, created_at, updated_at) SELECT $1, $2, u.* FROM held, unnest($6::bigint[], \
    $7::bigint[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], \
    $13::bigint[], $14::bigint[]) AS u ON CONFLICT (merchant, endpoint, event) DO UPDATE SET \
    state = excluded.state, due = excluded.due, round = excluded.round, tries = excluded.tries, \
    updated_at = excluded.updated_at) SELECT count(*) FROM held";

/// The columns of deliveries, each as a list.
#[derive(Default)]
struct Lists {
    event: Vec<i64>,
    order: Vec<i64>,
    name: Vec<String>,
    state: Vec<&'static str>,
    due: Vec<i64>,
    round: Vec<i64>,
    tries: Vec<String>,
    created: Vec<i64>,
    updated: Vec<i64>,
}

impl Lists {
    /// Of several of one event the last, since one statement cannot write a row twice.
    fn of(deliveries: &[Delivery]) -> Lists {
        let mut lists = Lists::default();
        let last: HashMap<i64, usize> =
            deliveries.iter().enumerate().map(|(at, row)| (row.event.0, at)).collect();
        let stands = |at: usize, row: &Delivery| last.get(&row.event.0) == Some(&at);
        for (_, row) in deliveries.iter().enumerate().filter(|(at, row)| stands(*at, row)) {
            lists.event.push(row.event.0);
            lists.order.push(row.order.map_or(0, |order| order.0));
            lists.name.push(row.name.clone());
            lists.state.push(row.state.name());
            lists.due.push(row.due.0);
            lists.round.push(row.round.into());
            lists.tries.push(tries(&row.tries));
            lists.created.push(row.created_at.0);
            lists.updated.push(row.updated_at.0);
        }
        lists
    }
}

/// Answers the endpoints that are not the worker's; nothing of theirs is written.
pub async fn record(
    lent: &mut Lent,
    worker: i64,
    progress: &[Progress],
) -> Result<Vec<EndpointId>, Fail> {
    let lists: Vec<Lists> = progress.iter().map(|one| Lists::of(&one.deliveries)).collect();
    let since: Vec<Option<i64>> =
        progress.iter().map(|one| one.failing_since.map(|at| at.0)).collect();
    let mut steps = Vec::with_capacity(progress.len());
    for ((one, lists), since) in progress.iter().zip(&lists).zip(&since) {
        let params: Params<'_> = vec![
            &one.merchant.0,
            &one.endpoint.0,
            &worker,
            &one.cursor.0,
            since,
            &lists.event,
            &lists.order,
            &lists.name,
            &lists.state,
            &lists.due,
            &lists.round,
            &lists.tries,
            &lists.created,
            &lists.updated,
        ];
        steps.push(Step::Query(RECORD, params));
    }
    let found = lent.send(&steps).await?;
    lent.cleared();
    let held =
        |rows: &Vec<tokio_postgres::Row>| rows.first().is_some_and(|row| row.get::<_, i64>(0) > 0);
    let lost = progress.iter().zip(&found).filter(|(_, rows)| !held(rows));
    Ok(lost.map(|(one, _)| one.endpoint).collect())
}

/// The lists of the endpoints, each in order of event, as one.
pub async fn deliveries(
    lent: &mut Lent,
    merchant: MerchantId,
    filter: &DeliveryFilter,
    page: DeliveryPage,
) -> Result<Slice<Delivery>, Fail> {
    let direction = if page.ascending() { "ASC" } else { "DESC" };
    let few = !filter.states.is_empty() && !filter.states.contains(&DeliveryState::Succeeded);
    let sql = format!(
        "SELECT {} FROM deliveries WHERE merchant = $1 AND endpoint = $2 AND event >= $3 \
        AND event <= $4 AND ($6::text[] = '{{}}' OR state = ANY($6)){} \
        ORDER BY event {direction} LIMIT $5",
        rows::DELIVERY,
        // So that the partial index serves where the few are among the many.
        if few { " AND state <> 'succeeded'" } else { "" },
    );
    let states: Vec<&'static str> = filter.states.iter().map(|state| state.name()).collect();
    let limit = i64::from(page.limit) + 1;
    let all = endpoints(lent, merchant).await?;
    let asked: Vec<(i64, (i64, i64))> = all
        .iter()
        .filter(|endpoint| endpoint.state != EndpointState::Deleted)
        .filter(|endpoint| filter.endpoint.is_none_or(|id| id == endpoint.id))
        .map(|endpoint| (endpoint.id.0, webhooks::span(endpoint.id, filter, page)))
        .collect();
    let mut steps = Vec::with_capacity(asked.len());
    for (endpoint, (least, most)) in &asked {
        let params: Params<'_> = vec![&merchant.0, endpoint, least, most, &limit, &states];
        steps.push(Step::Query(&sql, params));
    }
    let found = lent.send(&steps).await?;
    lent.cleared();
    let read = found.iter().flatten().map(|row| rows::delivery(&mut Cells::of(row)));
    Ok(webhooks::page_of(read.collect::<Result<_, _>>()?, page))
}

/// Of the oldest of one endpoint, those that ended before, or all of one that is deleted.
const FORGET: &str = "WITH old AS (SELECT event, state, updated_at FROM deliveries \
    WHERE merchant = $1 AND endpoint = $2 ORDER BY event LIMIT $4), \
    gone AS (DELETE FROM deliveries d USING old WHERE d.merchant = $1 AND d.endpoint = $2 \
    AND d.event = old.event AND ($5 OR (old.state <> 'pending' AND old.updated_at < $3)) \
    RETURNING 1) SELECT count(*) FROM gone";

pub async fn forget(lent: &mut Lent, before: Timestamp, limit: u32) -> Result<u64, Fail> {
    let sql = "SELECT merchant, number, state = 'deleted' FROM webhook_endpoints";
    let all: Vec<(i64, i64, bool)> = many(lent, sql, vec![])
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let limit = i64::from(limit);
    let mut steps = Vec::with_capacity(all.len());
    for (merchant, endpoint, deleted) in &all {
        let params: Params<'_> = vec![merchant, endpoint, &before.0, &limit, deleted];
        steps.push(Step::Query(FORGET, params));
    }
    let found = lent.send(&steps).await?;
    lent.cleared();
    let count: i64 = found.iter().flatten().map(|row| row.get::<_, i64>(0)).sum();
    Ok(u64::try_from(count).unwrap_or(0))
}

impl Change<'_> {
    pub async fn create_endpoint(
        &mut self,
        merchant: MerchantId,
        name: &str,
        new: NewEndpoint,
    ) -> Result<Administered, Fail> {
        if self.begin(merchant).await?.is_none() {
            return Ok(Administered::Unknown);
        }
        let id = self.number().await?;
        let names = events(&new.events);
        let at = self.by.at.0;
        let sql = "INSERT INTO webhook_endpoints (merchant, number, url, format, events, \
            description, state, secrets, cursor, revision, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, 'enabled', $7, 0, 1, $8, $8)";
        let params: Params<'_> = vec![
            &merchant.0,
            &id,
            &new.url,
            &new.format,
            &names,
            &new.description,
            &new.secrets,
            &at,
        ];
        self.run(sql, params).await?;
        let data = json!({ "url": new.url, "format": new.format, "events": new.events });
        self.event(merchant, name, (SUBJECT, id), &data.to_string()).await?;
        // What happened before it was made is not told, the making included. What was under way
        // meanwhile was not asked for by somebody who had the answer already.
        let cursor = self.made.map_or(0, |(_, number, _)| number);
        let sql = "UPDATE webhook_endpoints SET cursor = $3 WHERE merchant = $1 AND number = $2";
        self.run(sql, vec![&merchant.0, &id, &cursor]).await?;
        self.endpoint(merchant, EndpointId(id)).await
    }

    async fn endpoint(
        &mut self,
        merchant: MerchantId,
        id: EndpointId,
    ) -> Result<Administered, Fail> {
        let sql = select!(
            ENDPOINT,
            "webhook_endpoints WHERE merchant = $1 AND number = $2 AND state <> 'deleted' \
            FOR UPDATE"
        );
        let found = self.run(sql, vec![&merchant.0, &id.0]).await?;
        let Some(row) = found.first() else { return Ok(Administered::Unknown) };
        Ok(Administered::Endpoint(rows::endpoint(&mut Cells::of(row))?.0))
    }

    pub async fn change_endpoint(
        &mut self,
        merchant: MerchantId,
        name: &str,
        id: EndpointId,
        change: EndpointChange,
    ) -> Result<Administered, Fail> {
        self.begin(merchant).await?;
        let Administered::Endpoint(mut endpoint) = self.endpoint(merchant, id).await? else {
            return Ok(Administered::Unknown);
        };
        let (data, again) = match webhooks::change(&mut endpoint, change, self.by.at) {
            Changed::Nothing => return Ok(Administered::Endpoint(endpoint)),
            Changed::Stale => return Ok(Administered::Stale),
            Changed::Written { data, again } => (data, again),
        };
        self.redeliver(&endpoint, &again).await?;
        self.write(&endpoint).await?;
        self.event(merchant, name, (SUBJECT, id.0), &data).await?;
        Ok(Administered::Endpoint(endpoint))
    }

    /// What the endpoint is not past yet comes anyway and is left alone.
    async fn redeliver(&mut self, endpoint: &Endpoint, events: &[EventId]) -> Result<(), Fail> {
        let sql = "INSERT INTO deliveries (merchant, endpoint, event, order_number, name, state, \
            due, round, tries, created_at, updated_at) \
            SELECT merchant, $2, number, order_number, name, 'pending', $4, 0, '[]', $4, $4 \
            FROM events WHERE merchant = $1 AND number = ANY($3) AND number <= $5 \
            ON CONFLICT (merchant, endpoint, event) DO UPDATE SET state = 'pending', due = $4, \
            round = 0, updated_at = $4";
        let numbers: Vec<i64> = events.iter().map(|event| event.0).collect();
        let (merchant, at) = (endpoint.merchant.0, self.by.at.0);
        let params: Params<'_> = vec![&merchant, &endpoint.id.0, &numbers, &at, &endpoint.cursor.0];
        self.run(sql, params).await?;
        Ok(())
    }

    async fn write(&mut self, endpoint: &Endpoint) -> Result<(), Fail> {
        let sql = "UPDATE webhook_endpoints SET url = $3, events = $4, description = $5, \
            state = $6, disabled_at = $7, disabled_why = $8, secrets = $9, failing_since = $10, \
            revision = $11, updated_at = $12, \
            lease_worker = CASE WHEN $6 = 'deleted' THEN NULL ELSE lease_worker END, \
            lease_until = CASE WHEN $6 = 'deleted' THEN NULL ELSE lease_until END \
            WHERE merchant = $1 AND number = $2";
        let names = events(&endpoint.events);
        let state = endpoint.state.name();
        let disabled_at = endpoint.disabled.map(|(at, _)| at.0);
        let disabled_why = endpoint.disabled.map(|(_, why)| why.name());
        let failing_since = endpoint.failing_since.map(|at| at.0);
        let params: Params<'_> = vec![
            &endpoint.merchant.0,
            &endpoint.id.0,
            &endpoint.url,
            &names,
            &endpoint.description,
            &state,
            &disabled_at,
            &disabled_why,
            &endpoint.secrets,
            &failing_since,
            &endpoint.revision,
            &endpoint.updated_at.0,
        ];
        self.run(sql, params).await?;
        Ok(())
    }
}
