// Unsaved outlines: which frames have one, kept in this browser with every stroke.

import * as store from "./browser_store.js";
import { showToast } from "./messages.js";
import { emit, state } from "./state.js";
import { tabName } from "./tabs.js";

const NOT_KEPT = "This browser keeps no unsaved outlines, as in a private window or on a full disk: save before you leave the page.";

let writing = 0; // outlines that are not on the disk yet
let isKeeping = true; // the last outline could be kept

export const isUnsaved = (caseId) => Boolean(state.drafts.get(caseId)?.size);
export const isWriting = () => writing > 0;
export const keepsOutlines = () => isKeeping;

// Whether strokes would be lost if the page were left now.
export const wouldLose = () => isWriting() || (!isKeeping && [...state.drafts.values()].some((frames) => frames.size));

// Read which frames of which images have unsaved outlines.
export async function initDrafts() {
  state.drafts = await store.unsavedFrames();
}

const promptText = (prompts) => JSON.stringify(prompts ?? []);

// Note whether a frame's outline differs from the one that the server holds, and keep it where it does.
export async function keepDraft(openCase, frame) {
  frame.edited = frame.mask.some((value, i) => value !== frame.base[i]) || promptText(frame.prompted?.prompts) !== promptText(frame.savedPrompts);
  mark(openCase, frame.number, frame.edited);
  writing++;
  try {
    if (frame.edited) noteKept(await write(openCase, frame, false));
    else if (frame.version) await write(openCase, frame, true);
    else await store.removeOutline(openCase.id, frame.number);
  } finally {
    writing--;
  }
}

function noteKept(isKept) {
  if (!isKept && isKeeping) showToast(NOT_KEPT, true);
  isKeeping = Boolean(isKept);
}

// The frame's outline is now the one that the server holds.
export function setSaved(openCase, frame, version) {
  frame.base = frame.mask.slice();
  frame.version = version;
  frame.savedPrompts = frame.prompted?.prompts ?? [];
  frame.savedFrom = frame.prompted?.from ?? null;
  return keepDraft(openCase, frame);
}

const write = (openCase, frame, saved) => store.putOutline({
  caseId: openCase.id, number: frame.number, picture: frame.picture, mask: frame.mask.slice(), threshold: frame.threshold, version: frame.version, saved,
  prompted: frame.prompted, savedPrompts: frame.savedPrompts, savedFrom: frame.savedFrom,
  savedMask: frame.version ? frame.base.slice() : null,
});

function mark(openCase, number, unsaved) {
  const frames = state.drafts.get(openCase.id) ?? new Set();
  if (frames.has(number) === unsaved) return;
  unsaved ? frames.add(number) : frames.delete(number);
  state.drafts.set(openCase.id, frames);
  emit("cases-changed");
}

// Take up a kept outline on a frame that was just loaded; false where there is none. Where several tabs had one and are closed,
// the newest is shown, and the others are steps of undo before it. One that was drawn on another picture of this name is not taken
// up: the reader is asked.
export async function takeUpDraft(openCase, frame) {
  if (!state.drafts.get(openCase.id)?.has(frame.number)) return false;
  const kept = await store.outlinesToTakeUp(openCase.id, frame.number), unsaved = kept.filter(({ saved }) => !saved);
  const drafts = unsaved.filter(({ mask, picture }) => mask.length === frame.mask.length && [undefined, frame.picture].includes(picture));
  if (!drafts.length) {
    mark(openCase, frame.number, false);
    if (unsaved.length) emit("draft-of-other-picture", openCase, frame, unsaved.at(-1));
    return false;
  }
  for (const { mask, threshold, prompted: known } of drafts) {
    const prompted = known ?? null;
    frame.history.record(frame.mask, mask, frame.width, [frame.threshold, threshold], false, [frame.prompted, prompted]);
    frame.mask.set(mask);
    Object.assign(frame, { prompted, threshold });
  }
  frame.version = drafts.at(-1).version; // where someone saved meanwhile, saving asks
  frame.edited = true;
  const own = await tabName(), closed = kept.filter(({ tab }) => tab !== own);
  if (closed.length && (await write(openCase, frame, false))) await store.removeOutlines(closed); // they are this tab's now
  return true;
}

export function forgetDrafts(openCase) {
  state.drafts.delete(openCase.id);
  return store.forgetCase(openCase.id);
}
