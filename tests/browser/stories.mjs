// What people do at the console, from the login to the result, in a real browser over a real
// server. The main ones also without any script.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Browser, KEY, Server, card, until } from "./server.mjs";
import { Receiver, pages, shop } from "./shop.mjs";

let server;
let browser;
before(async () => {
  browser = await Browser.start();
  server = await Server.start();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

/** Runs a story as somebody of their own, and looks that the page broke no rule meanwhile. */
async function as(options, story) {
  const person = await browser.person(options.server ?? server, options);
  try {
    await person.signIn(options.key ?? KEY);
    await story(person);
    assert.deepEqual(person.faults, []);
  } finally {
    await person.leave();
  }
}

let count = 0;
const reference = () => `S-${++count}`;

for (const script of [true, false]) {
  describe(script ? "with the script" : "without a script", () => {
    test("a refund over two payments is proposed, changed and confirmed", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [card("30.00"), card("15.00")]);
      await clerk.open(`/console/orders/${order.id}`);
      await clerk.follow("a.button.main");
      await clerk.fill("#amount", "40.00");
      await clerk.press("Show the split");
      const split = await clerk.text("#split");
      assert.match(split, /40\.00\sUSD/);
      assert.match(split, /30\.00\sUSD to card at sandbox/);
      assert.match(split, /10\.00\sUSD to card at sandbox/);
      await clerk.page.click("[name=propose]");
      await clerk.fill("#why", "defective");
      await clerk.press("Request refund");
      assert.match(clerk.path(), /^\/console\/refunds\/ref_\d+$/);
      assert.match(await clerk.text(), /was proposed and waits/);
      const id = clerk.path().split("/").pop();
      assert.equal((await server.get(`/v1/refunds/${id}`)).state, "unconfirmed");
      await clerk.fill("#amount", "35.50");
      await clerk.press("Change");
      assert.match(await clerk.text(), /Confirm 35\.50\sUSD/);
      await clerk.press("Confirm");
      const paid = await server.settled({ id }, "succeeded");
      assert.equal(paid.amount, "35.50");
      const amounts = paid.transactions.filter((row) => row.state === "succeeded").map((row) => row.amount);
      assert.deepEqual(amounts, ["30.00", "5.50"]);
    }));

    test("a proposed refund is canceled, and its amount is free", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [card("20.00")]);
      const refund = await server.refund(order, { amount: "20.00", confirm: false });
      await clerk.open(`/console/refunds/${refund.id}`);
      await clerk.fill("#reason", "asked for twice");
      await clerk.press("Cancel refund");
      assert.match(await clerk.text(), /The refund was canceled/);
      const now = await server.get(`/v1/orders/${order.id}/refundable`);
      assert.equal(now.left, "20.00");
    }));

    test("a declined refund is tried again", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [card("20.00", "sandbox_decline_once")]);
      const refund = await server.refund(order, { amount: "7.00" });
      await server.settled(refund, "failed");
      await clerk.open(`/console/refunds/${refund.id}`);
      assert.match(await clerk.text(), /Declined/);
      await clerk.press("Try again");
      await server.settled(refund, "succeeded");
      await clerk.open(`/console/refunds/${refund.id}`);
      assert.match(await clerk.text(), /A later attempt took its place/);
    }));

    test("an outside payout is reported", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [{ provider: "warehouse_till", method: "cash", amount: "48.00" }]);
      const refund = await server.refund(order, { amount: "12.00" });
      await server.settled(refund, "processing");
      await clerk.open("/console/owed");
      await clerk.follow(`a[href="/console/owed/${refund.transactions[0].id}"]`);
      await clerk.fill("#provider_reference", "till-77");
      await clerk.press("Report");
      assert.match(await clerk.text(), /The report was taken/);
      const now = await server.get(`/v1/refunds/${refund.id}`);
      assert.equal(now.state, "succeeded");
      assert.equal(now.transactions[0].provider_reference, "till-77");
    }));

    test("a refund that was paid appears in the report, and in its CSV file", () => as({ script }, async (clerk) => {
      const reason = `reason ${reference()}`;
      const order = await server.order(reference(), [card("80.00")]);
      await server.settled(await server.refund(order, { amount: "12.34", reason }), "succeeded");
      await until("the refund is counted", async () => (await server.get(`/v1/reports/refunds?by=reason`)).data.some((line) => line.key === reason));
      await clerk.follow('.places a[href="/console/reports"]');
      await clerk.fill("[name=reason]", reason);
      await clerk.page.select("[name=by]", "provider");
      await clerk.press("Filter");
      assert.match(await clerk.text(), /sandbox\s+12\.34\sUSD/);
      const file = await clerk.page.$eval("a[download]", (link) => link.href);
      const cookies = (await clerk.page.cookies()).map((one) => `${one.name}=${one.value}`).join("; ");
      const answer = await fetch(file, { headers: { cookie: cookies } });
      assert.match(answer.headers.get("content-disposition"), /attachment; filename="refund-report\.csv"/);
      assert.match(await answer.text(), /^sandbox,USD,1,1,0,0,0,12\.34,0\.00,12\.34\r$/m);
      await clerk.fill("[name=reason]", "no such reason");
      await clerk.press("Filter");
      assert.match(await clerk.text(), /No refunds in these days that match/);
    }));

    test("an order is looked up by its reference and its balances are read", () => as({ script }, async (clerk) => {
      const name = `${reference()} & co`;
      const order = await server.order(name, [card("30.00"), card("15.00")]);
      await server.refund(order, { amount: "10.00", confirm: false });
      await clerk.fill("#q", name);
      await clerk.press("Search");
      assert.equal(clerk.path(), `/console/orders/${order.id}`);
      const said = await clerk.text();
      assert.match(said, /35\.00\sUSD of 45\.00\sUSD captured/);
      assert.match(said, /Held 10\.00\sUSD/);
    }));

    test("many refunds are confirmed at once, and one that cannot be says why", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [card("20.00")]);
      const [one, two] = [
        await server.refund(order, { amount: "1.00", confirm: false }),
        await server.refund(order, { amount: "2.00", confirm: false }),
      ];
      await clerk.open("/console/confirm");
      for (const refund of [one, two]) await clerk.page.click(`input[value="${refund.id}"]`);
      await server.post(`/v1/refunds/${two.id}/cancel`, {});
      await clerk.press("Confirm chosen");
      const said = await clerk.text();
      assert.match(said, /1 refund confirmed/);
      assert.match(said, new RegExp(`${two.id}: `));
      await server.settled(one, "succeeded");
    }));

    test("what is wrong stands beside its field, and what was written stays", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [card("20.00")]);
      await clerk.open(`/console/orders/${order.id}/refund`);
      await clerk.fill("#amount", "20.01");
      await clerk.fill("#note", "stays here");
      await clerk.press("Request refund");
      assert.match(await clerk.text("#wrong-amount"), /20\.01 USD was asked for/);
      assert.equal(await clerk.page.$eval("#amount", (field) => field.value), "20.01");
      assert.equal(await clerk.page.$eval("#note", (field) => field.value), "stays here");
      assert.equal(await clerk.page.$eval("#amount", (field) => field.getAttribute("aria-describedby")), "wrong-amount");
    }));

    test("store credit is spent, and the spend is undone", () => as({ script }, async (clerk) => {
      const name = reference();
      const order = await server.order(name, [card("20.00")], { customer: { reference: `c-${name}` } });
      const refund = await server.refund(order, { amount: "12.00", to: "store_credit" });
      await clerk.open(`/console/refunds/${refund.id}`);
      await clerk.follow('a[href^="/console/credits/acc_"]');
      const account = clerk.path().split("/").pop();
      const balance = async () => (await server.get(`/v1/credit_accounts/${account}`)).balance;
      assert.match(await clerk.text(), /12\.00\sUSD to be spent/);
      await clerk.fill("#amount", "20.00");
      await clerk.press("Spend");
      assert.match(await clerk.text("#wrong-amount"), /20\.00 USD/);
      await clerk.fill("#amount", "5.00");
      await clerk.fill("#reference", "order 77");
      await clerk.press("Spend");
      assert.match(await clerk.text(), /The amount was spent/);
      assert.equal(await balance(), "7.00");
      await clerk.follow('a[href*="?undo=ent_"]');
      assert.match(await clerk.text("#undo"), /5\.00\sUSD was spent for order 77/);
      await clerk.press("Undo spend");
      assert.match(await clerk.text(), /The spend was undone/);
      assert.equal(await balance(), "12.00");
    }));

    test("a gift card gets its code, and is found by it", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [card("20.00")]);
      const refund = await server.refund(order, { amount: "8.00", to: "gift_card" });
      const account = refund.transactions[0].provider_reference;
      await clerk.open(`/console/credits/${account}`);
      await clerk.press("Give it a code");
      const code = await clerk.text(".notice code");
      assert.match(code, /^([0-9A-Z]{4}-){4}[0-9A-Z]{4}$/);
      await clerk.open("/console/credits");
      await clerk.fill("#code", code.toLowerCase());
      await clerk.press("Find card");
      assert.equal(clerk.path(), `/console/credits/${account}`);
      assert.ok(!(await clerk.page.content()).includes(code), "the code is shown once");
    }));

    test("a return is opened on its order's page, and closed", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [card("20.00")]);
      await clerk.open(`/console/orders/${order.id}`);
      await clerk.press("Open a return");
      await clerk.fill("#units_1", "2");
      await clerk.fill("[name=why_1]", "The handle is off");
      await clerk.fill("#why", "Broken on arrival");
      await clerk.press("Open return");
      assert.match(await clerk.text(), /The return was opened/);
      const id = clerk.path().split("/").pop();
      const opened = await server.get(`/v1/returns/${id}`);
      assert.deepEqual(opened.items, [{ line: 1, quantity: 2, reason: "The handle is off" }]);
      await clerk.press("Done");
      assert.match(await clerk.text(), /The return was closed/);
      assert.equal((await server.get(`/v1/returns/${id}`)).state, "done");
    }));

    test("an order is found by a name and by its day", () => as({ script }, async (clerk) => {
      const name = `Name${reference().replace("-", "")}`;
      const order = await server.order(reference(), [card("20.00")], { customer: { name: `Grace ${name}` }, created_at: "2020-02-29T12:00:00Z" });
      await clerk.fill("#q", name.toLowerCase().slice(0, 6));
      await clerk.press("Search");
      assert.ok((await clerk.text()).includes(order.id));
      await clerk.open("/console/orders?from=2020-02-29&until=2020-02-29");
      assert.ok((await clerk.text()).includes(order.id));
      await clerk.open("/console/orders?from=2020-03-01&until=2020-03-31");
      assert.ok(!(await clerk.text()).includes(order.id));
    }));

    test("the books are verified while the server works", () => as({ script }, async (auditor) => {
      await auditor.open("/console/audit");
      await auditor.press("Verify the books now");
      await until("it has ended", async () => {
        await auditor.open("/console/audit");
        return (await auditor.text()).includes("The books add up");
      });
    }));

    test("a customer gets the link, gives an account, and the transfer goes into a file", () => as({ script }, async (clerk) => {
      await server.call("PATCH", "/v1/settings", { ask_bank_details: true, debtor: { name: "The shop", iban: "DE89370400440532013000", bic: null } });
      const order = await server.order(reference(), [card("30.00")], { currency: "EUR" });
      const refund = await server.refund(order, { amount: "12.00", to: "bank_transfer" });
      await clerk.open(`/console/refunds/${refund.id}`);
      await clerk.press("Show the customer's link");
      const link = await clerk.text(".notice code.id");
      assert.match(link, /^\/bank-details\//);

      const customer = await browser.person(server, { script });
      await customer.open(link);
      await customer.fill("#account_holder", "Katherine");
      await customer.fill("#iban", "PL61 1090 1014 0000 0712 1981 2874");
      await Promise.all([customer.page.waitForNavigation(), customer.page.click("form button")]);
      await customer.leave();
      await server.settled(refund, "processing");

      await clerk.open(`/console/refunds/${refund.id}`);
      assert.match(await clerk.text(), /ends in 2874/);
      await clerk.open("/console/transfers");
      assert.match(await clerk.text(), /1 transfer can stand in a file/);
      await clerk.press("Make file");
      assert.match(await clerk.text(), /The file was made/);
      const file = await clerk.page.$eval("a[href*='/transfers/btf_']", (one) => one.href);
      const cookies = (await clerk.page.cookies()).map((one) => `${one.name}=${one.value}`).join("; ");
      const answer = await fetch(file, { headers: { cookie: cookies } });
      assert.match(answer.headers.get("content-disposition"), /attachment; filename="btf_\d+\.xml"/);
      const xml = await answer.text();
      assert.match(xml, /PL61109010140000071219812874/);
      await server.call("PATCH", `/v1/transactions/${refund.transactions[0].id}`, { state: "succeeded" });
    }));

    test("a form that is sent twice takes effect once", () => as({ script }, async (clerk) => {
      const order = await server.order(reference(), [card("20.00")]);
      await clerk.open(`/console/orders/${order.id}/refund`);
      await clerk.fill("#amount", "3.00");
      const form = await clerk.page.$$eval("form.sheet [name]", (fields) => fields
        .filter((field) => field.tagName !== "BUTTON" && (!["radio", "checkbox"].includes(field.type) || field.checked))
        .map((field) => [field.name, field.value]));
      const cookies = (await clerk.page.cookies()).map((one) => `${one.name}=${one.value}`).join("; ");
      const send = () => fetch(`${server.url}/console/orders/${order.id}/refund`, {
        method: "POST", redirect: "manual", headers: { cookie: cookies }, body: new URLSearchParams([...form, ["do", "request"]]),
      });
      const answers = await Promise.all([send(), send(), send()]);
      const places = new Set(answers.map((answer) => answer.headers.get("location")));
      assert.deepEqual(answers.map((answer) => answer.status), [303, 303, 303]);
      assert.equal(places.size, 1);
      const refunds = await server.get(`/v1/refunds?order=${order.id}`);
      assert.equal(refunds.data.length, 1);
    }));
  });
}

