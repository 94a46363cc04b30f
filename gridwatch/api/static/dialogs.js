// Questions that come before an act: why evidence is looked at, what a step's note is.

import { getBlob, post } from "/static/api.js";
import { byId, el, words } from "/static/dom.js";

function open(dialog, about, submit) {
  const form = dialog.querySelector("form");
  const error = dialog.querySelector(".error");
  const button = dialog.querySelector("[type=submit]");
  form.reset();
  error.textContent = "";
  button.hidden = false;
  dialog.querySelector(".about").textContent = about;
  dialog.querySelector(".close").onclick = () => dialog.close();
  form.onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    error.textContent = "";
    try {
      await submit(new FormData(form), button);
    } catch (problem) {
      error.textContent = problem.message;
    } finally {
      button.disabled = false;
    }
  };
  dialog.showModal();
}

export function showEvidence(incident) {
  const dialog = byId("evidence-dialog");
  const pictures = dialog.querySelector(".pictures");
  const shown = [];
  dialog.onclose = () => {
    pictures.replaceChildren();
    shown.splice(0).forEach((url) => URL.revokeObjectURL(url));
  };
  const about = `${words("kind", incident.kind)} · ${incident.site} · ${incident.camera}`;
  open(dialog, about, async (data, button) => {
    const reason = data.get("reason").trim();
    for (const one of incident.evidence) {
      if (!one.masked) {
        const started = new Date(one.captured_at).toLocaleTimeString();
        pictures.append(el("p", { class: "clip" }, `录像 Clip from ${started}, kept by the camera's worker: ${one.sha256}`));
        continue;
      }
      const blob = await getBlob(`/v1/incidents/${incident.id}/evidence/${one.sha256}`, { reason });
      const url = URL.createObjectURL(blob);
      shown.push(url);
      const alt = `Masked picture of ${about}`;
      pictures.append(el("img", { src: url, alt, width: one.width, height: one.height }));
    }
    button.hidden = true;
  });
}

export function takeStep(aCase, step, done) {
  const dialog = byId("step-dialog");
  dialog.querySelector("h2").textContent = words("step", step);
  open(dialog, `${aCase.number} · ${words("kind", aCase.kind)}`, async (data) => {
    await post(`/v1/cases/${aCase.id}/steps`, { to: step, note: data.get("note").trim() });
    dialog.close();
    done();
  });
}
