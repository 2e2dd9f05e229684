// Messages in words: notes on the page, announcements for screen readers, and texts of findings and sizes.

import { byId, createElement } from "./dom.js";

const live = byId("live");
const notes = byId("toast");
const NOTE_MS = 3500, BUTTON_NOTE_MS = 7500; // that a note stays which is no error, one with a button longer; errors stay until they are closed

// Have a screen reader read a text.
export function announce(text) {
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 50);
}

// Show a note. One that is not `bad` disappears by itself; an error stays until it is closed. The same text is shown once,
// with the number of times; several errors have a button that closes them all. `action` is { label, run, stays }: a button more;
// with `stays` the note does not go by itself. A new note takes the place of the last one; one with a button gives way only
// to a note with the same button, as the reader may be about to press it.
export function showToast(text, bad = false, action = null) {
  announce(text);
  const same = [...notes.querySelectorAll(".toast")].find((note) => note.dataset.text === text);
  if (same) {
    const count = (same.dataset.count = Number(same.dataset.count) + 1);
    same.querySelector("span").textContent = `${text} (${count} times)`;
    if (!bad && !action?.stays) hideLater(same, action ? BUTTON_NOTE_MS : NOTE_MS);
    return;
  }
  if (!bad) for (const note of notes.querySelectorAll(".toast:not(.bad)")) if (["", action?.label].includes(note.dataset.button)) note.remove();
  const note = createElement("div", { className: bad ? "toast bad" : "toast" }, createElement("span", { textContent: text }));
  Object.assign(note.dataset, { text, count: 1, button: action?.label ?? "" });
  const close = () => (note.remove(), arrange());
  if (action) note.append(createElement("button", { type: "button", className: "link", textContent: action.label, onclick: () => (close(), action.run()) }));
  const closeButton = createElement("button", { type: "button", className: "icon close", title: "Close", onclick: close });
  closeButton.setAttribute("aria-label", "Close this message");
  closeButton.innerHTML = '<svg><use href="#i-close"/></svg>';
  note.append(closeButton);
  notes.append(note);
  arrange();
  if (!bad && !action?.stays) hideLater(note, action ? BUTTON_NOTE_MS : NOTE_MS);
}

function hideLater(note, delay = NOTE_MS) {
  clearTimeout(note.timer);
  note.timer = setTimeout(() => (note.remove(), arrange()), delay);
}

// Close the newest message; false where there is none.
export function closeToast() {
  const last = [...notes.querySelectorAll(".toast")].at(-1);
  last?.remove();
  arrange();
  return Boolean(last);
}

// Remove the messages with a text that no longer holds.
export function dropToast(text) {
  for (const note of notes.querySelectorAll(".toast")) if (note.dataset.text === text) note.remove();
  arrange();
}

// Hide the box where it is empty, and offer to close several errors at once.
function arrange() {
  notes.querySelector(".all")?.remove();
  const count = notes.querySelectorAll(".toast.bad").length;
  if (count > 1) {
    notes.prepend(createElement("button", {
      type: "button", className: "all", textContent: `Close all ${count} messages`,
      onclick: () => (notes.replaceChildren(), arrange()),
    }));
  }
  notes.hidden = !notes.children.length;
}

// A text as a sentence: with a capital, and a full stop where it has no other sign at its end.
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "");

export const formatPercent = (fraction) => `${Math.round(100 * fraction)}%`;

export function formatNumber(value) {
  return value >= 100 ? Math.round(value).toString() : value.toPrecision(3);
}

export const formatSize = ({ longest, across, unit }) => `${formatNumber(longest)} × ${formatNumber(across)} ${unit}`;

// The finding of an answer in a few words, such as "Two lesions".
export function summarise({ result, lesions }) {
  if (result !== "tumour") return "No tumour found";
  const count = ["", "One", "Two", "Three", "Four", "Five"][lesions.length] ?? lesions.length;
  return `${count} lesion${lesions.length === 1 ? "" : "s"}`;
}

// All that an answer says, for a screen reader.
export function describeAnswer(answer) {
  const lesions = answer.lesions.map((lesion) => `lesion ${lesion.number}, ${formatNumber(lesion.longest)} by ${formatNumber(lesion.across)} ${lesion.unit === "mm" ? "millimetres" : "pixels"}`);
  return [summarise(answer), ...lesions, `${answer.corrected ? "the network agrees to" : "confidence"} ${formatPercent(answer.confidence)}`, ...answer.flags].join("; ");
}