test("a key that may only read sees no button, and is refused when it posts anyway", async () => {
  const key = await server.key(["read"]);
  const order = await server.order(reference(), [card("20.00")]);
  const refund = await server.refund(order, { amount: "5.00", confirm: false });
  await as({ key }, async (reader) => {
    for (const path of [`/console/orders/${order.id}`, `/console/refunds/${refund.id}`, "/console/confirm"]) {
      assert.equal(await reader.open(path), 200);
      for (const text of ["New refund", "Confirm", "Cancel refund", "Change", "Confirm chosen"]) {
        assert.equal(await reader.button(text), undefined, `${text} on ${path}`);
      }
    }
    assert.equal(await reader.page.$('.places a[href="/console/keys"]'), null);
    assert.equal(await reader.open("/console/keys"), 403);
    const token = await reader.page.$eval("[name=token]", (field) => field.value);
    const status = await reader.page.evaluate(async (path, token) => {
      const body = new URLSearchParams({ token, once: "0".repeat(32) });
      return (await fetch(path, { method: "POST", body })).status;
    }, `/console/refunds/${refund.id}/confirm`, token);
    assert.equal(status, 403);
    assert.equal((await server.get(`/v1/refunds/${refund.id}`)).state, "unconfirmed");
  });
});

test("a webhook that failed is sent again", async () => {
  const receiver = await Receiver.start(500);
  const hook = await server.post("/v1/webhook_endpoints", { url: receiver.url, events: ["order.registered"] });
  const name = reference();
  await server.order(name, [card("20.00")]);
  const failed = await until("a try has failed", async () => {
    const list = await server.get(`/v1/deliveries?endpoint=${hook.id}`);
    return list.data.find((row) => row.tries?.length > 0 || row.attempts?.length > 0) ?? list.data[0];
  });
  await as({}, async (operator) => {
    await operator.open(`/console/webhooks/${hook.id}`);
    await operator.follow("tbody a");
    await until("the try is shown", async () => {
      await operator.open(operator.path());
      return (await operator.text()).includes("Answered 500");
    });
    const shown = await operator.text();
    assert.match(shown, /POST http:\/\/127\.0\.0\.1/);
    assert.match(shown, /"order\.registered"/);
    assert.match(shown, /not now/);
    receiver.status = 200;
    await operator.press("Send it again");
    assert.match(await operator.text(), /is sent again/);
    await until("it was delivered", async () => {
      await operator.open(operator.path());
      return (await operator.text()).includes("Delivered");
    });
  });
  assert.ok(failed);
  await server.call("DELETE", `/v1/webhook_endpoints/${hook.id}`);
  await receiver.stop();
});

