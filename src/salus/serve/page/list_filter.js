// Which images the list shows, and in which order.

import { byId } from "./dom.js";
import { isUnsaved } from "./drafts.js";
import { emit, on, state } from "./state.js";

const MIN_IMAGES = 2; // from which on there is something to filter
const STATES = ["failed", "unsaved", "flagged", "tumour", "none", "working", "waiting", "saved"]; // what is to be done comes first
const choice = { name: "", state: "all", sort: "opened" };

export function initListFilter() {
  byId("filter-name").addEventListener("input", (event) => choose("name", event.target.value.trim().toLowerCase()));
  byId("filter-state").addEventListener("change", (event) => choose("state", event.target.value));
  byId("sort").addEventListener("change", (event) => choose("sort", event.target.value));
  on("cases-changed", () => (byId("filter").hidden = state.cases.length < MIN_IMAGES && !state.info?.worklist));
}

function choose(what, value) {
  choice[what] = value;
  emit("cases-changed");
}

export const isNameShown = (name) => name.toLowerCase().includes(choice.name);

// The images to show, in order.
export function shownCases(cases) {
  const shown = cases.filter((openCase) => isNameShown(openCase.label) && (choice.state === "all" || statesOf(openCase).includes(choice.state)));
  const key = {
    opened: () => 0,
    confidence: leastConfidence,
    name: (openCase) => openCase.label,
    state: (openCase) => STATES.indexOf(STATES.find((name) => statesOf(openCase).includes(name))),
  }[choice.sort];
  return shown.map((openCase) => [key(openCase), openCase]).sort(([a], [b]) => compare(a, b)).map(([, openCase]) => openCase);
}

const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);

function statesOf(openCase) {
  const found = [openCase.status];
  if (isUnsaved(openCase.id)) found.push("unsaved");
  if (openCase.answers.some((answer) => answer?.flags.length)) found.push("flagged");
  if (openCase.answers.some((answer) => answer?.notes?.mark)) found.push("marked");
  return found;
}

// The network's confidence in an image, of a cine in its worst frame; last where it is not known yet.
function leastConfidence(openCase) {
  return Math.min(2, ...openCase.answers.filter(Boolean).map((answer) => answer.confidence));
}
