//! Returns and complaints.

use serde_json::json;

use crate::harness::site::Site;

#[tokio::test]
async fn a_return_is_opened_changed_closed_and_listed() {
    let site = Site::start().await;
    let order = site.order("20.00").await;
    let body = json!({"order": order, "reference": "RMA-1", "reason": "too small",
                      "items": [{"line": 1, "quantity": 1, "reason": "size"}]});
    let opened = site.post("/v1/returns", body.clone()).send().await.expect(201);
    let id = opened.id();
    assert_eq!(opened.json()["state"], "pending");
    assert_eq!(opened.json()["kind"], "return");
    assert_eq!(opened.json()["items"][0]["reason"], "size");
    let again = site.post("/v1/returns", body).send().await;
    again.expect_problem(409, "reference_taken").at("/reference");
    let complaint = json!({"order": order, "kind": "complaint"});
    let complaint = site.post("/v1/returns", complaint).send().await.expect(201).id();
    let path = format!("/v1/returns/{id}");
    let body = json!({"state": "received", "metadata": {"shelf": "4"}});
    let changed = site.patch(&path, body).send().await.expect(200).json();
    assert_eq!((&changed["state"], &changed["id"]), (&json!("received"), &json!(id)));

    let body = json!({"order": order, "amount": "1.00", "return": id});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    assert_eq!(refund["return"], id);
    let found = site.get(&format!("/v1/refunds?return={id}")).send().await.json();
    assert_eq!(found["data"][0]["id"], refund["id"]);

    let closed = site.ask("POST", &format!("{path}/close")).send().await.expect(200).json();
    assert_eq!(closed["state"], "done");
    assert_eq!(closed["closed_at"], "2025-06-15T15:06:40.000Z");
    let late = site.patch(&path, json!({"state": "approved"})).send().await;
    late.expect_problem(409, "return_closed");
    let odd = site.post(&format!("{path}/close"), json!({"state": "pending"})).send().await;
    odd.expect_problem(422, "field_invalid").at("/state");
    let rejected = format!("/v1/returns/{complaint}/close");
    let rejected = site.post(&rejected, json!({"state": "rejected"})).send().await.expect(200);
    assert_eq!(rejected.json()["state"], "rejected");
    let body = json!({"order": order, "amount": "1.00", "return": complaint});
    let refund = site.post("/v1/refunds", body).once().send().await;
    refund.expect_problem(409, "return_closed");

    for (query, count) in [
        ("", 2),
        ("?kind=complaint", 1),
        ("?state=done", 1),
        ("?state=done,rejected", 2),
        ("?reference=RMA-1", 1),
        ("?state=pending", 0),
        ("?order=ord_1", 0),
    ] {
        let list = site.get(&format!("/v1/returns{query}")).send().await.expect(200).json();
        assert_eq!(list["data"].as_array().unwrap().len(), count, "{query}");
    }
    let body = json!({"order": order, "items": [{"line": 1, "quantity": 3}]});
    let many = site.post("/v1/returns", body).send().await;
    many.expect_problem(422, "out_of_range").at("/items/0/quantity");
    assert_eq!(site.get(&path).send().await.expect(200).json(), closed);
}
