// Propagate the outline of a cine's frame to the frames after or before it: the outline of each frame, as a box around each
// lesion, is the prompt with which the network outlines the next one. It ends where the two outlines part, at a frame that
// was corrected or saved, and at the end of the cine.

import { byId } from "./dom.js";
import { loadFrame, MAX_LOADED, outlinePrompts } from "./frames.js";
import { clearOutsideRegions } from "./mask_filters.js";
import { announce, showToast } from "./messages.js";
import { commitThreshold, saveFrame, stepIn, takePrompted } from "./outline_editor.js";
import { eachComponent } from "./pixels.js";
import { promptsDone } from "./prompts.js";
import { emit, on, state } from "./state.js";

const MIN_DICE = 0.6; // of one frame's outline with the next one's; below it the two part

let running = null; // { openCase, stopped } while outlines are propagated

export function initPropagation() {
  byId("propagate-back").addEventListener("click", () => propagate(-1));
  byId("propagate-ahead").addEventListener("click", () => propagate(1));
  byId("save-frames").addEventListener("click", saveAll);
  for (const event of ["frame-changed", "mask-changed", "outline-saved", "cases-changed"]) on(event, render);
}

function render() {
  const { current, frame } = state, unsaved = current?.frames > 1 ? unsavedFrames(current).length : 0;
  for (const [id, text] of [["propagate-back", "‹ Propagate"], ["propagate-ahead", "Propagate ›"]]) {
    byId(id).textContent = running?.button === id ? "Stop" : text;
    byId(id).disabled = running ? running.button !== id : !frame;
  }
  byId("save-frames").hidden = unsaved < 2;
  byId("save-frames").disabled = Boolean(running);
  byId("save-frames").textContent = `Save ${unsaved} frames`;
}

const unsavedFrames = (openCase) => [...(state.drafts.get(openCase.id) ?? [])].sort((a, b) => a - b);

// Propagate the outline of the current frame, `step` 1 ahead or -1 back. Called again, it stops.
export async function propagate(step) {
  if (running) return (running.stopped = true);
  const { current: openCase, frame } = state;
  if (!frame || !state.info.prompts || !(openCase.frames > 1)) return;
  await promptsDone();
  await commitThreshold();
  if (!frame.mask.includes(1)) return showToast("This frame has no outline to propagate.");
  running = { openCase, stopped: false, button: step > 0 ? "propagate-ahead" : "propagate-back" };
  render();
  const done = [];
  let end = "";
  try {
    for (let from = frame, number = frame.number + step; !end; number += step) {
      if (running.stopped) end = "Stopped.";
      else if (number < 1 || number > openCase.frames) end = "That is the end of the cine.";
      else {
        const next = await loadFrame(openCase, number);
        end = await propagateTo(openCase, from, next, frame.number);
        if (!end) done.push(number);
        if (!end && state.current === openCase) emit("show-frame", number);
        from = next;
        unload(openCase);
      }
    }
  } catch (error) {
    end = error.message;
  } finally {
    running = null;
    render();
  }
  tell(openCase, frame.number, done, end);
}

// Outline a frame by the outline of the one beside it. Gives why that was not done, "" where it was.
async function propagateTo(openCase, from, frame, origin) {
  if (!isFree(frame)) return `Frame ${frame.number} was corrected or saved and stays as it is.`;
  const { width, height } = frame, prompts = boxesOf(from);
  const outlined = await outlinePrompts(openCase, frame, prompts), mask = outlined.mask.slice();
  clearOutsideRegions({ ...frame, mask });
  if (dice(mask, from.mask) < MIN_DICE) return `From frame ${frame.number} on the network’s outline is another one.`;
  if (!isFree(frame)) return `Frame ${frame.number} was corrected meanwhile.`;
  await takePrompted(openCase, frame, mask, { prompts, ...outlined, base: new Uint8Array(width * height), from: origin, carried: mask.slice() });
  return "";
}

// Whether nobody corrected or saved a frame: it shows the network's outline, or one that was propagated to it.
function isFree({ edited, mask, prompted, version }) {
  if (version) return false;
  return !edited || Boolean(prompted?.carried?.every((value, i) => value === mask[i]));
}

// A box around each part of a frame's outline, as prompts.
function boxesOf({ mask, width, height }) {
  const boxes = [];
  eachComponent(mask, width, height, (pixels) => {
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (const pixel of pixels) {
      const x = pixel % width, y = (pixel - x) / width;
      [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
    }
    boxes.push({ box: [left, top, right, bottom] });
  });
  return boxes;
}

function dice(first, second) {
  let both = 0, sum = 0;
  for (let i = 0; i < first.length; i++) (both += first[i] & second[i]), (sum += first[i] + second[i]);
  return sum ? (2 * both) / sum : 1;
}

// Drop frames from memory beyond the number that is kept; their outlines are in this browser.
function unload(openCase) {
  for (const [number, frame] of openCase.loaded) {
    if (openCase.loaded.size <= MAX_LOADED) break;
    if (frame.prompted?.carried && frame !== state.frame && isFree(frame)) openCase.loaded.delete(number);
  }
}

function tell(openCase, origin, done, end) {
  if (!done.length) return showToast(end);
  const text = `Frame ${origin} was propagated to ${done.length === 1 ? "one frame" : `${done.length} frames`}. ${end}`;
  showToast(text, false, { label: "Undo", run: () => takeBack(openCase, done), stays: true });
}

// Take the propagated outlines of frames back, where they were not changed since.
async function takeBack(openCase, numbers) {
  for (const number of numbers) {
    const frame = await loadFrame(openCase, number);
    if (frame.prompted?.carried && isFree(frame)) await stepIn(openCase, frame, "undo");
  }
  announce("The propagated outlines are taken back.");
}

async function saveAll() {
  const { current: openCase } = state, numbers = unsavedFrames(openCase);
  byId("save-frames").disabled = true;
  let saved = 0;
  for (const number of numbers) {
    if (!(await saveFrame(openCase, await loadFrame(openCase, number)))) break;
    saved++;
  }
  render();
  if (saved) showToast(`${saved} frames saved.`);
}
