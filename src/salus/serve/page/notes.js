// What the reader notes of an image: a mark, a comment, BI-RADS descriptors of each lesion, and which are accepted or rejected. Every
// change is sent at once; what the server does not have yet is kept in this browser and sent when the image is shown again. What it
// refused, since someone else noted something meanwhile, is kept beside theirs until the reader chooses.

import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { keptNotes, keepNotes } from "./marks.js";
import { announce, showToast } from "./messages.js";
import { emit, on, state } from "./state.js";

export const TITLES = { shape: "Shape", orientation: "Orientation", margin: "Margin", echo_pattern: "Echo pattern", posterior_features: "Posterior features" };
const SAME_LESION = 0.5; // overlap of two boxes from which on a rejected lesion is outlined again, as the server has it
const WAIT_MS = 800; // from the last key in the comment until it is sent
const NOTHING = Object.freeze({ mark: "", comment: "", lesions: [], accepted: [], rejected: [] });
const open = new Set(); // numbers of the lesions whose descriptors are open
let lexicon = null, shown = null, timer;
let sending = Promise.resolve(); // the last request

export async function initNotes() {
  lexicon = await api.lexicon();
  for (const button of byId("mark").querySelectorAll("button")) button.addEventListener("click", () => toggleMark(button.value));
  const comment = byId("comment");
  comment.addEventListener("input", () => {
    clearTimeout(timer);
    if (shown) keep(shown.openCase, shown.frame, { ...notesOf(shown.openCase, shown.frame), comment: comment.value }); // a reload may come first
    timer = setTimeout(sendComment, WAIT_MS);
  });
  comment.addEventListener("change", sendComment);
  on("frame-changed", show);
  on("answer-changed", render);
}

// The notes of a frame as the page has them: what is not sent yet, else the server's.
export function notesOf(openCase, { number, answer }) {
  const kept = keptNotes(openCase, number);
  return kept?.pending ? kept : answer.notes ?? NOTHING;
}

// The descriptors of each lesion of an answer, {} for none.
export const descriptorsOf = (notes, answer) => answer.lesions.map((_, i) => {
  const known = notes.lesions[placeOf(notes, answer, i)];
  return known ? Object.fromEntries(Object.keys(TITLES).map((name) => [name, known[name] ?? ""])) : {};
});

// The place of a lesion of an answer among the described ones, -1 for none.
function placeOf(notes, answer, i) {
  const same = notes.lesions.findIndex(({ box }) => `${box}` === `${answer.lesions[i].box}`);
  return same >= 0 ? same : answer.described?.[i] ?? -1;
}

function show() {
  const { current, frame } = state;
  if (shown && shown.frame !== frame) sendComment();
  shown = frame && { openCase: current, frame };
  byId("notes").hidden = !frame;
  if (!frame) return;
  byId("comment").value = notesOf(current, frame).comment;
  render();
  if (keptNotes(current, frame.number)?.pending) sending = sending.then(() => flush(current, frame));
}

function render() {
  const { current, frame } = state;
  if (!frame || !lexicon || shown?.frame !== frame) return;
  const notes = notesOf(current, frame), descriptors = descriptorsOf(notes, frame.answer);
  for (const button of byId("mark").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === notes.mark));
  const { reader, saved } = notes;
  byId("notes-state").textContent = keptNotes(current, frame.number)?.pending ? "Not sent yet; kept in this browser."
    : saved ? `${reader || "Noted"}, ${new Date(saved).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}` : "";
  renderRefused(current, frame);
  if (byId("descriptors").contains(document.activeElement)) return updateSummaries(frame, descriptors);
  byId("descriptors").replaceChildren(...frame.answer.lesions.map((lesion, i) => lesionDetails(lesion, descriptors[i], frame.answer.proposals?.[i] ?? {})));
}

const summary = (lesion, words) => `Lesion ${lesion.number}: ${Object.values(words).filter(Boolean).join(", ") || "not described"}`;

function updateSummaries({ answer }, descriptors) {
  for (const [i, node] of [...byId("descriptors").querySelectorAll("summary")].entries()) {
    if (answer.lesions[i]) node.textContent = summary(answer.lesions[i], descriptors[i]);
  }
}

