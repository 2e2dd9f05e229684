// The reader's name: asked once after the first outline that is saved or accepted, kept in this browser, and told to the server with its session.

import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { showToast } from "./messages.js";
import { on } from "./state.js";

const STORAGE_KEY = "salus-reader";
let asked = false;

const stored = () => localStorage.getItem(STORAGE_KEY) ?? "";

export function initReader() {
  const input = createElement("input", { id: "reader", type: "text", maxLength: 64, value: stored(), placeholder: "Your name", autocomplete: "off" });
  byId("save").closest(".row").after(createElement("label", { className: "slide wide", title: "Stands with what you save" }, createElement("span", { textContent: "Reader" }), input));
  input.addEventListener("change", async () => {
    try {
      const { reader } = await api.changeSession({ reader: input.value });
      localStorage.setItem(STORAGE_KEY, (input.value = reader));
      if (reader) showToast(`What you save says: ${reader}.`);
    } catch (error) {
      showToast(error.message, true);
    }
  });
  input.addEventListener("keydown", (event) => {
    event.stopPropagation(); // letters are no shortcuts here
    if (event.key === "Enter") input.blur();
  });
  on("outline-kept", (question = "Saved. Whose outline is it?") => {
    if (stored() || asked) return;
    asked = true;
    showToast(question, false, { label: "Write your name", run: () => input.focus() });
  });
}

// Tell a new session who reads.
export async function tellReader() {
  if (stored()) await api.changeSession({ reader: stored() }).catch(() => {});
}
