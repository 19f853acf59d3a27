// Every page as a picture: light and dark, wide and narrow, into target/screenshots. With the name
// of a page only that one; with `readme` the three small ones of the README, into docs/images.

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { Browser, Server } from "./server.mjs";
import { Receiver, pages, shop } from "./shop.mjs";

const folder = join(resolve(process.env.CARGO_TARGET_DIR ?? "target"), "screenshots");
mkdirSync(folder, { recursive: true });
const only = process.argv[2];

const receiver = await Receiver.start();
const server = await Server.start();
const browser = await Browser.start();
const rows = await shop(server, receiver);
const person = await browser.person(server);
const shots = async (name, path, schemes = ["light", "dark"]) => {
  for (const scheme of schemes) {
    for (const [size, width] of [["wide", 1280], ["narrow", 360]]) {
      await person.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await person.page.setViewport({ width, height: width === 360 ? 740 : 900 });
      await person.open(path);
      const over = await person.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) console.log(`${name} at ${width}: ${over} px too wide`);
      await person.page.screenshot({ path: join(folder, `${name}-${scheme}-${size}.png`), fullPage: true });
    }
  }
};
const readme = async () => {
  const wanted = [
    ["order", `/console/orders/${rows.two.id}`, "light"],
    ["new-refund", `/console/orders/${rows.two.id}/refund?by=amount&amount=32.50`, "light"],
    ["refund", `/console/refunds/${rows.failed.id}`, "dark"],
  ];
  mkdirSync("docs/images", { recursive: true });
  await person.page.setViewport({ width: 1120, height: 700, deviceScaleFactor: 0.75 });
  for (const [name, path, scheme] of wanted) {
    await person.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await person.open(path);
    await person.page.screenshot({ path: `docs/images/${name}.png` });
  }
};
if (!only || only === "login") await shots("login", "/console/login?why=expired");
await person.page.setViewport({ width: 1280, height: 900 });
await person.signIn();
if (only === "readme") await readme();
for (const [name, path] of pages(rows)) if (!only || only === name) await shots(name, path);
const list = await server.get(`/v1/deliveries?endpoint=${rows.hook.id}`);
const [, endpoint, event] = list.data[0].id.split("_");
if (!only || only === "delivery") await shots("delivery", `/console/webhooks/whe_${endpoint}/evt_${event}`);
// What a customer sees, in each language; few looks, for who looks often is slowed down.
for (const [language, scheme] of [["en", "light"], ["de", "dark"], ["pl", "light"]]) {
  if (only && only !== "bank-details") break;
  await person.page.setExtraHTTPHeaders({ "accept-language": language });
  await shots(`bank-details-${language}`, rows.link, [scheme]);
}
await browser.stop();
await server.stop();
await receiver.stop();
console.log(`pictures are in ${folder}`);
