//! What a store promises of webhooks.

use std::sync::Arc;

use refundry::testing::store::webhooks::{DeliveryFilter, DeliveryPage, Progress};
use refundry::testing::store::{Administered, Store};
use refundry_domain::ids::{EndpointId, EventId};
use refundry_domain::merchant::Administration;
use refundry_domain::webhook::{
    Delivery, DeliveryState, DisabledWhy, Endpoint, EndpointChange, NewEndpoint, Try,
};

use super::commands::create_merchant;
use super::{Place, on_every_store};
use crate::harness::store::{MERCHANT, NOW, done, new_order, register};

on_every_store! {
    super::only_who_has_the_lease_writes as only_who_has_the_lease_writes,
    super::what_is_recorded_is_there_after_a_restart as what_is_recorded_is_there_after_a_restart,
    super::lists_of_deliveries_are_paged_both_ways as lists_of_deliveries_are_paged_both_ways,
    super::of_several_rows_for_one_event_the_last_stands as of_several_rows_for_one_event_the_last_stands,
    super::old_deliveries_are_forgotten as old_deliveries_are_forgotten,
    super::an_endpoint_of_another_merchant_is_not_there as an_endpoint_of_another_merchant_is_not_there,
    super::a_change_that_came_late_is_not_made as a_change_that_came_late_is_not_made,
}

async fn administer(store: &dyn Store, change: Administration) -> Administered {
    store.administer(MERCHANT, "test".into(), NOW, change).await.unwrap()
}

async fn endpoint(store: &dyn Store) -> Endpoint {
    let new = NewEndpoint {
        url: "https://shop.example/".to_owned(),
        format: "native".to_owned(),
        events: vec!["refund.*".to_owned(), "order.registered".to_owned()],
        description: "the shop".to_owned(),
        secrets: b"sealed".to_vec(),
    };
    match administer(store, Administration::CreateEndpoint(new)).await {
        Administered::Endpoint(endpoint) => endpoint,
        other => panic!("{other:?}"),
    }
}

async fn change(store: &dyn Store, endpoint: EndpointId, change: EndpointChange) -> Administered {
    administer(store, Administration::ChangeEndpoint { endpoint, change }).await
}

fn delivery(endpoint: EndpointId, event: i64, state: DeliveryState) -> Delivery {
    let tries = vec![
        Try {
            at: NOW,
            took_ms: 3,
            status: Some(500),
            error: None,
            answer: "no \"way\"".to_owned(),
        },
        Try {
            at: NOW,
            took_ms: 9,
            status: None,
            error: Some("late".to_owned()),
            answer: String::new(),
        },
    ];
    Delivery {
        endpoint,
        event: EventId(event),
        order: None,
        name: "order.registered".to_owned(),
        state,
        due: NOW.after_ms(event),
        round: 2,
        tries,
        created_at: NOW,
        updated_at: NOW.after_ms(event),
    }
}

fn progress(endpoint: &Endpoint, cursor: i64, deliveries: Vec<Delivery>) -> Arc<Vec<Progress>> {
    Arc::new(vec![Progress {
        merchant: MERCHANT,
        endpoint: endpoint.id,
        cursor: EventId(cursor),
        failing_since: Some(NOW),
        deliveries,
    }])
}

fn page(limit: u32) -> DeliveryPage {
    DeliveryPage { after: None, before: None, limit, oldest_first: false }
}

async fn all(store: &dyn Store, filter: DeliveryFilter) -> Vec<Delivery> {
    store.deliveries(MERCHANT, filter, page(1_000)).await.unwrap().rows
}

async fn only_who_has_the_lease_writes(place: &impl Place) {
    let store = place.open().await;
    let made = endpoint(store.as_ref()).await;
    let row = || vec![delivery(made.id, 900, DeliveryState::Pending)];
    let lost = store.record_deliveries(7, progress(&made, 900, row())).await.unwrap();
    assert_eq!(lost, [made.id], "nobody has the lease yet");
    assert!(all(store.as_ref(), DeliveryFilter::default()).await.is_empty());
    let ours = store.claim_endpoints(7, NOW, NOW.after_ms(60_000)).await.unwrap();
    assert_eq!(ours, std::slice::from_ref(&made));
    if place.is_shared() {
        let (meanwhile, later) = (NOW.after_ms(59_999), NOW.after_ms(90_000));
        let theirs = store.claim_endpoints(8, meanwhile, later).await.unwrap();
        assert!(theirs.is_empty(), "it is another's until the lease ends");
    }
    let lost = store.record_deliveries(8, progress(&made, 900, row())).await.unwrap();
    assert_eq!(lost, [made.id], "it is another's");
    let lost = store.record_deliveries(7, progress(&made, 900, row())).await.unwrap();
    assert!(lost.is_empty());
    // An older cursor does not move it back.
    store.record_deliveries(7, progress(&made, 5, Vec::new())).await.unwrap();
    let kept = store.endpoints(MERCHANT).await.unwrap();
    assert_eq!((kept[0].cursor, kept[0].failing_since), (EventId(900), Some(NOW)));
    change(store.as_ref(), made.id, EndpointChange::Disable(DisabledWhy::Gone)).await;
    assert!(store.claim_endpoints(7, NOW, NOW.after_ms(60_000)).await.unwrap().is_empty());
    // What was on its way is still written down, but not once it is deleted.
    let late = vec![delivery(made.id, 901, DeliveryState::Failed)];
    assert!(store.record_deliveries(7, progress(&made, 901, late)).await.unwrap().is_empty());
    change(store.as_ref(), made.id, EndpointChange::Delete).await;
    assert_eq!(store.record_deliveries(7, progress(&made, 902, row())).await.unwrap(), [made.id]);
}