test("a session that nobody uses ends, and nothing is done in its name", async () => {
  const short = await Server.start({ REFUNDRY_CONSOLE_IDLE_MS: "1500" });
  try {
    const order = await short.order("1", [card("20.00")]);
    const refund = await short.refund(order, { amount: "5.00", confirm: false });
    await as({ server: short }, async (clerk) => {
      await clerk.open(`/console/refunds/${refund.id}`);
      const button = await clerk.button("Confirm");
      // The session's own cookie says when it was last seen; the server answers by its clock.
      await until("the session has ended", async () => {
        const cookies = (await clerk.page.cookies()).map((one) => `${one.name}=${one.value}`).join("; ");
        const answer = await fetch(`${short.url}/console/keys`, { redirect: "manual", headers: { cookie: cookies, "x-refundry-unattended": "1" } });
        return answer.status === 303;
      });
      await Promise.all([clerk.page.waitForNavigation(), button.evaluate((node) => node.click())]);
      assert.equal(clerk.path(), "/console/login");
      assert.match(await clerk.text(), /signed out because nothing happened/);
      assert.equal((await short.get(`/v1/refunds/${refund.id}`)).state, "unconfirmed");
      await clerk.page.type("#key", KEY);
      await clerk.press("Sign in");
      assert.equal(clerk.path(), "/console");
    });
  } finally {
    await short.stop();
  }
});

