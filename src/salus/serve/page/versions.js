// Earlier saved outlines of the image: who saved them and when, and the way back to one.

import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { showToast } from "./messages.js";
import { takeVersion, undo } from "./outline_editor.js";
import { decodeGrey } from "./pixels.js";
import { on, state } from "./state.js";

const WORDS = { approved: "the network’s, approved", corrected: "corrected", drawn: "drawn" };

export function initVersions() {
  const list = byId("versions");
  list.addEventListener("toggle", load);
  on("frame-changed", () => {
    list.hidden = !state.frame;
    byId("version-list").replaceChildren();
    load();
  });
  on("outline-saved", load);
}

async function load() {
  const { current, frame } = state;
  if (!byId("versions").open || !frame) return;
  try {
    const { current: version, versions } = await api.versions(current.key, frame.number);
    if (frame !== state.frame) return;
    const newest = versions.findLastIndex((record) => record.version === version);
    byId("version-list").replaceChildren(...versions.map((record, i) => versionRow(record, i === newest)).reverse());
    byId("version-none").hidden = versions.length > 0;
  } catch (error) {
    showToast(error.message, true);
  }
}

const when = ({ saved }) => (saved ? new Date(saved).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "at an unknown time");
const whose = ({ reader }) => reader || "Unnamed reader";

function versionRow(record, isCurrent) {
  const row = createElement("li", {}, createElement("span", {},
    createElement("b", { textContent: whose(record) }),
    createElement("small", { textContent: `${when(record)}, ${WORDS[record.origin] ?? record.origin}${isCurrent ? "; current" : ""}` })));
  if (isCurrent) return row;
  const button = createElement("button", { type: "button", className: "small", textContent: "Restore", onclick: () => restore(record) });
  button.setAttribute("aria-label", `Restore the outline of ${whose(record)}, ${when(record)}`);
  row.append(button);
  return row;
}

// Take an earlier outline up as a change that can be undone; it is current again once it is saved.
async function restore(record) {
  const { current, frame } = state;
  try {
    const { values } = await decodeGrey(await api.versionMask(current.key, frame.number, record.version));
    if (frame !== state.frame) return;
    await takeVersion(current, frame, values.map((value) => (value > 127 ? 1 : 0)), record);
    showToast(`The outline of ${whose(record)}, ${when(record)}. Save it (S) to make it the current one.`, false, { label: "Undo", run: undo });
  } catch (error) {
    showToast(error.message, true);
  }
}
