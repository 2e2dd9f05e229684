// Load frames of an open image from the server, and keep a few of them in memory.

import * as api from "./api.js";
import { takeUpDraft } from "./drafts.js";
import { decodeBase64, decodeGrey, encodeMask, thresholdMask } from "./pixels.js";
import { joinWithBase } from "./prompt_outline.js";
import { state } from "./state.js";
import { UndoHistory } from "./undo_history.js";

export const MAX_LOADED = 24; // frames of one image in memory; those with unsaved drawing stay in any case

const requested = new Map(); // `KEY/NUMBER` -> promise of a frame that is being loaded; two would each hold strokes

export async function loadFrame(openCase, number) {
  const loaded = openCase.loaded.get(number);
  if (loaded) {
    openCase.loaded.delete(number);
    openCase.loaded.set(number, loaded); // most recently used last
    return loaded;
  }
  const name = `${openCase.key}/${number}`;
  if (!requested.has(name)) requested.set(name, fetchFrame(openCase, number).finally(() => requested.delete(name)));
  return requested.get(name);
}

async function fetchFrame(openCase, number) {
  const answer = await api.answer(openCase.key, number);
  const parts = ["image", "mask", "probability", "saliency"];
  const pictures = await Promise.all(parts.map(async (part) => decodeGrey(await api.picture(openCase.key, number, part))));
  const [image, mask, probability, saliency] = pictures.map((picture) => picture.values);
  for (let i = 0; i < mask.length; i++) mask[i] = mask[i] > 127 ? 1 : 0;
  const { width, height } = pictures[0];
  const numbers = openCase.numbers?.[number - 1];
  const frame = {
    number, width, height, image, mask, probability, saliency,
    answer: numbers ? withNumbers(answer, numbers) : answer,
    threshold: answer.threshold,
    history: new UndoHistory(),
    picture: checksum(image), // tells another picture under the same name, see drafts.js
    base: mask.slice(),       // the outline that the server holds
    version: answer.version,  // of that outline where a reader saved it, else ""
    prompted: null,           // what the reader pointed at, see prompt_outline.js
    savedPrompts: answer.prompts ?? [], // of the outline that the server holds
    savedFrom: answer.derived_from ?? null,
    attempts: [],             // outlines that were sent to be saved and have no answer yet
    pointing: [],             // prompts that are not outlined yet
    edited: false,   // the outline on the page is not the one that the server holds
    outdated: false, // the measurements are of an earlier outline
  };
  if (answer.corrected) await networkMask(openCase, frame);
  else frame.networkMask = mask.slice();
  frame.prompted = await promptedOf(openCase, frame, answer.prompts, answer.derived_from);
  if (await takeUpDraft(openCase, frame)) await measureDraft(openCase, frame);
  openCase.loaded.set(number, frame);
  openCase.answers[number - 1] = frame.answer;
  for (const [key, old] of openCase.loaded) {
    if (openCase.loaded.size <= MAX_LOADED) break;
    if (!old.edited && old !== state.frame) openCase.loaded.delete(key);
  }
  return frame;
}

// A number that differs between pictures (FNV-1a); browsers have no other hash where the page comes over plain HTTP.
const checksum = (values) => values.reduce((sum, value) => Math.imul(sum ^ value, 16777619), 2166136261 | 0);

// What was pointed at for an outline that the server holds, with what the network makes of it; null where it was nothing.
export async function promptedOf(openCase, frame, prompts, from = null) {
  if (!prompts?.length) return null;
  const known = { prompts, mask: null, probability: null, threshold: null, base: frame.mask.slice(), ...(from ? { from } : {}) };
  if (!state.info.prompts) return known;
  try {
    const outlined = await outlinePrompts(openCase, frame, prompts);
    return { ...known, ...outlined, base: from ? new Uint8Array(frame.mask.length) : await networkMask(openCase, frame) };
  } catch {
    return known; // the saved prompts are not of the kind that this network takes
  }
}

// What the network makes of prompts: { mask, probability, threshold }; at a threshold, or its own where that is null.
export async function outlinePrompts(openCase, frame, prompts, threshold = null) {
  const answer = await api.outlinePrompts(openCase.key, frame.number, prompts, threshold);
  const [mask, probability] = await Promise.all([answer.mask, answer.probability].map(decodeBase64));
  return { mask: mask.map((value) => (value > 127 ? 1 : 0)), probability, threshold: answer.threshold };
}

// Measure an outline that was kept in this browser.
async function measureDraft(openCase, frame) {
  const answer = await api.measure(openCase.key, frame.number, await encodeMask(frame.mask, frame.width, frame.height));
  frame.answer = withNumbers(answer, openCase.numbers?.[frame.number - 1] ?? []);
}

// The network's own mask of a frame.
export async function networkMask(openCase, frame) {
  if (frame.networkMask) return frame.networkMask;
  const { values } = await decodeGrey(await api.picture(openCase.key, frame.number, "network"));
  return (frame.networkMask = values.map((value) => (value > 127 ? 1 : 0)));
}

// What a frame's threshold gives for what was pointed at, without the reader's strokes: 1 in the mask, 0 outside. The
// network's own threshold, where nothing was pointed at, gives the network's outline.
export function referenceMask(frame, threshold = frame.threshold) {
  const { probability, width, height, answer, prompted } = frame;
  if (prompted?.mask) {
    const isOwn = Math.abs(threshold - prompted.threshold) < 1e-6;
    return joinWithBase(isOwn ? prompted.mask : maskAt(frame, prompted.probability, threshold), prompted, width, height);
  }
  if (Math.abs(threshold - answer.network_threshold) < 1e-6) return frame.networkMask.slice();
  return maskAt(frame, probability, threshold);
}

// Each region for itself, as the network's own outline is made.
function maskAt({ answer, width, height }, probability, threshold) {
  const mask = new Uint8Array(probability.length), level = Math.ceil(threshold * 255 - 1e-6);
  for (const region of answer.regions.length ? answer.regions : [{ top: 0, left: 0, height, width }]) {
    const part = new Uint8Array(region.height * region.width), start = (y) => (region.top + y) * width + region.left;
    for (let y = 0; y < region.height; y++) part.set(probability.subarray(start(y), start(y) + region.width), y * region.width);
    const found = thresholdMask(part, region.width, region.height, level, state.info.smallest * part.length);
    for (let i = 0; i < found.length; i++) if (found[i]) mask[start(Math.floor(i / region.width)) + (i % region.width)] = 1;
  }
  return mask;
}

// An answer whose lesions have the numbers that they keep through a cine.
export function withNumbers(answer, numbers) {
  if (numbers.length !== answer.lesions.length) return answer;
  return { ...answer, lesions: answer.lesions.map((lesion, i) => ({ ...lesion, number: numbers[i] })) };
}
