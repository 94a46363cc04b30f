"use strict";
// Everything here is made from the one JSON of this page; text is set as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const { camera, frames } = data;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const STANCES = ["raised", "nears", "no", "uncounted"];
const WORDS = { raised: "raised", nears: "nears", no: "no", uncounted: "not counted" };
const colourOf = (stance) => `var(--${stance.toUpperCase()})`;
const trackColour = (id) => `hsl(${(id * 134) % 360} 75% 62%)`;
let current = 0;
let chosen = null; // { rule, subject }
let timer = null;
const unfolded = new Set();

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((one) => one !== null && one !== undefined));
  return element;
}

function shape(parent, tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

const seconds = (frame) => `${frame.t.toFixed(1)} s`;
const points = (corners) => corners.map(([x, y]) => `${x},${y}`).join(" ");
const layers = () => new Set([...document.querySelectorAll("[data-layer]:checked")].map((box) => box.dataset.layer));
const thick = { "vector-effect": "non-scaling-stroke", fill: "none" };

// Above the place, to its right; on the right of the picture to the left of `end`, so that nothing is cut off.
function tag(text, x, y, colour, end = x) {
  const leftwards = x > 0.6;
  const place = `left:${(leftwards ? end : x) * 100}%;top:${Math.max(0, y) * 100}%`;
  const shift = `translate(${leftwards ? "-100%" : "0"},${y < 0.05 ? "0" : "-100%"})`;
  byId("tags").append(el("span", { style: `${place};color:${colour};transform:${shift}` }, text));
}

function box(parent, [x1, y1, x2, y2], colour, width, dashes) {
  return shape(parent, "rect", {
    ...thick, x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1), stroke: colour,
    "stroke-width": width, ...(dashes ? { "stroke-dasharray": "5 4" } : {}),
  });
}

function drawPlaces(overlay) {
  for (const [name, corners] of Object.entries(camera.zones)) {
    shape(overlay, "polygon", { ...thick, points: points(corners), fill: "#28aadc38", stroke: "#4cc0ee", "stroke-width": 1.5 });
    const [x, y] = corners.reduce((top, one) => (one[1] < top[1] ? one : top));
    tag(name, x, y, "#8fd9f8");
  }
  for (const zone of [...camera.privacy, ...camera.ignore]) {
    shape(overlay, "polygon", { ...thick, points: points(zone), stroke: "#8a8a8a", "stroke-width": 1, "stroke-dasharray": "3 3" });
  }
  const aspect = byId("picture").naturalWidth / Math.max(1, byId("picture").naturalHeight) || 16 / 9;
  for (const [name, [start, end]] of Object.entries(camera.lines)) {
    shape(overlay, "line", { ...thick, x1: start[0], y1: start[1], x2: end[0], y2: end[1], stroke: "#e07be8", "stroke-width": 2.5 });
    const middle = [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2];
    const dx = (end[0] - start[0]) * aspect, dy = end[1] - start[1], length = Math.hypot(dx, dy) || 1;
    // With y pointing down, (-dy, dx) is to the right of start -> end.
    const tip = [middle[0] - (dy / length) * 0.06 / aspect, middle[1] + (dx / length) * 0.06];
    shape(overlay, "line", { ...thick, x1: middle[0], y1: middle[1], x2: tip[0], y2: tip[1], stroke: "#e07be8", "stroke-width": 2 });
    const along = [(dx / length) * 0.012 / aspect, (dy / length) * 0.012];
    const neck = [tip[0] - (tip[0] - middle[0]) * 0.35, tip[1] - (tip[1] - middle[1]) * 0.35];
    const head = [tip, [neck[0] + along[0], neck[1] + along[1]], [neck[0] - along[0], neck[1] - along[1]]];
    shape(overlay, "polygon", { points: points(head), fill: "#e07be8" });
    tag(`${name} (arrow: right)`, start[0], start[1], "#f0b4f5");
  }
}