function lesionDetails(lesion, words, proposed) {
  const selects = Object.entries(TITLES).map(([name, title]) => {
    const select = createElement("select", { name, autocomplete: "off" }, createElement("option", { value: "", textContent: "not stated" }),
      ...lexicon.descriptors[name].map((word) => createElement("option", { value: word, textContent: word })));
    select.value = words[name] ?? "";
    select.addEventListener("change", () => describe(lesion, { [name]: select.value }));
    return createElement("label", { className: "slide wide" }, createElement("span", { textContent: title }), select);
  });
  const take = createElement("button", { type: "button", className: "small", textContent: `Take what is measured: ${Object.values(proposed).join(", ")}`, hidden: !Object.keys(proposed).length });
  take.addEventListener("click", () => {
    for (const [name, word] of Object.entries(proposed)) byId("descriptors").querySelector(`[data-number="${lesion.number}"] [name=${name}]`).value = word;
    describe(lesion, proposed);
  });
  const details = createElement("details", { open: open.has(lesion.number) }, createElement("summary", { textContent: summary(lesion, words) }), ...selects, take);
  details.dataset.number = lesion.number;
  details.addEventListener("toggle", () => (details.open ? open.add(lesion.number) : open.delete(lesion.number)));
  return createElement("li", {}, details);
}

function describe(lesion, words) {
  const { current, frame } = state, notes = notesOf(current, frame), { answer } = frame;
  const stated = descriptorsOf(notes, answer);
  const known = answer.lesions.map((other, i) => ({ box: other.box, ...stated[i], ...(other.number === lesion.number ? words : {}) }));
  const used = answer.lesions.map((_, i) => placeOf(notes, answer, i));
  const others = notes.lesions.filter((_, place) => !used.includes(place)); // of lesions that are not outlined now; an undo may bring them back
  send(current, frame, { ...notes, lesions: [...known.filter(hasWords), ...others] });
}

const hasWords = (lesion) => Object.keys(TITLES).some((name) => lesion[name]);

// Who accepted a lesion's outline, { reader, saved } (without these where it is not sent yet); null for nobody.
export const acceptanceOf = (openCase, frame, lesion) =>
  notesOf(openCase, frame).accepted?.find((one) => isSameOutline(one, lesion)) ?? null;

const isSameOutline = (one, lesion) => one.area_px === lesion.area_px && `${one.box}` === `${lesion.box}`
  && Math.hypot(one.centroid[0] - lesion.centroid[0], one.centroid[1] - lesion.centroid[1]) < 1e-6;

// Accept a lesion's outline, or take that back; false where the server does not have it yet.
export function setAccepted(openCase, frame, lesion, isAccepted) {
  const notes = notesOf(openCase, frame), others = (notes.accepted ?? []).filter((one) => !isSameOutline(one, lesion));
  const sent = send(openCase, frame, { ...notes, accepted: isAccepted ? [...others, outlineOf(lesion)] : others });
  emit("answer-changed");
  return sent;
}

const outlineOf = ({ box, area_px, centroid }) => ({ box, area_px, centroid });

// The lesions of a frame that a reader rejected, without those that are outlined again.
export const rejectedOf = (openCase, frame) => (notesOf(openCase, frame).rejected ?? [])
  .filter((one) => frame.answer.lesions.every(({ box }) => overlap(one.box, box) < SAME_LESION));

// Note that a lesion is rejected, or no longer; false where the server did not take it.
export function setRejected(openCase, frame, lesion, isRejected) {
  const notes = notesOf(openCase, frame), accepted = (notes.accepted ?? []).filter((one) => !isSameOutline(one, lesion));
  const others = (notes.rejected ?? []).filter((one) => overlap(one.box, lesion.box) < SAME_LESION);
  return send(openCase, frame, { ...notes, accepted, rejected: isRejected ? [...others, outlineOf(lesion)] : others });
}

// Intersection over union of two boxes [top, left, height, width].
function overlap([top, left, height, width], [otherTop, otherLeft, otherHeight, otherWidth]) {
  const rows = Math.min(top + height, otherTop + otherHeight) - Math.max(top, otherTop);
  const columns = Math.min(left + width, otherLeft + otherWidth) - Math.max(left, otherLeft);
  const shared = Math.max(0, rows) * Math.max(0, columns);
  return shared ? shared / (height * width + otherHeight * otherWidth - shared) : 0;
}

// Set a mark, or take it away where it is set. Gives whether the image needs no outline by it.
export async function toggleMark(mark) {
  const { current, frame } = state;
  if (!frame) return false;
  const notes = notesOf(current, frame), next = notes.mark === mark ? "" : mark;
  announce(next ? `Marked: ${next}` : "No mark");
  const sent = await send(current, frame, { ...notes, mark: next });
  if (sent && ["skipped", "poor image"].includes(next)) emit("image-handled", current);
  return sent;
}

