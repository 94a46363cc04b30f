// The tables. Each is redrawn whole from what the server said last; they are small.

import { serverNow } from "/static/api.js";
import { both, byId, count, duration, el, fill, time, values, words } from "/static/dom.js";
import { showEvidence, takeStep } from "/static/dialogs.js";

const MARKS = { critical: "▲", major: "◆", minor: "●", info: "○" };
const URGENCY = ["up", "connecting", "stopped", "no_video", "refused", "stalled", "unreachable"];
const NOT_URGENT = 1; // states up to this one need nobody
const HOUR = 3600 * 1000;
const FEED_ROWS = 200;

const names = { sites: new Map(), grids: new Map() };

export function setNames(sites, grids) {
  names.sites = new Map(sites.map((site) => [site.path, site.name]));
  names.grids = new Map(grids.map((grid) => [grid.code, grid.name]));
  const options = grids.map((grid) => el("option", { value: grid.code }, `${grid.name} (${grid.code})`));
  byId("grid-filter").replaceChildren(el("option", { value: "" }, "All 全部"), ...options);
}

const siteName = (path) => names.sites.get(path) ?? path;
const gridName = (code) => (code ? names.grids.get(code) ?? code : "–");

function severity(value) {
  return el("span", { class: `severity ${value}` }, el("span", { "aria-hidden": "true" }, MARKS[value]), " ", ...both("severity", value));
}

// Live incidents

const feed = new Map();

export function clearFeed() {
  feed.clear();
}

// Keeps the latest message of each incident; true when it is news.
export function addToFeed(record, fresh) {
  const known = feed.get(record.incident.id);
  if (known && known.incident.seq >= record.incident.seq) return false;
  // Only the message that raised it names the pictures.
  const evidence = record.incident.evidence.length || !known ? record.incident.evidence : known.incident.evidence;
  feed.set(record.incident.id, { ...record, incident: { ...record.incident, evidence }, fresh: fresh && !known });
  return true;
}

export function drawFeed() {
  const rows = [...feed.values()].sort((a, b) => (a.incident.occurred_at < b.incident.occurred_at ? 1 : -1));
  for (const old of rows.splice(FEED_ROWS)) feed.delete(old.incident.id);
  fill("feed", rows.map(feedRow));
  for (const row of rows) row.fresh = false;
  countIncidents();
}

export function countIncidents() {
  const since = serverNow() - HOUR;
  const recent = [...feed.values()].filter((row) => Date.parse(row.incident.occurred_at) >= since).length;
  count("incidents", recent >= FEED_ROWS ? `${recent}+` : String(recent));
}

function feedRow({ incident, grid, case: caseId, fresh }) {
  const over = incident.phase === "cleared";
  const evidence = incident.evidence.length && account.reads.includes("evidence")
    ? el("button", { onclick: () => showEvidence(incident) }, "Evidence ", el("i", { lang: "zh" }, "证据"))
    : null;
  return el("tr", { class: `${over ? "over" : ""} ${fresh ? "fresh" : ""}` },
    el("td", { class: "nowrap" }, time(incident.occurred_at, serverNow())),
    el("td", { class: "nowrap" }, severity(incident.severity)),
    el("td", { class: "what" }, el("strong", {}, ...both("kind", incident.kind)),
      el("small", {}, ...both("phase", incident.phase), incident.count > 1 ? ` · ×${incident.count}` : "")),
    el("td", {}, siteName(incident.site),
      el("small", {}, incident.camera, el("span", { class: "narrow" }, ` · ${gridName(grid)}`))),
    el("td", { class: "widest" }, gridName(grid), caseId ? el("small", {}, "case ", el("i", { lang: "zh" }, "已立案")) : null),
    el("td", { class: "actions" }, evidence));
}

// Cases

const chosen = { step: null, late: false };
let cases = [];
let account = { reads: [], steps: [] };
let refresh = () => {};

export function setAccount(who, onChange) {
  account = who;
  refresh = onChange;
}

export function drawCases(all) {
  cases = all;
  redrawCases();
}

export function redrawCases() {
  const grid = byId("grid-filter").value;
  const here = cases.filter((one) => !grid || one.grid === grid);
  const late = here.filter(isLate);
  drawChips(here, late);
  const shown = here.filter((one) => (chosen.late ? isLate(one) : !chosen.step || one.step === chosen.step));
  shown.sort((a, b) => dueAt(a) - dueAt(b));
  fill("cases", shown.map(caseRow));
  const allLate = cases.filter(isLate).length;
  count("cases", String(cases.length));
  count("late", String(allLate), allLate ? "bad" : "good");
}

const dueAt = (one) => (one.clock ? Date.parse(one.clock.due_at) : Infinity);
const isLate = (one) => dueAt(one) <= serverNow();

