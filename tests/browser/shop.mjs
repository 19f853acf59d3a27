// A shop with something on every page.

import { createServer } from "node:http";
import { card, until } from "./server.mjs";

/** Tells what it was sent, and answers what it was told to. */
export class Receiver {
  static async start(status = 200) {
    const receiver = new Receiver();
    receiver.status = status;
    receiver.got = [];
    receiver.server = createServer((request, response) => {
      let body = "";
      request.on("data", (piece) => { body += piece; });
      request.on("end", () => {
        receiver.got.push({ headers: request.headers, body });
        response.writeHead(receiver.status).end(receiver.status < 300 ? "thank you" : "not now");
      });
    });
    await new Promise((ready) => receiver.server.listen(0, "127.0.0.1", ready));
    receiver.url = `http://127.0.0.1:${receiver.server.address().port}/hook`;
    return receiver;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((closed) => this.server.close(closed));
  }
}

export async function shop(server, receiver) {
  const customer = (name, number) => ({ name, reference: number, email: `${number}@shop.example` });
  const hook = await server.post("/v1/webhook_endpoints", { url: receiver.url, description: "The shop's own system" });
  const two = await server.order("1001", [card("30.00", "ch_1001a"), card("15.00", "ch_1001b")], { customer: customer("Ada", "c-7"), metadata: { channel: "web" } });
  const paid = await server.order("1002", [card("24.98", "ch_1002")], { customer: customer("Grace", "c-8") });
  const refused = await server.order("1003", [card("60.00", "sandbox_decline_insufficient_funds")], { customer: customer("Edsger", "c-9") });
  const outside = await server.order("1004", [{ provider: "warehouse_till", method: "cash", amount: "48.00" }], { customer: customer("Barbara", "c-10") });
  const doubtful = await server.order("1005", [card("75.00", "sandbox_pend_then_succeed_100asks")], { customer: customer("Donald", "c-11") });
  const large = await server.order("1006", [card("1234567.89", "ch_1006")], { customer: customer("Margaret", "c-12") });

  await server.call("PATCH", "/v1/settings", { ask_bank_details: true, debtor: { name: "The shop", iban: "DE89370400440532013000", bic: null } });
  const euros = await server.order("1009", [card("90.00", "ch_1009")], { currency: "EUR", customer: customer("Katherine", "c-13") });
  const transfer = (amount) => server.refund(euros, { amount, to: "bank_transfer", reason: "defective" });
  const asked = await transfer("11.00");
  for (const amount of ["12.00", "13.00"]) {
    const { id } = await transfer(amount);
    await server.call("POST", `/v1/refunds/${id}/information`, { iban: "PL61109010140000071219812874", account_holder: "Katherine" });
    await server.settled({ id }, "processing");
    if (amount === "12.00") await server.post("/v1/bank_transfer_files", {});
  }
  const { url: link } = await server.post(`/v1/refunds/${asked.id}/information_link`);

  const done = await server.refund(paid, { amount: "9.99", reason: "requested_by_customer" });
  const failed = await server.refund(refused, { amount: "20.00", reason: "defective" });
  const owed = await server.refund(outside, { amount: "12.00", reason: "wrong_item" });
  const slow = await server.refund(doubtful, { percent: "50" });
  const proposed = await server.refund(two, { items: [{ line: 1, quantity: 1 }], confirm: false, reason: "defective", note: "The handle is broken." });
  const second = await server.refund(large, { amount: "1000.50", confirm: false, reason: "not_delivered" });
  await server.settled(done, "succeeded");
  await server.settled(failed, "failed");
  await server.settled(owed, "processing");
  const goods = await server.post("/v1/returns", { order: two.id, reference: "R-17", reason: "Broken on arrival", items: [{ line: 1, quantity: 1, reason: "The handle is off" }] });
  const credit = await server.refund(paid, { amount: "10.00", to: "store_credit", reason: "requested_by_customer" });
  const account = credit.transactions[0].provider_reference;
  const spend = await server.post(`/v1/credit_accounts/${account}/spend`, { amount: "7.50", reference: "1007" });
  const undone = await server.post(`/v1/credit_accounts/${account}/spend`, { amount: "1.00", reference: "1008" });
  await server.post(`/v1/credit_accounts/${account}/undo`, { spend: undone.id, reference: "1008 called off" });
  const gift = (await server.refund(large, { amount: "250.00", to: "gift_card" })).transactions[0].provider_reference;
  await server.post("/v1/gateways", { name: "stripe", connector: "stripe", secrets: { api_key: "sk_test_0123456789", webhook_secret: "whsec_0123456789" } }).catch(() => undefined);
  await server.key(["read"], "clerk who only looks");
  await until("the webhook was told", () => receiver.got.length > 3);
  await until("the refunds are counted", async () => (await server.get("/v1/reports/refunds")).complete);
  return { hook, asked, link, two, paid, refused, outside, doubtful, large, done, failed, owed, slow, proposed, second, goods, credit, account, spend, gift };
}

/** Every page, with rows of the shop in it. */
export function pages(rows) {
  const payout = rows.owed.transactions[0].id;
  return [
    ["overview", "/console"],
    ["search", "/console/search?q=1"],
    ["search-name", "/console/search?q=ada"],
    ["search-amount", "/console/search?q=24.98"],
    ["search-nothing", "/console/search?q=no+such+thing"],
    ["orders", "/console/orders"],
    ["orders-by-day", "/console/orders?person=ada&from=2026-01-01"],
    ["orders-empty", "/console/orders?reference=none"],
    ["order", `/console/orders/${rows.two.id}`],
    ["order-large", `/console/orders/${rows.large.id}`],
    ["new-refund", `/console/orders/${rows.two.id}/refund?by=amount&amount=40`],
    ["new-return", `/console/orders/${rows.two.id}/return`],
    ["refunds", "/console/refunds"],
    ["refund-proposed", `/console/refunds/${rows.proposed.id}`],
    ["refund-failed", `/console/refunds/${rows.failed.id}`],
    ["refund-credited", `/console/refunds/${rows.credit.id}`],
    ["refund-asked", `/console/refunds/${rows.asked.id}`],
    ["refund-done", `/console/refunds/${rows.done.id}`],
    ["to-confirm", "/console/confirm"],
    ["outside-payouts", "/console/owed"],
    ["payout", `/console/owed/${payout}`],
    ["returns", "/console/returns"],
    ["return", `/console/returns/${rows.goods.id}`],
    ["reports", "/console/reports"],
    ["reports-by-reason", "/console/reports?by=reason"],
    ["reports-by-failure", "/console/reports?by=failure"],
    ["reports-empty", "/console/reports?from=2020-01-01&to=2020-01-31"],
    ["credits", "/console/credits"],
    ["credit", `/console/credits/${rows.account}`],
    ["credit-undo", `/console/credits/${rows.account}?undo=${rows.spend.id}`],
    ["gift-card", `/console/credits/${rows.gift}`],
    ["transfers", "/console/transfers"],
    ["webhooks", "/console/webhooks"],
    ["webhook", `/console/webhooks/${rows.hook.id}`],
    ["gateways", "/console/gateways?connector=stripe"],
    ["keys", "/console/keys"],
    ["settings", "/console/settings"],
    ["audit", `/console/audit?order=${rows.two.id}`],
    ["no-such-page", "/console/nothing"],
  ];
}