function drawTrails(overlay) {
  const from = Math.max(0, current - 25);
  for (const track of frames[current].tracks) {
    const feet = [];
    for (let i = from; i <= current; i += 1) {
      const was = frames[i].tracks.find((one) => one.id === track.id);
      if (was) feet.push([(was.box[0] + was.box[2]) / 2, was.box[3]]);
    }
    if (feet.length > 1) {
      shape(overlay, "polyline", { ...thick, points: points(feet), stroke: trackColour(track.id), "stroke-width": 1.5, opacity: 0.8 });
    }
  }
}

function drawPicture() {
  const frame = frames[current];
  const show = layers();
  const overlay = byId("overlay");
  byId("picture").src = frame.image;
  overlay.replaceChildren();
  byId("tags").replaceChildren();
  if (show.has("zones")) drawPlaces(overlay);
  if (show.has("seen")) {
    for (const [x1, y1, x2, y2, label, score] of frame.seen) {
      box(overlay, [x1, y1, x2, y2], "#cfd8de", 0.8);
      tag(`${label} ${score.toFixed(2)}`, x1, y2 + 0.03, "#cfd8de", x2);
    }
  }
  if (show.has("trails")) drawTrails(overlay);
  if (show.has("tracks")) {
    for (const track of frame.tracks) {
      const mine = chosen && chosen.subject === track.id;
      box(overlay, track.box, trackColour(track.id), mine ? 4 : 2, track.coasts);
      tag(`${track.id} ${track.label} ${track.score.toFixed(2)}`, track.box[0], track.box[1], trackColour(track.id), track.box[2]);
    }
  }
  if (show.has("said")) {
    for (const one of frame.said) for (const corners of one.boxes) box(overlay, corners, "#ff5a4d", 4);
  }
  byId("stamp").textContent = `${seconds(frame)} · gate ${frame.gate || "-"}${frame.looked ? "" : " (not looked)"}`;
}

function thoughtRow([rule, subject, stance, text, value, threshold]) {
  const track = frames[current].tracks.find((one) => one.id === subject);
  const who = subject === null ? "whole" : `#${subject} ${track ? track.label : ""}`;
  const isChosen = chosen && chosen.rule === rule && chosen.subject === subject;
  let meter = null;
  if (value !== null && threshold !== null) {
    const share = threshold > 0 ? Math.min(1, Math.max(0, value / threshold)) : 1;
    meter = el("span", { class: "meter" }, el("i", { style: `width:${share * 100}%;background:${colourOf(stance)}` }));
  }
  return el("button", {
    class: `thought ${stance.toUpperCase()} ${isChosen ? "chosen" : ""}`, "aria-pressed": String(Boolean(isChosen)),
    onclick: () => { chosen = isChosen ? null : { rule, subject }; draw(); },
  },
  el("span", { class: "dot", style: `background:${subject === null ? "transparent" : trackColour(subject)}` }),
  el("span", { class: "who" }, who),
  el("span", { class: "what" }, el("span", { class: "stance", style: `color:${colourOf(stance)}` }, WORDS[stance]), text, meter));
}

function drawRules() {
  const panel = byId("rules");
  const open = new Set([...panel.querySelectorAll("details[open]")].map((one) => one.dataset.rule));
  const frame = frames[current];
  panel.replaceChildren(...camera.rules.map((rule) => {
    const mine = frame.thoughts.filter((one) => one[0] === rule.id)
      .sort((a, b) => STANCES.indexOf(a[2]) - STANCES.indexOf(b[2]) || (a[1] ?? -1) - (b[1] ?? -1));
    const far = mine.filter((one) => one[2] === "uncounted" && one[1] !== null);
    const near = mine.filter((one) => !far.includes(one));
    const settings = el("details", { "data-rule": rule.id, open: open.has(rule.id) ? "" : null },
      el("summary", {}, "settings"), el("pre", {}, Object.entries(rule.settings).map(([k, v]) => `${k}: ${JSON.stringify(v)}`).join("\n")));
    const rows = frame.said.filter((one) => one.rule === rule.id).map((one) => el("p", { class: `said ${one.phase}` },
      el("span", { class: "stance" }, one.phase), `${one.kind} ${one.zh}, ${one.count} taking part`));
    rows.push(...(unfolded.has(rule.id) ? mine : near).map(thoughtRow));
    if (far.length) {
      const fold = () => { if (!unfolded.delete(rule.id)) unfolded.add(rule.id); drawRules(); };
      rows.push(el("button", { class: "more", onclick: fold }, unfolded.has(rule.id) ? "fewer" : `${far.length} not counted…`));
    }
    if (!rows.length) rows.push(el("p", { class: "none" }, "nobody to think of"));
    return el("section", { class: "rule" }, el("h2", {}, rule.id, el("small", {}, `${rule.kind} ${rule.zh}`)), settings, ...rows);
  }));
}

