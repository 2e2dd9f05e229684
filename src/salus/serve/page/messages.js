// Messages in words: short notes on the page, announcements for screen readers, and texts of findings and sizes.

import { byId } from "./dom.js";

const live = byId("live");
const toast = byId("toast");
let hideTimer;

// Have a screen reader read a text.
export function announce(text) {
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 50);
}

// Show a note that disappears by itself.
export function showToast(text, bad = false) {
  toast.textContent = text;
  toast.className = bad ? "toast bad" : "toast";
  toast.hidden = false;
  clearTimeout(hideTimer);
  hideTimer = setTimeout(() => (toast.hidden = true), bad ? 8000 : 3500);
  announce(text);
}

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
