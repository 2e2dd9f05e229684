// The dialog in which a reader says where file names hold the patient, so that images of one patient stay together.

import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { showToast } from "./messages.js";

const WAIT_MS = 250; // from the last key to the trial of the pattern

export function initPatients() {
  byId("patients").addEventListener("click", open);
}

async function open() {
  const title = createElement("h2", { id: "patients-title", textContent: "Patients of the data set" });
  const input = createElement("input", { id: "patient-pattern", type: "text", maxLength: 200, autocomplete: "off", spellcheck: false, placeholder: "bus_{patient}-*" });
  const count = createElement("p", { id: "patient-count", className: "small" });
  count.setAttribute("role", "status");
  const rows = createElement("tbody"), table = createElement("div", { className: "scrolled", tabIndex: 0 }, createElement("table", {},
    createElement("thead", {}, createElement("tr", {}, ...["File", "Patient"].map((text) => createElement("th", { scope: "col", textContent: text })))), rows));
  table.setAttribute("role", "region");
  table.setAttribute("aria-label", "Files and their patients");
  const apply = createElement("button", { type: "submit", className: "primary", textContent: "Use this pattern" });
  const cancel = createElement("button", { type: "button", className: "quiet", textContent: "Cancel" });
  const dialog = createElement("dialog", { id: "patients-dialog" }, createElement("form", { method: "dialog" },
    title,
    createElement("p", { className: "muted small", textContent: "Training keeps images of one patient together. DICOM files name their patient; for others, write where the file name does: {patient} stands for the patient, * for any characters, ? for one." }),
    createElement("label", { className: "field" }, createElement("span", { textContent: "Pattern of file names" }), input),
    count, table, createElement("div", { className: "row" }, apply, cancel)));
  dialog.setAttribute("aria-labelledby", title.id);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  cancel.addEventListener("click", () => dialog.close());

  let latest = 0, timer;
  const show = async (pattern) => {
    const mine = ++latest;
    try {
      const answer = await api.patients(pattern);
      if (mine !== latest) return;
      if (pattern === null) input.value = answer.pattern;
      count.className = "small";
      count.textContent = `${answer.images.length} ${answer.images.length === 1 ? "image" : "images"} of ${answer.patients} ${answer.patients === 1 ? "patient" : "patients"}`;
      rows.replaceChildren(...answer.images.map(patientRow));
      apply.disabled = false;
    } catch (error) {
      if (mine !== latest) return;
      count.className = "small bad";
      count.textContent = error.message;
      apply.disabled = true;
    }
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(input.value.trim()), WAIT_MS);
  });
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await api.changeSession({ patient_pattern: input.value.trim() });
      dialog.close();
      showToast(input.value.trim() ? `File names tell the patient: ${input.value.trim()}` : "File names tell no patient.");
    } catch (error) {
      count.className = "small bad";
      count.textContent = error.message;
    }
  });
  await show(null);
  dialog.showModal();
  input.focus();
}

const patientRow = ({ file, patient, dicom }) => createElement("tr", {},
  createElement("td", { textContent: file }),
  createElement("td", { className: patient ? "" : "muted", textContent: patient || (dicom ? "by its DICOM header" : "one of its own") }));