test("the approval that is set makes the next refund wait", () => as({}, async (manager) => {
  const order = await server.order(reference(), [card("20.00")]);
  await manager.open("/console/settings");
  await manager.page.click("[name=approval][value=always]");
  await manager.press("Save");
  assert.match(await manager.text(), /The change was saved/);
  const clerk = await server.key(["read", "write"], "clerk");
  const refund = await server.call("POST", "/v1/refunds", { order: order.id, amount: "1.00" }, clerk);
  assert.equal(refund.state, "unconfirmed");
  await manager.page.click("[name=approval][value=never]");
  await manager.press("Save");
}));

test("Notify Only is flipped, and the next refund waits for an outside platform", () => as({}, async (manager) => {
  const order = await server.order(reference(), [card("20.00")]);
  await manager.open("/console/settings");
  await manager.page.click("[name=notify_only][value=payment_method]");
  await manager.press("Save");
  assert.match(await manager.text(), /The change was saved/);
  assert.equal(await manager.page.$eval("[name=notify_only][value=payment_method]", (box) => box.checked), true);
  const refund = await server.refund(order, { amount: "1.00" });
  assert.equal(refund.execution, "notify");
  await server.settled(refund, "processing");
  await manager.open("/console/owed");
  assert.ok((await manager.text()).includes(refund.id));
  await manager.open("/console/settings");
  await manager.page.click("[name=notify_only][value=payment_method]");
  await manager.press("Save");
  assert.equal((await server.get("/v1/settings")).notify_only.payment_method, false);
}));