function drawChart() {
  const panel = byId("chart");
  panel.hidden = chosen === null;
  if (!chosen) return;
  const found = [];
  frames.forEach((frame, i) => {
    const one = frame.thoughts.find((thought) => thought[0] === chosen.rule && thought[1] === chosen.subject);
    if (!one) return;
    const share = one[4] === null ? null : one[5] > 0 ? one[4] / one[5] : 1;
    if (share !== null || one[2] === "raised") found.push([i, share === null ? 1 : share, one[2]]);
  });
  const who = chosen.subject === null ? "" : ` · track ${chosen.subject}`;
  const about = found.length ? "share of its limit (white line) over time" : "nothing measured here";
  panel.replaceChildren(el("h2", {}, `${chosen.rule}${who} `, el("small", {}, about)));
  if (!found.length) return;
  const first = Math.max(0, Math.min(current, found[0][0]) - 3);
  const count = Math.min(frames.length - 1, Math.max(current, found[found.length - 1][0]) + 3) - first + 1;
  const most = Math.max(1.25, Math.min(3, Math.max(...found.map((one) => one[1])) * 1.1));
  const svg = shape(panel, "svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none" });
  for (const [i, share, stance] of found) {
    const height = Math.min(1, share / most);
    shape(svg, "rect", { x: (i - first) / count, y: 1 - height, width: 0.92 / count, height, style: `fill:${colourOf(stance)}` });
  }
  shape(svg, "rect", { x: 0, y: 1 - 1 / most - 0.007, width: 1, height: 0.014, fill: "#fff" });
  shape(svg, "rect", { x: (current - first) / count, y: 0, width: 0.92 / count, height: 1, fill: "#7cc7f0", opacity: 0.35 });
  svg.addEventListener("click", (event) => {
    const area = svg.getBoundingClientRect();
    pause();
    go(first + Math.floor(((event.clientX - area.left) / area.width) * count));
  });
}

function drawLanes() {
  document.querySelectorAll(".lane b").forEach((cursor) => { cursor.style.left = `${(current / Math.max(1, frames.length - 1)) * 100}%`; });
}

function makeLanes() {
  const lane = (name, parts) => {
    const strip = el("div", { class: "lane", onclick: (event) => {
      const area = strip.getBoundingClientRect();
      go(Math.round(((event.clientX - area.left) / area.width) * (frames.length - 1)));
    } }, ...parts, el("b"));
    byId("lanes").append(el("label", { title: name }, name), strip);
  };
  const strips = (classOf) => {
    const parts = [];
    let from = 0;
    for (let i = 1; i <= frames.length; i += 1) {
      if (i < frames.length && classOf(frames[i]) === classOf(frames[from])) continue;
      const kind = classOf(frames[from]);
      if (kind) parts.push(el("i", { class: kind, style: `left:${(from / frames.length) * 100}%;width:${((i - from) / frames.length) * 100}%` }));
      from = i;
    }
    return parts;
  };
  lane("detector", strips((frame) => (frame.looked ? "open" : null)));
  for (const rule of camera.rules) {
    lane(rule.id, strips((frame) => {
      const raised = frame.said.some((one) => one.rule === rule.id && one.raised);
      const stances = frame.thoughts.filter((one) => one[0] === rule.id).map((one) => one[2]);
      if (raised || stances.includes("raised")) return "RAISED";
      return stances.includes("nears") ? "NEARS" : null;
    }));
  }
}

