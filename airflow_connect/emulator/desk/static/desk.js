// Keeps an open desk up to date: asks for its own page once a second, with the ETag of what it shows, and exchanges
// the regions that have changed. Without this file the desk works as well, and is reloaded by hand.
"use strict";

const SECOND = 1000;
const body = document.body;
const byId = (id) => document.getElementById(id);
const regions = () => document.querySelectorAll("[data-region]");

let live = body.dataset.live;
let etag = body.dataset.etag;
let ahead = Number(body.dataset.now) - Date.now() / SECOND; // the emulator's clock against this machine's
let pressed = false;
let leaving = false;
let wake = () => {};
const served = new WeakMap();

// --- how things are said: durations as words.py has them, times in the person's own zone ---

function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function tick() {
  const now = Date.now() / SECOND + ahead;
  for (const element of document.querySelectorAll("[data-since]")) {
    const text = duration(now - Number(element.dataset.since));
    if (element.textContent !== text) element.textContent = text;
  }
}

function localise() {
  for (const element of document.querySelectorAll("[data-moment]")) {
    element.title = element.textContent;
    element.textContent = new Date(element.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    delete element.dataset.moment;
  }
}

// --- what was typed ---

function isChanged(field) {
  return field.type === "radio" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}

function isEdited(element) {
  if (!("edited" in element.dataset)) return false;
  const fields = [...element.querySelectorAll("input, textarea")];
  return (
    element.dataset.edited === "unsaved" ||
    fields.some((field) => isChanged(field) || field === document.activeElement)
  );
}

function addRow() {
  const row = document.querySelector("#entries .blank").cloneNode(true);
  for (const field of row.querySelectorAll("[name=key], [name=value]")) field.value = "";
  byId("entries").append(row);
  row.querySelector("[name=key]").focus();
}

// --- what has changed ---

function exchange(region, fresh, html) {
  const open = [...region.querySelectorAll("details[open]")].map((element) => element.id);
  const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
  const known = new Set([...region.querySelectorAll("a[id]")].map((element) => element.id));
  region.replaceWith(fresh);
  served.set(fresh, html);
  for (const id of open) byId(id)?.setAttribute("open", "");
  if (focused) byId(focused)?.focus({ preventScroll: true });
  if (fresh.id === "list" && known.size) {
    for (const row of fresh.querySelectorAll("a[id]")) if (!known.has(row.id)) row.classList.add("fresh");
  }
}

function show(page) {
  const waiting = document.querySelector("[data-count=waiting]").textContent;
  if (page.body.className !== body.className) {
    // The contact has gone, or come back: another kind of page.
    byId("main").replaceChildren(...page.getElementById("main").children);
    body.className = page.body.className;
  }
  for (const region of regions()) {
    const fresh = page.getElementById(region.id);
    if (!fresh) continue;
    const html = fresh.outerHTML;
    const same = region.dataset.version ? region.dataset.version === fresh.dataset.version : served.get(region) === html;
    if (same) continue;
    if (isEdited(region)) byId("changed").hidden = false;
    else exchange(region, fresh, html);
  }
  ahead = Number(page.body.dataset.now) - Date.now() / SECOND;
  document.title = page.title;
  dress();
  const now = document.querySelector("[data-count=waiting]").textContent;
  if (now !== waiting) byId("announcer").textContent = now === "1" ? "1 contact waiting" : `${now} contacts waiting`;
}

async function refresh() {
  const asked = live;
  try {
    const response = await fetch(asked, {
      headers: { "If-None-Match": etag },
      cache: "no-store",
      signal: AbortSignal.timeout(10 * SECOND),
    });
    const seen = response.headers.get("ETag");
    if (!seen) throw new Error("not the desk");
    byId("offline").hidden = true;
    if (response.status === 304) return true;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    // Not under a finger that is about to click, and not when another list has been asked for meanwhile.
    if (pressed || leaving || asked !== live) return true;
    show(page);
    etag = seen;
    return true;
  } catch {
    byId("offline").hidden = leaving;
    return false;
  }
}

async function keepUp() {
  for (;;) {
    const pause = document.hidden || (await refresh()) ? SECOND : 2 * SECOND;
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, pause);
    });
  }
}

function filter() {
  const given = new URLSearchParams(new FormData(byId("filter")));
  for (const [name, value] of [...given]) if (!value || (name === "view" && value === "waiting")) given.delete(name);
  live = live.split("?")[0] + (given.size ? `?${given}` : "");
  etag = "";
  history.replaceState(null, "", live);
  wake();
}

function dress() {
  const add = byId("add");
  if (add) add.hidden = false;
  localise();
  tick();
}

// --- the start ---

for (const region of regions()) served.set(region, region.outerHTML);
document.documentElement.classList.add("live");
if (location.search.includes("done=")) history.replaceState(null, "", live);
dress();
byId("error")?.focus();

// The list stays where it was scrolled to when a contact is opened.
const side = document.querySelector(".side");
const list = new URL(live, location).search;
if (sessionStorage.getItem("list") === list) side.scrollTop = Number(sessionStorage.getItem("scroll"));
addEventListener("pagehide", () => {
  sessionStorage.setItem("list", new URL(live, location).search);
  sessionStorage.setItem("scroll", String(side.scrollTop));
});

document.addEventListener("click", (event) => {
  if (event.target.closest("#add")) addRow();
});
document.addEventListener("change", (event) => {
  if (event.target.matches(".choices .other input")) event.target.closest("fieldset").querySelector("textarea").focus();
});
document.addEventListener("pointerdown", () => (pressed = true));
for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => (pressed = false));
document.addEventListener("submit", (event) => {
  if (event.target.id === "filter") {
    // A whole contact ID opens its contact, which is the server's to decide.
    if (/^[0-9a-f-]{36}$/i.test(event.target.elements.q.value.trim())) return;
    event.preventDefault();
    filter();
  } else {
    leaving = true;
  }
});
let typing;
byId("filter").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filter, 250);
});
addEventListener("beforeunload", (event) => {
  const work = byId("work");
  if (!leaving && work && [...work.querySelectorAll("input, textarea")].some(isChanged)) {
    event.preventDefault();
  }
});
addEventListener("pageshow", () => (leaving = false));
document.addEventListener("visibilitychange", () => wake());
setInterval(tick, SECOND);
keepUp();