test("with the script, the split follows what one types and news come by themselves", () => as({}, async (clerk) => {
  const order = await server.order(reference(), [card("30.00"), card("15.00")]);
  await clerk.open(`/console/orders/${order.id}/refund`);
  await clerk.page.type("#percent", "50");
  await until("the split is shown", async () => /22\.50\sUSD/.test(await clerk.text("#split")));
  // What happens between the page's drawing and its listening is news as well.
  let refund;
  await clerk.page.setRequestInterception(true);
  clerk.page.on("request", async (request) => {
    if (!refund && request.url().includes("/console/live")) {
      refund = await server.refund(order, { amount: "1.23", confirm: false });
    }
    await request.continue();
  });
  await clerk.open("/console/refunds?state=unconfirmed");
  await until("the refund appears", async () => refund && (await clerk.text()).includes(refund.id));
  const later = await server.refund(order, { amount: "1.24", confirm: false });
  await until("the next one appears", async () => (await clerk.text()).includes(later.id));
  for (const one of [refund, later]) await server.post(`/v1/refunds/${one.id}/cancel`, {});
}));

test("the main story with the keyboard alone", () => as({}, async (clerk) => {
  const order = await server.order(reference(), [card("20.00")]);
  const { keyboard } = clerk.page;
  const walk = async (wanted) => {
    for (let steps = 0; steps < 120; steps += 1) {
      await keyboard.press("Tab");
      const there = await clerk.page.evaluate((wanted) => {
        const active = document.activeElement;
        const style = getComputedStyle(active);
        return { is: active.matches(wanted) || active.textContent.trim() === wanted, seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
      }, wanted);
      assert.ok(there.seen, "whatever has the focus shows it");
      if (there.is) return;
    }
    throw new Error(`Tab never came to ${wanted}`);
  };
  const enter = () => Promise.all([clerk.page.waitForNavigation(), keyboard.press("Enter")]);
  await keyboard.press("/");
  await keyboard.type(order.reference);
  await enter();
  await walk("a.button.main");
  await enter();
  await walk("#amount");
  await keyboard.type("4.00");
  await walk("button[value=request]");
  await enter();
  assert.match(clerk.path(), /^\/console\/refunds\/ref_/);
  await keyboard.press("g");
  await Promise.all([clerk.page.waitForNavigation(), keyboard.press("o")]);
  assert.equal(clerk.path(), "/console/orders");
}));

test("every page is free of serious findings of axe, in both schemes, wide and narrow", { timeout: 300_000 }, async () => {
  const own = await Server.start();
  const receiver = await Receiver.start();
  const rows = await shop(own, receiver);
  const findings = [];
  const look = async (person, name, path) => {
    for (const scheme of ["light", "dark"]) {
      for (const width of [1280, 360]) {
        await person.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        await person.page.setViewport({ width, height: 900 });
        await person.open(path);
        for (const found of await person.axe()) findings.push(`${name}, ${scheme}, ${width}: ${found}`);
        const over = await person.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) findings.push(`${name} at ${width}: ${over} px too wide`);
        const size = Buffer.byteLength(await person.page.content());
        if (size > 60_000) findings.push(`${name}: ${size} bytes`);
      }
    }
  };
  const stranger = await browser.person(own);
  await look(stranger, "login", "/console/login");
  await stranger.leave();
  await as({ server: own }, async (person) => {
    for (const [name, path] of pages(rows)) await look(person, name, path);
  });
  await own.stop();
  await receiver.stop();
  assert.deepEqual(findings, []);
});