function drawChips(here, late) {
  const chip = (text, number, pressed, choose, tone = "") =>
    el("button", { class: `chip ${tone}`, "aria-pressed": String(pressed), onclick: () => { choose(); redrawCases(); } },
      ...text, " ", el("b", {}, String(number)));
  const choose = (step, isLateChip) => () => Object.assign(chosen, { step, late: isLateChip });
  const steps = values("step").filter((step) => step !== "evaluate");
  const chips = [
    chip(["All ", el("i", { lang: "zh" }, "全部")], here.length, !chosen.step && !chosen.late, choose(null, false)),
    chip(["Late ", el("i", { lang: "zh" }, "超时")], late.length, chosen.late, choose(null, true), late.length ? "bad" : ""),
    ...steps.map((step) =>
      chip(both("step", step), here.filter((one) => one.step === step).length, chosen.step === step, choose(step, false))),
  ];
  // Redrawing takes the focus from whoever uses the keyboard: give it back.
  const focused = [...byId("steps").children].indexOf(document.activeElement);
  byId("steps").replaceChildren(...chips);
  if (focused >= 0) chips[focused].focus();
}

function caseRow(one) {
  const buttons = one.allowed.filter((step) => account.steps.includes(step)).map((step) =>
    el("button", { onclick: () => takeStep(one, step, refresh) }, ...both("step", step)));
  return el("tr", { class: isLate(one) ? "late" : "" },
    el("td", {}, el("strong", {}, ...both("kind", one.kind)),
      el("small", { title: one.number }, `${gridName(one.grid)} · ${one.number.slice(-4)}`,
        one.incidents.length > 1 ? ` · ×${one.incidents.length}` : ""), severity(one.severity)),
    el("td", {}, ...both("step", one.step), el("small", {}, `${one.history.at(-1)?.by ?? ""} `, time(one.history.at(-1).at, serverNow()))),
    el("td", { class: "next" }, el("div", {},
      one.clock ? clockCell(one.clock) : el("span", { class: "clock" }, "–"), el("div", { class: "actions" }, ...buttons))));
}

function clockCell(clock) {
  const cell = el("span", { class: "clock", "data-due": Date.parse(clock.due_at), "data-start": Date.parse(clock.started_at) });
  const bar = el("progress", { max: "1", value: "0", "aria-hidden": "true" });
  cell.append(el("span", { class: "step" }, ...both("step", clock.step)), el("b", {}), bar);
  tick(cell);
  return cell;
}

function tick(cell) {
  const [due, start, now] = [Number(cell.dataset.due), Number(cell.dataset.start), serverNow()];
  const share = Math.min(1, Math.max(0, (now - start) / (due - start)));
  const tone = now >= due ? "bad" : share > 0.75 ? "warn" : "good";
  cell.className = `clock ${tone}`;
  cell.querySelector("b").textContent = now >= due ? `LATE 超时 ${duration(now - due)}` : `${duration(due - now)} left 剩余`;
  cell.querySelector("progress").value = share;
}

export function tickClocks() {
  document.querySelectorAll("[data-due]").forEach(tick);
}

// Cameras and audit

export function drawCameras(cameras) {
  const state = (camera) => camera.health?.state ?? "connecting";
  const urgency = (camera) => URGENCY.indexOf(state(camera));
  const sorted = [...cameras].sort((a, b) => urgency(b) - urgency(a) || (a.site + a.id < b.site + b.id ? -1 : 1));
  fill("cameras", sorted.map((camera) => cameraRow(camera, state(camera), urgency(camera))));
  const up = cameras.filter((camera) => state(camera) === "up").length;
  count("cameras", `${up}/${cameras.length}`, up === cameras.length ? "good" : "bad");
}

function cameraRow(camera, state, urgency) {
  const tone = state === "up" ? "good" : urgency <= NOT_URGENT ? "warn" : "bad";
  const health = camera.health;
  const number = (value, digits = 0) => (value === undefined ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return el("tr", {},
    el("td", {}, el("span", { class: `state ${tone}` }, ...both("camera_state", state)), health?.reason ? el("small", {}, health.reason) : null),
    el("td", {}, camera.name || camera.id, camera.name ? el("small", {}, camera.id) : null),
    el("td", {}, siteName(camera.site), el("small", {}, camera.site)),
    el("td", { class: "number" }, number(health?.fps, 1)),
    el("td", { class: "number widest" }, number(health?.frames)),
    el("td", { class: "number widest" }, number(health?.incidents)));
}

export function drawAudit(entries) {
  byId("audit").replaceChildren(...entries.map((entry) => el("tr", {},
    el("td", { class: "nowrap" }, time(entry.at, serverNow())), el("td", {}, entry.account), el("td", {}, entry.action),
    el("td", { class: "wide break" }, entry.subject), el("td", {}, entry.reason))));
}

export const whoText = (who) => `${who.name} · ${words("role", who.role)} · ${siteName(who.site)}`;
