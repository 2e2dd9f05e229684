// Change the outline (threshold, drawing, undo), have it measured, save it, go back to the network's.

import * as api from "./api.js";
import { askAboutConflict } from "./conflict.js";
import { byId } from "./dom.js";
import { keepDraft, keepsOutlines, setSaved } from "./drafts.js";
import { networkMask, promptedOf, referenceMask, withNumbers } from "./frames.js";
import { clearOutsideRegions } from "./mask_filters.js";
import { announce, describeAnswer, dropToast, sentence, showToast } from "./messages.js";
import { setRejected } from "./notes.js";
import { decodeGrey, encodeMask } from "./pixels.js";
import { keepDrawn } from "./prompt_outline.js";
import { emit, state } from "./state.js";

let notSaved = ""; // the message that the last change did not reach the server
let sliding = null; // the outline from before the slider was moved

// The outline changed: keep it, and have the page show it. Gives a promise that it is kept.
function markChanged(openCase, frame) {
  frame.outdated = true;
  const kept = keepDraft(openCase, frame);
  emit("mask-changed");
  return kept;
}

// Follow the slider at once; the outline is measured when the slider is released. What was drawn by hand stays.
export function setThreshold(value) {
  const { frame, current } = state;
  if (!frame) return;
  if (sliding && sliding.frame !== frame) commitThreshold();
  sliding ??= { openCase: current, frame, mask: frame.mask.slice(), threshold: frame.threshold, reference: referenceMask(frame) };
  const { mask, reference } = sliding, moved = referenceMask(frame, value);
  sliding.drawn = keepDrawn(moved, mask, reference, frame.width, frame.height) || Boolean(frame.prompted);
  frame.threshold = value;
  frame.mask.set(moved);
  frame.edited = frame.outdated = true;
  emit("mask-changed");
}

export async function commitThreshold() {
  if (!sliding) return;
  const { openCase, frame, mask, threshold, drawn } = sliding;
  sliding = null;
  const changed = frame.history.record(mask, frame.mask, frame.width, [threshold, frame.threshold]);
  keepDraft(openCase, frame);
  frame.outdated = changed;
  emit("mask-changed");
  if (!changed) return;
  if (drawn) await remeasure(openCase, frame);
  else await requestMeasurement(openCase, frame, (signal) => api.atThreshold(openCase.key, frame.number, frame.threshold, signal));
}

// Take over what was drawn on a frame; `before` is its mask from before.
export function commitDrawing(openCase, frame, before) {
  if (!frame.history.record(before, frame.mask, frame.width)) {
    frame.outdated = false;
    return emit("mask-changed");
  }
  markChanged(openCase, frame);
  remeasure(openCase, frame);
}

// Take over the outline for what the reader points at; see prompt_outline.js.
export function takePrompted(openCase, frame, mask, prompted) {
  const before = frame.mask.slice(), thresholds = [frame.threshold, prompted.threshold];
  frame.mask.set(mask);
  clearOutsideRegions(frame);
  frame.history.record(before, frame.mask, frame.width, thresholds, false, [frame.prompted, prompted]);
  Object.assign(frame, { prompted, threshold: prompted.threshold });
  return Promise.all([markChanged(openCase, frame), remeasure(openCase, frame)]);
}

// Take over an earlier saved outline.
export async function takeVersion(openCase, frame, mask, { threshold, prompts, derived_from: from }) {
  await commitThreshold();
  const before = frame.mask.slice(), thresholds = [frame.threshold, threshold], prompted = await promptedOf(openCase, frame, prompts, from);
  frame.mask.set(mask);
  frame.history.record(before, frame.mask, frame.width, thresholds, false, [frame.prompted, prompted]);
  Object.assign(frame, { prompted, threshold });
  markChanged(openCase, frame);
  return remeasure(openCase, frame);
}

export const undo = () => step("undo");
export const redo = () => step("redo");

async function step(which) {
  await commitThreshold();
  if (state.frame) await stepIn(state.current, state.frame, which);
}

// Undo or redo the last change of a frame.
export async function stepIn(current, frame, which) {
  const change = frame.history[which](frame);
  if (!change) return;
  markChanged(current, frame);
  if (change.rejected) setRejected(current, frame, change.rejected, which === "redo");
  if (change.tookBack && which === "undo") await store(current, frame);
  else if (change.tookBack) await takeBack(current, frame);
  else await remeasure(current, frame);
}

// Have the outline on the page measured; where it is the one that the server holds, as after an undo, take what that has of it.
async function remeasure(openCase, frame) {
  const mask = await encodeMask(frame.mask, frame.width, frame.height), isHeld = !frame.edited;
  await requestMeasurement(openCase, frame, async (signal) => {
    const held = isHeld ? await api.answer(openCase.key, frame.number, signal) : null;
    return held?.version === frame.version ? held : api.measure(openCase.key, frame.number, mask, signal);
  });
}

// Request measurements, and show them unless a newer request for this frame has begun.
async function requestMeasurement(openCase, frame, request) {
  frame.measuring?.abort();
  const controller = (frame.measuring = new AbortController());
  try {
    const answer = await request(controller.signal);
    if (controller.signal.aborted) return;
    showAnswer(openCase, frame, answer);
    if (frame === state.frame) announce(describeAnswer(frame.answer));
  } catch (error) {
    if (error.name !== "AbortError") showToast(error.message, true);
  }
}

// Wait until the answer is of the outline on the page.
export async function measured(openCase, frame) {
  if (frame.outdated) await remeasure(openCase, frame);
}

