// What the pages do besides: the split while one types, news as they happen, keys, copying.
// Everything works without it. No library, nothing written into a page as markup but pages of ours.
"use strict";

const UNATTENDED = { headers: { "x-refundry-unattended": "1" }, credentials: "same-origin" };

// The split of a new refund, computed by the server, shown while one types.
function split(form) {
  const place = document.getElementById("split");
  let asked = 0;
  let timer;
  const ask = async () => {
    const turn = ++asked;
    const fields = new URLSearchParams(new FormData(form));
    for (const name of ["token", "once", "note", "reason"]) fields.delete(name);
    try {
      const answer = await fetch(`${form.dataset.split}?${fields}`, { credentials: "same-origin" });
      if (answer.ok && !answer.redirected && turn === asked) place.innerHTML = await answer.text();
    } catch { /* The button shows it as well. */ }
  };
  form.addEventListener("input", (event) => {
    const way = event.target.closest(".way");
    const radio = way && way.querySelector("input[type=radio]");
    if (radio && event.target !== radio) radio.checked = true;
    clearTimeout(timer);
    timer = setTimeout(ask, 200);
  });
}

// Copies an id or a secret.
function copying(root) {
  for (const place of root.querySelectorAll("[data-copy]")) {
    const code = place.querySelector("code");
    if (!code || place.querySelector(".copy") || !navigator.clipboard) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${place.closest("[role=status]") ? "the secret" : code.textContent}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    place.append(button);
  }
}

// Whether somebody is in the middle of something that a fresh page would take away.
function isBusy(main) {
  const active = document.activeElement;
  if (main.contains(active) && active !== main && active.matches("input, select, textarea, summary, button")) return true;
  if (main.querySelector("details[open], [aria-invalid], [role=alert], dialog[open]")) return true;
  if (!document.getSelection().isCollapsed) return true;
  for (const field of main.querySelectorAll("input, textarea")) {
    if (field.type === "checkbox" || field.type === "radio") {
      if (field.checked !== field.defaultChecked) return true;
    } else if (field.value !== field.defaultValue) return true;
  }
  return false;
}

// Fetches this page again when something has happened after what it shows. One connection, and only
// while the page is looked at: a browser has few of them for one server.
function live() {
  const main = document.getElementById("main");
  if (main.querySelector("form.sheet") || !window.EventSource) return;
  let seen = document.body.dataset.live;
  let source;
  let timer;
  let late;
  const again = (ms) => { clearTimeout(timer); timer = setTimeout(refresh, ms); };
  const refresh = async () => {
    if (document.hidden) return;
    if (isBusy(main)) { again(2000); return; }
    try {
      const answer = await fetch(location.href, UNATTENDED);
      if (answer.redirected || !answer.ok) { source?.close(); return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      const bare = (node) => {
        const copy = node.cloneNode(true);
        for (const gone of copy.querySelectorAll(".copy, input[type=hidden]")) gone.remove();
        return copy.textContent;
      };
      if (!fresh) return;
      if (isBusy(main)) { again(2000); return; }
      fresh.querySelectorAll(":scope > .notice[role=status]").forEach((node) => node.remove());
      if (bare(fresh) !== bare(main)) {
        main.replaceChildren(...fresh.childNodes);
        copying(main);
      }
      seen = page.body.dataset.live;
    } catch { again(5000); }
  };
  const listen = () => {
    if (document.hidden) {
      source?.close();
      source = undefined;
    } else if (!source) {
      source = new EventSource(`/console/live?after=${seen}`);
      source.onmessage = () => {
        again(400);
        // What is counted follows a moment later.
        if (main.querySelector("figure")) { clearTimeout(late); late = setTimeout(refresh, 2500); }
      };
    }
  };
  document.addEventListener("visibilitychange", listen);
  listen();
}

// Keys: / searches, g and a letter goes to a place, n begins a refund, ? tells them.
const OFF = "refundry-keys-off";

function keys() {
  let going = false;
  const isOff = () => { try { return localStorage.getItem(OFF) === "1"; } catch { return false; } };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, select, textarea, dialog")) return;
    if (event.key === "?") { help(isOff); event.preventDefault(); return; }
    if (isOff()) return;
    if (event.key === "/") { document.getElementById("q")?.focus(); event.preventDefault(); return; }
    if (event.key === "g") { going = true; setTimeout(() => { going = false; }, 1500); return; }
    const scope = going ? ".places" : "main";
    const place = /^[a-z]$/.test(event.key) && document.querySelector(`${scope} [data-key="${event.key}"]`);
    going = false;
    if (place) { place.click(); event.preventDefault(); }
  });
}

function help(isOff) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Keys");
  const list = document.createElement("dl");
  const rows = [["/", "Search"], ["?", "This list"], ["n", "New refund, on an order's page"]];
  for (const place of document.querySelectorAll(".places [data-key]")) rows.push([`g ${place.dataset.key}`, place.textContent]);
  for (const [key, what] of rows) {
    const term = document.createElement("dt");
    const kbd = document.createElement("kbd");
    kbd.textContent = key;
    term.append(kbd, ` ${what}`);
    list.append(term);
  }
  const label = document.createElement("label");
  label.className = "check";
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !isOff();
  box.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "0" : "1"));
  label.append(box, " Keys are on");
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.append(list, label, close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// On narrow screens the places are a row to be pushed: the one where one is comes into sight.
function showPlace() {
  const row = document.querySelector(".places");
  const here = row?.querySelector("[aria-current]");
  if (here && row.scrollWidth > row.clientWidth) {
    row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
  }
}

const form = document.querySelector("form[data-split]");
if (form) split(form);
copying(document);
showPlace();
if (document.body.dataset.live) live();
if (document.body.hasAttribute("data-live")) keys();
