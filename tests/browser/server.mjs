// A server with books of its own, and a browser that looks at it.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const TARGET = resolve(process.env.CARGO_TARGET_DIR ?? "target");
const CLIENT = join(TARGET, "clients/browser");
const require = createRequire(join(CLIENT, "package.json"));
const puppeteer = require("puppeteer-core");
export const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const KEY = "rfk_admin_of_the_browser_tests_0000000000000000";
const READY_MS = 30_000;

async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Waits for what `look` answers, up to a bound. */
export async function until(what, look, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((again) => setTimeout(again, 50));
  }
}

export class Server {
  static async start(settings = {}) {
    const server = new Server();
    server.directory = mkdtempSync(join(tmpdir(), "refundry-browser-"));
    const port = await freePort();
    server.url = `http://127.0.0.1:${port}`;
    const variables = {
      REFUNDRY_LISTEN: `127.0.0.1:${port}`,
      REFUNDRY_DATA: server.directory,
      REFUNDRY_ADMIN_KEY: KEY,
      REFUNDRY_LOG_LEVEL: "warn",
      REFUNDRY_WEBHOOKS_ALLOW_HTTP: "true",
      REFUNDRY_WEBHOOKS_ALLOW_ADDRESSES: "127.0.0.0/8",
      ...settings,
    };
    const binary = join(TARGET, "debug/refundry");
    server.log = "";
    server.process = spawn(binary, ["serve"], {
      cwd: server.directory,
      env: { PATH: process.env.PATH, ...variables },
      stdio: ["ignore", "ignore", "pipe"],
    });
    server.process.stderr.on("data", (text) => { server.log += text; });
    await until("the server is ready", async () => {
      if (server.process.exitCode !== null) throw new Error(`the server ended:\n${server.log}`);
      const answer = await fetch(`${server.url}/readyz`).catch(() => undefined);
      return answer?.ok;
    }, READY_MS);
    return server;
  }

  async stop() {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGTERM");
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A call of the API; fails when it does. */
  async call(method, path, body, key = KEY) {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    if (method === "POST" && /^\/v1\/(refunds|orders|returns|bulk)|\/(spend|undo)$/.test(path) && !path.endsWith("/information_link")) {
      headers["idempotency-key"] = crypto.randomUUID();
    }
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const answer = await fetch(this.url + path, { method, headers, body: sent });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  get(path) { return this.call("GET", path); }
  post(path, body) { return this.call("POST", path, body); }

  /** An order of two lines, paid in the given payments. */
  order(reference, payments, more = {}) {
    const total = payments.reduce((sum, one) => sum + Math.round(Number(one.amount) * 100), 0);
    const shipping = 500;
    const lines = [
      { kind: "product", sku: "mug-blue", name: "Blue mug", quantity: 4, amount: ((total - shipping) / 100).toFixed(2) },
      { kind: "shipping", name: "Parcel", amount: (shipping / 100).toFixed(2) },
    ];
    return this.post("/v1/orders", { reference, currency: "USD", lines, payments, ...more });
  }

  refund(order, more) {
    return this.post("/v1/refunds", { order: order.id, ...more });
  }

  settled(refund, state) {
    return until(`${refund.id} is ${state}`, async () => {
      const now = await this.get(`/v1/refunds/${refund.id}`);
      return now.state === state && now;
    });
  }

  async key(scopes, name = "colleague") {
    return (await this.post("/v1/keys", { name, scopes })).secret;
  }
}

export const card = (amount, reference) => ({
  provider: "sandbox", method: "card", amount, provider_reference: reference,
});

export class Browser {
  static async start() {
    const browser = new Browser();
    browser.chromium = await puppeteer.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--font-render-hinting=none"],
    });
    return browser;
  }

  stop() { return this.chromium.close(); }

  /** Somebody with cookies of their own. */
  async person(server, { script = true } = {}) {
    const context = await this.chromium.createBrowserContext();
    const page = await context.newPage();
    await page.setJavaScriptEnabled(script);
    await page.setViewport({ width: 1280, height: 900 });
    return new Person(server, context, page);
  }
}

export class Person {
  constructor(server, context, page) {
    Object.assign(this, { server, context, page, faults: [] });
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      if (/content security policy/i.test(message.text())) this.faults.push(message.text());
    });
  }

  leave() { return this.context.close(); }

  async open(path) {
    const answer = await this.page.goto(this.server.url + path, { waitUntil: "domcontentloaded" });
    return answer.status();
  }

  async signIn(key = KEY) {
    await this.open("/console");
    await this.page.type("#key", key);
    await this.press("Sign in");
  }

  path() { return new URL(this.page.url()).pathname; }

  text(selector = "main") {
    return this.page.$eval(selector, (node) => node.innerText);
  }

  /** The button of this text, or nothing. */
  async button(text) {
    for (const button of await this.page.$$("button, a.button")) {
      const said = await button.evaluate((node) => node.textContent.trim());
      if (said === text || said.startsWith(`${text} `)) return button;
    }
    return undefined;
  }

  async press(text) {
    const button = await this.button(text);
    if (!button) throw new Error(`there is no button "${text}" on ${this.path()}`);
    await Promise.all([this.page.waitForNavigation({ waitUntil: "domcontentloaded" }), button.evaluate((node) => node.click())]);
  }

  async follow(selector) {
    await Promise.all([
      this.page.waitForNavigation({ waitUntil: "domcontentloaded" }),
      this.page.$eval(selector, (node) => node.click()),
    ]);
  }

  async fill(selector, value) {
    const field = await this.page.$(selector);
    if (!field) throw new Error(`there is no field ${selector} on ${this.path()}`);
    await field.click({ count: 3 });
    await this.page.keyboard.press("Backspace");
    if (value) await field.type(value);
  }

  /** What axe finds that is serious or worse. */
  async axe() {
    await this.page.evaluate(AXE);
    const found = await this.page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    return found.violations
      .filter((one) => one.impact === "serious" || one.impact === "critical")
      .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
  }
}