function showAnswer(openCase, frame, answer) {
  frame.answer = withNumbers(answer, openCase.numbers?.[frame.number - 1] ?? []);
  frame.outdated = false;
  dropToast(api.NO_ANSWER);
  openCase.answers[frame.number - 1] = frame.answer;
  emit("answer-changed");
}

// Save the outline on the server; false where that failed.
export async function saveOutline({ frame, current } = state) {
  await commitThreshold();
  const button = byId("save");
  if (!frame) return false;
  while (frame.saving) {
    await frame.saving;
    if (!frame.edited) return false; // that save has all of it
  }
  button.disabled = true;
  button.textContent = "Saving…";
  try {
    if (!(await (frame.saving = store(current, frame)))) return false;
    showToast("Saved.");
    emit("outline-kept");
    return true;
  } finally {
    frame.saving = null;
    emit("mask-changed");
  }
}

// Save one frame's outline without a word; false where that failed.
export async function saveFrame(openCase, frame) {
  await commitThreshold();
  const saved = await store(openCase, frame);
  emit("mask-changed");
  return saved;
}

// Save a frame's outline in place of the version it began from; ask where someone saved another one. False where that failed.
async function store(openCase, frame) {
  const sent = frame.mask.slice(), prompts = frame.prompted?.prompts ?? [], from = frame.prompted?.from ?? null;
  const save = async (version) => {
    const blob = await encodeMask(sent, frame.width, frame.height);
    return api.save(openCase.key, frame.number, blob, version, frame.threshold, prompts, from);
  };
  frame.attempts.push(sent);
  return change(openCase, frame, save, async (answer) => {
    frame.attempts = [];
    frame.base = sent; // strokes that were drawn meanwhile are not saved
    frame.version = answer.version;
    Object.assign(frame, { savedPrompts: prompts, savedFrom: from });
    await keepDraft(openCase, frame);
    if (!frame.edited) showAnswer(openCase, frame, answer);
  });
}

// Go back to the network's outline; what was saved is taken back. Undo gives both again.
export async function revertOutline() {
  await commitThreshold();
  const { frame, current } = state;
  if (!frame) return;
  const before = frame.mask.slice(), threshold = frame.threshold, prompted = frame.prompted, wasSaved = Boolean(frame.version);
  try {
    frame.mask.set(await networkMask(current, frame));
  } catch (error) {
    return showToast(error.message, true);
  }
  frame.threshold = frame.answer.network_threshold;
  frame.prompted = null;
  if (wasSaved && !(await takeBack(current, frame))) {
    frame.mask.set(before);
    Object.assign(frame, { threshold, prompted });
    return emit("mask-changed");
  }
  frame.history.record(before, frame.mask, frame.width, [threshold, frame.threshold], wasSaved, [prompted, null]);
  markChanged(current, frame);
  if (!wasSaved) showAnswer(current, frame, await api.answer(current.key, frame.number));
  showToast("The network’s outline.", false, { label: "Undo", run: undo });
}

// Take a saved outline back on the server; the frame's mask is the network's. False where that failed.
const takeBack = (openCase, frame) => change(openCase, frame, (version) => api.revert(openCase.key, frame.number, version), async (answer) => {
  await setSaved(openCase, frame, "");
  showAnswer(openCase, frame, answer);
});

// Change what the server holds of a frame, from the version that is known here; ask where it is another one by now.
async function change(openCase, frame, request, accept) {
  frame.measuring?.abort();
  try {
    let answer;
    try {
      answer = await request(frame.version);
    } catch (error) {
      if (error.status !== 409 || !error.content) throw error;
      const choice = (await isOwnAttempt(openCase, frame, error.content)) ? "mine" : await askAboutConflict(error.content);
      if (choice === "theirs") await loadTheirs(openCase, frame);
      if (choice !== "mine") return false;
      answer = await request(error.content.version);
    }
    await accept(answer);
    dropToast(notSaved);
    emit("outline-saved", openCase);
    return true;
  } catch (error) {
    const isGone = error instanceof api.ImageGone, isKept = keepsOutlines() && (openCase.work || !isGone);
    const again = isGone ? "" : isKept ? "; save it again then" : "Save it again before you leave the page";
    notSaved = [sentence(error.message), `${isKept ? "Your outline is kept in this browser" : ""}${again}`].filter(Boolean).map(sentence).join(" ");
    showToast(notSaved, true);
    return false;
  }
}

// Whether the outline that the server holds is one that this page sent before, of which it had no answer: the server was killed, say.
async function isOwnAttempt(openCase, { attempts, number }, { version }) {
  if (!attempts.length || !version) return false;
  const { values } = await decodeGrey(await api.versionMask(openCase.key, number, version));
  return attempts.some((mask) => mask.every((value, i) => value === (values[i] > 127 ? 1 : 0)));
}

// Show the outline that someone else saved; the reader's own is one step of undo away.
async function loadTheirs(openCase, frame) {
  const mine = frame.mask.slice(), { threshold, prompted } = frame;
  const answer = await api.answer(openCase.key, frame.number);
  const { values } = await decodeGrey(await api.picture(openCase.key, frame.number, "mask"));
  for (let i = 0; i < values.length; i++) frame.mask[i] = values[i] > 127 ? 1 : 0;
  frame.threshold = answer.threshold;
  frame.prompted = await promptedOf(openCase, frame, answer.prompts, answer.derived_from);
  frame.history.record(mine, frame.mask, frame.width, [threshold, frame.threshold], false, [prompted, frame.prompted]);
  await setSaved(openCase, frame, answer.version);
  showAnswer(openCase, frame, answer);
  emit("outline-saved", openCase);
  emit("mask-changed");
}
