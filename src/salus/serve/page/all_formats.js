// The dialog "download all": one image or all of them, in the formats that the reader chooses.

import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { download, stemOf } from "./downloads.js";
import { isUnsaved } from "./drafts.js";
import { showToast } from "./messages.js";
import { state } from "./state.js";

const STORAGE_KEY = "salus-formats"; // in this browser: what was chosen last

export function initAllFormats() {
  byId("download-all").addEventListener("click", () => open().catch((error) => showToast(error.message, true)));
}

async function open() {
  const formats = await api.formats(), { current } = state, count = state.cases.filter(({ key }) => key).length;
  const chosen = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "null") ?? formats.filter((one) => one.default).map(({ name }) => name);
  const title = createElement("h2", { id: "all-title", textContent: "Download all" });
  const which = [["all", `All ${count} open images`], ["one", `${current.label} alone`]].map(([value, text], i) => createElement("label", { className: "choice" },
    createElement("input", { type: "radio", name: "which", value, checked: i === 0 }), createElement("span", { textContent: text })));
  const boxes = formats.map(({ name, text }) => createElement("label", { className: "choice" },
    createElement("input", { type: "checkbox", name: "format", value: name, checked: chosen.includes(name) }), createElement("span", { textContent: text })));
  const group = (legend, choices) => createElement("fieldset", {}, createElement("legend", { textContent: legend }), ...choices);
  const unsaved = state.cases.filter(({ id }) => isUnsaved(id)).length;
  const note = createElement("p", { className: "muted small", textContent: unsaved
    ? `${unsaved} ${unsaved === 1 ? "image has" : "images have"} changes that are not saved; files hold what is saved.`
    : "Files hold what is saved, and the network’s outline where nothing is." });
  const start = createElement("button", { type: "submit", className: "primary", textContent: "Download" });
  const cancel = createElement("button", { type: "button", className: "quiet", textContent: "Cancel" });
  const form = createElement("form", { method: "dialog" }, title, group("Images", which), group("Formats", boxes), note, createElement("div", { className: "row" }, start, cancel));
  const dialog = createElement("dialog", { id: "all-dialog" }, form);
  dialog.setAttribute("aria-labelledby", title.id);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  cancel.addEventListener("click", () => dialog.close());
  const names = () => [...form.querySelectorAll("[name=format]:checked")].map(({ value }) => value);
  form.addEventListener("change", () => (start.disabled = !names().length));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const one = form.elements.which.value === "one", query = new URLSearchParams({ formats: names().join(","), ...(one ? { key: current.key } : {}) });
    localStorage.setItem(STORAGE_KEY, JSON.stringify(names()));
    start.disabled = true;
    start.textContent = "Preparing…";
    await download(`/v1/all.zip?${query}`, one ? `${stemOf(current)}.zip` : "salus.zip");
    dialog.close();
  });
  dialog.showModal();
}
