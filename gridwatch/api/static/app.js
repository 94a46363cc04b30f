// The console: logs in, keeps the tables fresh, follows the live stream.

import { Refused, get, post, remove, serverNow } from "/static/api.js";
import { byId, clockText, el, setLabels } from "/static/dom.js";
import * as panels from "/static/panels.js";

const OPEN_STEPS = ["discover", "file", "dispatch", "handle", "review", "close"];
const RETRY_MS = 3000;
const SETTLE_MS = 500; // several messages at once make one reload of the cases

let source = null;
let lastId = null;
let fruitless = 0; // connections in a row that were refused
let timers = [];
let casesDue = null;

let account = { reads: [] };

const may = (word) => account.reads.includes(word);

function live(tone, english, chinese) {
  const pill = byId("live");
  pill.className = `pill ${tone}`;
  pill.replaceChildren(english, " ", el("span", { lang: "zh" }, chinese));
}

function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

function showLogin() {
  timers.forEach(clearInterval);
  timers = [];
  source?.close();
  [source, lastId] = [null, null];
  account = { reads: [] };
  panels.clearFeed();
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  byId("console").hidden = true;
  byId("login").hidden = false;
  byId("login-form").elements.name.focus();
}

// Runs `load`, draws with `draw`, and says plainly when it did not work.
async function refresh(load, draw) {
  try {
    draw(await load());
    trouble("");
  } catch (error) {
    if (error instanceof Refused && error.status === 401) showLogin();
    else trouble(error instanceof Refused ? error.message : "The server does not answer; trying again. 服务器无响应，正在重试。");
  }
}

const loadCameras = () => refresh(() => get("/v1/cameras"), panels.drawCameras);
const loadAudit = () => refresh(() => get("/v1/audit", { limit: 50 }), panels.drawAudit);
const loadFeed = () => refresh(() => get("/v1/incidents", { limit: 200 }), (page) => {
  page.items.forEach((record) => panels.addToFeed(record, false));
  panels.drawFeed();
});
const loadCases = () => refresh(
  () => get("/v1/cases", [["limit", "500"], ...OPEN_STEPS.map((step) => ["step", step])]),
  (page) => panels.drawCases(page.items));

function casesSoon() {
  if (casesDue || !may("cases")) return;
  casesDue = setTimeout(() => { casesDue = null; loadCases(); }, SETTLE_MS);
}

function follow() {
  source = new EventSource(lastId === null ? "/v1/events/stream" : `/v1/events/stream?last_event_id=${lastId}`);
  source.onopen = () => {
    fruitless = 0;
    live("good", "Live", "实时");
    // The list is read after the stream is open, so that nothing falls between the two.
    if (lastId === null) loadFeed();
  };
  source.addEventListener("incident", (event) => {
    lastId = event.lastEventId;
    if (panels.addToFeed(JSON.parse(event.data), true)) panels.drawFeed();
    casesSoon();
  });
  source.onerror = () => {
    live("warn", "Reconnecting", "重连中");
    // The browser retries a dropped connection by itself, but gives up on a refusal.
    if (source.readyState === EventSource.CLOSED) setTimeout(reconnect, RETRY_MS);
  };
}

async function reconnect() {
  if (byId("console").hidden) return;
  try {
    await get("/v1/session");
  } catch (error) {
    if (error instanceof Refused && error.status === 401) showLogin();
    else setTimeout(reconnect, RETRY_MS);
    return;
  }
  // Refused twice although logged in: the place is not known there (another database); start over from now.
  fruitless += 1;
  if (fruitless > 1) lastId = null;
  follow();
}

async function start(who) {
  account = who;
  try {
    const [labels, sites, grids] = await Promise.all([get("/v1/labels"), get("/v1/sites"), get("/v1/grids")]);
    setLabels(labels);
    panels.setNames(sites, grids);
  } catch (error) {
    byId("login").hidden = true;
    setTimeout(begin, RETRY_MS);
    return;
  }
  panels.setAccount(account, loadCases);
  byId("who").textContent = panels.whoText(account);
  byId("login").hidden = true;
  byId("console").hidden = false;
  // A role that may not read something is not shown an empty table.
  const panelsOf = { feed: "incidents", cases: "cases", audit: "audit" };
  for (const [name, word] of Object.entries(panelsOf)) byId(`${name}-panel`).hidden = !may(word);
  byId("live").hidden = !may("incidents");
  document.querySelectorAll("[data-needs]").forEach((item) => { item.hidden = !may(item.dataset.needs); });
  const pulse = { cameras: [loadCameras, 5000] };
  if (may("cases")) pulse.cases = [loadCases, 15000];
  if (may("audit")) pulse.audit = [loadAudit, 15000];
  await Promise.all(Object.values(pulse).map(([load]) => load()));
  if (may("incidents")) follow();
  timers = Object.values(pulse).map(([load, period]) => setInterval(load, period));
  timers.push(
    setInterval(() => { panels.tickClocks(); byId("time").textContent = clockText(serverNow()); }, 1000),
    setInterval(panels.countIncidents, 30000));
}

async function begin() {
  try {
    await start(await get("/v1/session"));
  } catch {
    showLogin();
  }
}

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const error = form.querySelector(".error");
  error.textContent = "";
  try {
    const session = await post("/v1/session", { name: form.elements.name.value, password: form.elements.password.value });
    form.reset();
    await start(session.account);
  } catch (problem) {
    error.textContent = problem instanceof Refused ? problem.message : "The server does not answer. 服务器无响应。";
  }
});

byId("logout").addEventListener("click", async () => {
  await remove("/v1/session").catch(() => {});
  showLogin();
});

byId("grid-filter").addEventListener("change", panels.redrawCases);

begin();
