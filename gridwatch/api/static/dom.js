// Builds elements from text only: nothing the server sends is ever read as HTML.

export const byId = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const labels = {};

export const setLabels = (all) => Object.assign(labels, all);

// English and Chinese of an enum value, side by side.
export function both(group, value) {
  const label = labels[group]?.[value] ?? { en: value, zh: "" };
  return [label.en, el("i", { lang: "zh" }, ` ${label.zh}`)];
}

export function words(group, value) {
  const label = labels[group]?.[value] ?? { en: value, zh: "" };
  return `${label.en} ${label.zh}`.trim();
}

export const values = (group) => Object.keys(labels[group] ?? {});

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "2-digit" });

export function time(iso, now) {
  const at = new Date(iso);
  const today = day.format(at) === day.format(new Date(now));
  return el("time", { datetime: iso, title: iso }, today ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`);
}

export const clockText = (now) => clock.format(new Date(now));

// 75 -> "1:15", 3700 -> "1:01:40", 200000 -> "2 d 07 h"
export function duration(milliseconds) {
  const seconds = Math.floor(Math.abs(milliseconds) / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

export function count(name, text, tone = "") {
  const item = document.querySelector(`[data-count="${name}"]`);
  item.querySelector("b").textContent = text;
  item.className = tone;
}

// Shows `rows` in a table body and its "nothing here" line when there are none.
export function fill(name, rows) {
  byId(name).replaceChildren(...rows);
  byId(`${name}-empty`)?.toggleAttribute("hidden", rows.length > 0);
}