function sendComment() {
  clearTimeout(timer);
  if (!shown) return;
  const { openCase, frame } = shown, notes = notesOf(openCase, frame), comment = byId("comment").value.trim();
  if (comment !== (frame.answer.notes?.comment ?? "")) send(openCase, frame, { ...notes, comment });
}

// The notes of this reader that the server refused, each with the choice to replace what is there by it or to drop it.
function renderRefused(openCase, frame) {
  const refused = keptNotes(openCase, frame.number)?.refused ?? [];
  byId("notes-refused").hidden = !refused.length;
  byId("notes-refused").replaceChildren(...refused.map((notes) => {
    const parts = [notes.mark, notes.comment && `“${notes.comment}”`, notes.lesions.length && `${notes.lesions.length} described`].filter(Boolean);
    const button = (textContent, onclick) => createElement("button", { type: "button", className: "link", textContent, onclick });
    return createElement("li", {}, createElement("span", { textContent: `Yours, not taken: ${parts.join("; ") || "no description"} ` }),
      button("Replace by mine", () => replaceByMine(openCase, frame, notes)), " ", button("Drop mine", () => (dropRefused(openCase, frame, notes), render())));
  }));
}

function replaceByMine(openCase, frame, notes) {
  dropRefused(openCase, frame, notes);
  keep(openCase, frame, notes);
  sending = sending.then(() => flush(openCase, frame, true));
  if (frame === state.frame) show();
}

function dropRefused(openCase, frame, notes) {
  const kept = keptNotes(openCase, frame.number), text = JSON.stringify(notes);
  if (kept) keepNotes(openCase, frame.number, { ...kept, refused: (kept.refused ?? []).filter((other) => JSON.stringify(other) !== text) });
}

// What is sent of notes. Those that an older page kept say nothing of rejected lesions.
export const notesContent = ({ mark, comment, lesions, accepted = [], rejected = [] }) => ({ mark, comment, lesions, accepted, rejected });

// Keep notes in this browser, as not sent yet; `more` refused ones beside those that are there.
function keep(openCase, frame, notes, pending = true, more = []) {
  const refused = [...(keptNotes(openCase, frame.number)?.refused ?? []), ...more];
  keepNotes(openCase, frame.number, notes || refused.length ? { ...notesContent(notes ?? NOTHING), pending, refused } : null);
}

// Keep notes in this browser and send them; false where the server did not take them.
function send(openCase, frame, notes) {
  keep(openCase, frame, notes);
  render();
  return (sending = sending.then(() => flush(openCase, frame))); // one after the other: each replaces the one before
}

// Send the notes that are kept of a frame, unless the server has them, in place of those that are known here.
async function flush(openCase, frame, force = false) {
  const kept = keptNotes(openCase, frame.number);
  if (!kept?.pending) return true;
  try {
    takeNotes(openCase, frame, await api.setNotes(openCase.key, frame.number, { ...notesContent(kept), replaced: force ? null : frame.answer.notes?.saved ?? "" }), kept);
    return true;
  } catch (error) {
    if (error.status === 409) {
      const answer = await api.answer(openCase.key, frame.number).catch(() => frame.answer);
      const mine = notesContent(keptNotes(openCase, frame.number)); // with what was noted meanwhile
      keep(openCase, frame, mine, true, [mine]);
      takeNotes(openCase, frame, answer.notes, null, answer.described);
      if (frame === state.frame) byId("comment").value = answer.notes?.comment ?? "";
      showToast(`${openCase.label}: ${error.message}.`, true, { label: "Replace by mine", run: () => replaceByMine(openCase, frame, mine) });
    } else showToast(error.message, true);
    render();
    return false;
  }
}

// The server has these notes now; what was noted since `sent` goes on waiting.
function takeNotes(openCase, frame, notes, sent, described) {
  const places = frame.answer.lesions.map(({ box }) => notes?.lesions.findIndex((one) => `${one.box}` === `${box}`) ?? -1);
  frame.answer.notes = notes;
  frame.answer.described = described ?? places.map((place) => (place < 0 ? null : place));
  openCase.answers[frame.number - 1] = frame.answer;
  if (!sent || JSON.stringify(keptNotes(openCase, frame.number)) === JSON.stringify(sent)) {
    keep(openCase, frame, notes, false);
  }
  emit("notes-saved", openCase);
  render();
}
