// What is told in words: findings and sizes, to the eye and to a screen reader; passing notes.

const live = document.getElementById("live");
const toast = document.getElementById("toast");
let passing;

export function say(text) {
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 50);
}

export function note(text, bad = false) {
  toast.textContent = text;
  toast.className = bad ? "toast bad" : "toast";
  toast.hidden = false;
  clearTimeout(passing);
  passing = setTimeout(() => (toast.hidden = true), bad ? 8000 : 3500);
  say(text);
}

export const percent = (share) => `${Math.round(100 * share)}%`;

export function number(value) {
  return value >= 100 ? Math.round(value).toString() : value.toPrecision(3);
}

export const size = ({ longest, across, unit }) => `${number(longest)} × ${number(across)} ${unit}`;

export function finding({ result, lesions }) {
  if (result !== "tumour") return "No tumour found";
  const count = ["", "One", "Two", "Three", "Four", "Five"][lesions.length] ?? lesions.length;
  return `${count} lesion${lesions.length === 1 ? "" : "s"}`;
}

export function spoken(answer) {
  const lesions = answer.lesions.map((one) => `lesion ${one.number}, ${number(one.longest)} by ${number(one.across)} ${one.unit === "mm" ? "millimetres" : "pixels"}`);
  return [finding(answer), ...lesions, `${answer.corrected ? "the network agrees to" : "confidence"} ${percent(answer.confidence)}`, ...answer.flags].join("; ");
}