/// Two lots of one endpoint that fall into one write would be written never, and nobody's after
/// them.
async fn of_several_rows_for_one_event_the_last_stands(place: &impl Place) {
    let store = place.open().await;
    let made = endpoint(store.as_ref()).await;
    store.claim_endpoints(7, NOW, NOW.after_ms(60_000)).await.unwrap();
    let rows = vec![
        delivery(made.id, 900, DeliveryState::Pending),
        delivery(made.id, 901, DeliveryState::Failed),
        delivery(made.id, 900, DeliveryState::Succeeded),
    ];
    store.record_deliveries(7, progress(&made, 901, rows)).await.unwrap();
    let kept = all(store.as_ref(), DeliveryFilter::default()).await;
    let states: Vec<_> = kept.iter().map(|row| (row.event.0, row.state)).collect();
    assert_eq!(states, [(901, DeliveryState::Failed), (900, DeliveryState::Succeeded)]);
}

async fn what_is_recorded_is_there_after_a_restart(place: &impl Place) {
    let store = place.open().await;
    let made = endpoint(store.as_ref()).await;
    store.claim_endpoints(7, NOW, NOW.after_ms(60_000)).await.unwrap();
    let rows = vec![
        delivery(made.id, 901, DeliveryState::Failed),
        delivery(made.id, 900, DeliveryState::Pending),
    ];
    store.record_deliveries(7, progress(&made, 901, rows.clone())).await.unwrap();
    store.close().await;
    drop(store);
    let store = place.open().await;
    assert_eq!(all(store.as_ref(), DeliveryFilter::default()).await, rows);
    let kept = store.endpoints(MERCHANT).await.unwrap();
    let expected = Endpoint { cursor: EventId(901), failing_since: Some(NOW), ..made };
    assert_eq!(kept, [expected]);
    store.close().await;
}

async fn lists_of_deliveries_are_paged_both_ways(place: &impl Place) {
    let store = place.open().await;
    let (first, second) = (endpoint(store.as_ref()).await, endpoint(store.as_ref()).await);
    store.claim_endpoints(7, NOW, NOW.after_ms(60_000)).await.unwrap();
    for endpoint in [&first, &second] {
        let state = |event| match event % 3 {
            0 => DeliveryState::Failed,
            1 => DeliveryState::Succeeded,
            _ => DeliveryState::Pending,
        };
        let rows = (900..920).map(|event| delivery(endpoint.id, event, state(event))).collect();
        store.record_deliveries(7, progress(endpoint, 919, rows)).await.unwrap();
    }
    for (filter, count) in [
        (DeliveryFilter::default(), 40),
        (DeliveryFilter { endpoint: Some(second.id), ..DeliveryFilter::default() }, 20),
        (DeliveryFilter { event: Some(EventId(905)), ..DeliveryFilter::default() }, 2),
        (DeliveryFilter { states: vec![DeliveryState::Failed], ..DeliveryFilter::default() }, 14),
        (
            DeliveryFilter {
                states: vec![DeliveryState::Pending, DeliveryState::Succeeded],
                ..DeliveryFilter::default()
            },
            26,
        ),
    ] {
        let whole = all(store.as_ref(), filter.clone()).await;
        assert_eq!(whole.len(), count, "{filter:?}");
        let places: Vec<_> = whole.iter().map(|row| (row.event, row.endpoint)).collect();
        assert!(places.is_sorted_by(|one, next| one > next), "newest first: {places:?}");
        let (mut forth, mut after) = (Vec::new(), None);
        loop {
            let page = DeliveryPage { after, ..page(3) };
            let slice = store.deliveries(MERCHANT, filter.clone(), page).await.unwrap();
            forth.extend(slice.rows);
            after = forth.last().map(|row| (row.event, row.endpoint));
            if !slice.more {
                break;
            }
        }
        assert_eq!(forth, whole);
        let (mut back, mut before) = (Vec::new(), Some((EventId(1), EndpointId(1))));
        loop {
            let page = DeliveryPage { before, ..page(3) };
            let slice = store.deliveries(MERCHANT, filter.clone(), page).await.unwrap();
            before = slice.rows.first().map(|row| (row.event, row.endpoint));
            back.splice(0..0, slice.rows);
            if !slice.more {
                break;
            }
        }
        assert_eq!(back, whole);
        let old = DeliveryPage { oldest_first: true, ..page(1_000) };
        let mut old = store.deliveries(MERCHANT, filter, old).await.unwrap().rows;
        old.reverse();
        assert_eq!(old, whole);
    }
    store.close().await;
}

