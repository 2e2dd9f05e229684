// Change the outline (threshold, drawing, undo), have it measured, save it, go back to the network's.

import * as api from "./api.js";
import { minPartPixels, withNumbers } from "./frames.js";
import { clearOutsideRegions } from "./mask_filters.js";
import { announce, describeAnswer, showToast } from "./messages.js";
import { encodeMask, thresholdMask } from "./pixels.js";
import { emit, state } from "./state.js";

let sliding = null; // the outline from before the slider was moved

function markEdited(frame) {
  frame.edited = frame.outdated = true;
  emit("mask-changed");
}

// Follow the slider at once; the outline is measured when the slider is released.
export function setThreshold(value) {
  const { frame, current } = state;
  if (!frame) return;
  if (sliding && sliding.frame !== frame) commitThreshold();
  sliding ??= { openCase: current, frame, mask: frame.mask.slice(), threshold: frame.threshold, edited: frame.edited };
  frame.threshold = value;
  frame.mask.set(thresholdMask(frame.probability, frame.width, frame.height, Math.ceil(value * 255 - 1e-6), minPartPixels(frame)));
  clearOutsideRegions(frame);
  markEdited(frame);
}

export async function commitThreshold() {
  if (!sliding) return;
  const { openCase, frame, mask, threshold, edited } = sliding;
  sliding = null;
  if (!frame.history.record(mask, frame.mask, frame.width, [threshold, frame.threshold])) {
    frame.edited = edited;
    frame.outdated = false;
    return emit("mask-changed");
  }
  emit("mask-changed");
  await requestMeasurement(openCase, frame, (signal) => api.atThreshold(openCase.key, frame.number, frame.threshold, signal));
}

// Take over what was drawn; `before` is the mask from before.
export function commitDrawing(before) {
  const { frame } = state;
  if (!frame.history.record(before, frame.mask, frame.width)) {
    frame.outdated = false;
    return emit("mask-changed");
  }
  markEdited(frame);
  remeasure();
}

export function undo() {
  if (state.frame?.history.undo(state.frame)) markEdited(state.frame), remeasure();
}

export function redo() {
  if (state.frame?.history.redo(state.frame)) markEdited(state.frame), remeasure();
}

async function remeasure() {
  const { frame, current } = state;
  const mask = await encodeMask(frame.mask, frame.width, frame.height);
  await requestMeasurement(current, frame, (signal) => api.measure(current.key, frame.number, mask, signal));
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

function showAnswer(openCase, frame, answer) {
  frame.answer = withNumbers(answer, openCase.numbers?.[frame.number - 1] ?? []);
  frame.outdated = false;
  openCase.answers[frame.number - 1] = frame.answer;
  emit("answer-changed");
}

// Save the outline on the server; false where that failed.
export async function saveOutline() {
  const { frame, current } = state;
  if (!frame) return false;
  try {
    const answer = await api.save(current.key, frame.number, await encodeMask(frame.mask, frame.width, frame.height));
    frame.measuring?.abort();
    frame.edited = false;
    current.saved = (current.saved ?? new Set()).add(frame.number);
    showAnswer(current, frame, answer);
    emit("outline-saved", current);
    showToast("Saved.");
    return true;
  } catch (error) {
    showToast(error.message, true);
    return false;
  }
}

// Go back to the network's outline.
export async function revertOutline() {
  const { frame, current } = state;
  if (!frame) return;
  try {
    const answer = await api.revert(current.key, frame.number);
    frame.measuring?.abort();
    current.loaded.delete(frame.number);
    current.saved?.delete(frame.number);
    current.answers[frame.number - 1] = answer;
    emit("outline-saved", current);
    emit("reload-frame");
  } catch (error) {
    showToast(error.message, true);
  }
}