function makeIncidents() {
  const panel = byId("incidents");
  const raised = frames.flatMap((frame, i) => frame.said.filter((one) => one.raised).map((one) => ({ ...one, i })));
  panel.append(el("h2", {}, `Raised: ${raised.length}`));
  if (!raised.length) panel.append(el("p", {}, "Nothing was raised. Look at the yellow stretches: there a rule came near."));
  else {
    panel.append(el("ul", {}, ...raised.map((one) => el("li", {}, el("button", {
      "data-frame": one.i, onclick: () => { pause(); chosen = explaining(one); go(one.i); },
    }, `${seconds(frames[one.i])} · ${one.rule} · ${one.kind} ${one.zh}`)))));
  }
}

function explaining(incident) {
  const frame = frames[incident.i];
  const same = (track) => incident.boxes.length === 1 && track.box.every((side, n) => side === incident.boxes[0][n]);
  const track = frame.tracks.find(same);
  const about = frame.thoughts.filter((one) => one[0] === incident.rule && (track ? one[1] === track.id : one[2] === "raised"));
  return about.length ? { rule: incident.rule, subject: about[0][1] } : null;
}

function draw() {
  drawPicture();
  drawRules();
  drawChart();
  drawLanes();
  document.querySelectorAll("#incidents button").forEach((one) => one.classList.toggle("here", Number(one.dataset.frame) === current));
}

function go(index) {
  current = Math.min(frames.length - 1, Math.max(0, index));
  byId("scrub").value = String(current);
  byId("scrub").setAttribute("aria-valuetext", seconds(frames[current]));
  draw();
}

function pause() {
  clearTimeout(timer);
  timer = null;
  byId("play").textContent = "Play";
}

function tick() {
  if (current + 1 >= frames.length) return pause();
  const wait = Math.min(1000, Math.max(40, (frames[current + 1].t - frames[current].t) * 1000));
  timer = setTimeout(() => { go(current + 1); tick(); }, wait);
}

function play() {
  if (timer !== null) return pause();
  if (current + 1 >= frames.length) go(0);
  byId("play").textContent = "Pause";
  tick();
}

function start() {
  document.title = `tune ${camera.id}`;
  byId("camera").textContent = camera.name ? `${camera.name} (${camera.id})` : camera.id;
  byId("source").textContent = data.about;
  byId("notice").textContent = data.notice;
  byId("notice").hidden = !data.notice;
  byId("scrub").max = String(frames.length - 1);
  byId("scrub").addEventListener("input", (event) => { pause(); go(Number(event.target.value)); });
  byId("back").addEventListener("click", () => { pause(); go(current - 1); });
  byId("on").addEventListener("click", () => { pause(); go(current + 1); });
  byId("play").addEventListener("click", play);
  byId("picture").addEventListener("load", drawPictureOnce, { once: true });
  document.querySelectorAll("[data-layer]").forEach((one) => one.addEventListener("change", draw));
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input[type=range], summary")) return;
    if (event.key === "ArrowLeft") { pause(); go(current - 1); }
    if (event.key === "ArrowRight") { pause(); go(current + 1); }
    if (event.key === " " && !event.target.matches("button, input")) { event.preventDefault(); play(); }
  });
  makeLanes();
  makeIncidents();
  const first = frames.findIndex((frame) => frame.said.some((one) => one.raised));
  if (first >= 0) chosen = explaining({ ...frames[first].said.find((one) => one.raised), i: first });
  go(Math.max(0, first));
}

// Only a loaded picture knows its shape, which the arrows of lines need.
function drawPictureOnce() { drawPicture(); }

start();