async fn old_deliveries_are_forgotten(place: &impl Place) {
    let store = place.open().await;
    let (kept, gone) = (endpoint(store.as_ref()).await, endpoint(store.as_ref()).await);
    store.claim_endpoints(7, NOW, NOW.after_ms(60_000)).await.unwrap();
    for endpoint in [&kept, &gone] {
        let rows = vec![
            delivery(endpoint.id, 900, DeliveryState::Succeeded),
            delivery(endpoint.id, 901, DeliveryState::Pending),
            delivery(endpoint.id, 950, DeliveryState::Failed),
        ];
        store.record_deliveries(7, progress(endpoint, 950, rows)).await.unwrap();
    }
    assert_eq!(store.forget_deliveries(NOW, 100).await.unwrap(), 0);
    assert_eq!(store.forget_deliveries(NOW.after_ms(920), 100).await.unwrap(), 2);
    let left = || async {
        let rows = all(store.as_ref(), DeliveryFilter::default()).await;
        rows.iter().map(|row| (row.endpoint, row.event.0)).collect::<Vec<_>>()
    };
    let both = [(gone.id, 950), (kept.id, 950), (gone.id, 901), (kept.id, 901)];
    assert_eq!(left().await, both, "what is pending stays");
    change(store.as_ref(), gone.id, EndpointChange::Delete).await;
    assert_eq!(left().await, [(kept.id, 950), (kept.id, 901)]);
    assert_eq!(store.forget_deliveries(NOW, 100).await.unwrap(), 2, "nothing of it is kept");
    store.close().await;
}

async fn a_change_that_came_late_is_not_made(place: &impl Place) {
    let store = place.open().await;
    let made = endpoint(store.as_ref()).await;
    let rotate =
        |revision, secrets: &[u8]| EndpointChange::Rotate { revision, secrets: secrets.to_vec() };
    let first = change(store.as_ref(), made.id, rotate(made.revision, b"one")).await;
    let Administered::Endpoint(first) = first else { panic!("{first:?}") };
    assert_eq!(first.secrets, b"one");
    let late = change(store.as_ref(), made.id, rotate(made.revision, b"two")).await;
    assert_eq!(late, Administered::Stale);
    assert_eq!(store.endpoints(MERCHANT).await.unwrap(), [first]);
    let unknown = change(store.as_ref(), EndpointId(999), EndpointChange::Ping).await;
    assert_eq!(unknown, Administered::Unknown);
    // An event that is asked for again has a row, whatever the endpoint was told before.
    let order = done(store.as_ref(), register(new_order("1.00"))).await;
    let again =
        EndpointChange::Redeliver { events: vec![EventId(made.cursor.0), EventId(999_999)] };
    change(store.as_ref(), made.id, again).await;
    let rows = all(store.as_ref(), DeliveryFilter::default()).await;
    assert_eq!(rows.len(), 1, "what is no event has none: {rows:?} {}", order.order.id);
    assert_eq!((rows[0].event, rows[0].state), (made.cursor, DeliveryState::Pending));
    store.close().await;
}

/// One merchant could turn off, or redirect, what another is told.
async fn an_endpoint_of_another_merchant_is_not_there(place: &impl Place) {
    let store = place.open().await;
    let made = endpoint(store.as_ref()).await;
    let other = create_merchant(store.as_ref()).await;
    let change = EndpointChange::Disable(DisabledWhy::Gone);
    let change = Administration::ChangeEndpoint { endpoint: made.id, change };
    let done = store.administer(other, "test".into(), NOW, change).await.unwrap();
    assert!(matches!(done, Administered::Unknown), "{done:?}");
    assert_eq!(store.endpoints(MERCHANT).await.unwrap(), [made]);
    assert!(store.endpoints(other).await.unwrap().is_empty());
}
