// Changing the outline: threshold, drawing, undo; measuring it, saving it, going back to the network's.

import * as api from "./api.js";
import { leastPixels, numbered } from "./load.js";
import { cut, pngOf } from "./raster.js";
import { note, say, spoken } from "./say.js";
import { emit, state } from "./state.js";

let sliding = null; // what the slider found when it was taken up

function changed(frame) {
  frame.edited = frame.stale = true;
  emit("mask");
}

// The slider moves: the outline follows at once; what it measures is asked when the slider is let go.
export function threshold(value) {
  const { frame, current } = state;
  if (!frame) return;
  if (sliding && sliding.frame !== frame) thresholdLetGo();
  sliding ??= { one: current, frame, mask: frame.mask.slice(), threshold: frame.threshold, edited: frame.edited };
  frame.threshold = value;
  frame.mask.set(cut(frame.probability, frame.width, frame.height, Math.ceil(value * 255 - 1e-6), leastPixels(frame)));
  keepToRegions(frame);
  changed(frame);
}

export async function thresholdLetGo() {
  if (!sliding) return;
  const { one, frame, mask, threshold, edited } = sliding;
  sliding = null;
  if (!frame.history.keep(mask, frame.mask, frame.width, [threshold, frame.threshold])) {
    frame.edited = edited;
    frame.stale = false;
    return emit("mask");
  }
  emit("mask");
  await measured(one, frame, (signal) => api.atThreshold(one.key, frame.number, frame.threshold, signal));
}

function keepToRegions({ answer, mask, width }) {
  if (!answer.regions.length) return;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const x = i % width, y = (i - x) / width;
    const inside = answer.regions.some((r) => y >= r.top && y < r.top + r.height && x >= r.left && x < r.left + r.width);
    if (!inside) mask[i] = 0;
  }
}

export function drawn(before) {
  const { frame } = state;
  if (!frame.history.keep(before, frame.mask, frame.width)) {
    frame.stale = false;
    return emit("mask");
  }
  changed(frame);
  remeasure();
}

export function undo() {
  if (state.frame?.history.undo(state.frame)) changed(state.frame), remeasure();
}

export function redo() {
  if (state.frame?.history.redo(state.frame)) changed(state.frame), remeasure();
}

async function remeasure() {
  const { frame, current } = state;
  const mask = await pngOf(frame.mask, frame.width, frame.height);
  await measured(current, frame, (signal) => api.measure(current.key, frame.number, mask, signal));
}

// Take an answer in, unless a newer one for this frame is under way.
async function measured(one, frame, ask) {
  frame.measuring?.abort();
  const mine = (frame.measuring = new AbortController());
  try {
    const answer = await ask(mine.signal);
    if (mine.signal.aborted) return;
    take(one, frame, answer);
    if (frame === state.frame) say(spoken(frame.answer));
  } catch (error) {
    if (error.name !== "AbortError") note(error.message, true);
  }
}

function take(one, frame, answer) {
  frame.answer = numbered(answer, one.numbers?.[frame.number - 1] ?? []);
  frame.stale = false;
  one.answers[frame.number - 1] = frame.answer;
  emit("answer");
}

export async function save() {
  const { frame, current } = state;
  if (!frame) return false;
  try {
    const answer = await api.save(current.key, frame.number, await pngOf(frame.mask, frame.width, frame.height));
    frame.measuring?.abort();
    frame.edited = false;
    current.saved = (current.saved ?? new Set()).add(frame.number);
    take(current, frame, answer);
    emit("saved", current);
    note("Saved.");
    return true;
  } catch (error) {
    note(error.message, true);
    return false;
  }
}

export async function revert() {
  const { frame, current } = state;
  if (!frame) return;
  try {
    const answer = await api.revert(current.key, frame.number);
    frame.measuring?.abort();
    current.loaded.delete(frame.number);
    current.saved?.delete(frame.number);
    current.answers[frame.number - 1] = answer;
    emit("saved", current);
    emit("reload");
  } catch (error) {
    note(error.message, true);
  }
}
