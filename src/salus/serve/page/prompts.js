// Point at a lesion: clicks inside and outside of it and boxes around it, each of which gives a new outline.
// The steps are taken one after another, so that each can be undone.

import { byId } from "./dom.js";
import { outlinePrompts, referenceMask } from "./frames.js";
import { announce, showToast } from "./messages.js";
import { commitThreshold, takePrompted } from "./outline_editor.js";
import { joinWithBase, keepDrawn } from "./prompt_outline.js";
import { emit, on, state } from "./state.js";

const KEY_STEP = 8; // CSS pixels that an arrow key moves the cross
const NOWHERE = "Point inside the ultrasound image.";

let last = Promise.resolve(); // of the steps so far

export function initPrompts() {
  for (const element of document.querySelectorAll(".prompt-only")) element.hidden = !state.info.prompts;
  byId("point-outside").addEventListener("click", toggleOutside);
  on("tool-changed", render);
  render();
}

function render() {
  const group = byId("point-side");
  group.hidden = state.tool !== "prompt";
  byId("point-outside").setAttribute("aria-pressed", String(state.pointOutside));
}

// Have clicks without a key point outside of the lesion, or inside again.
export function toggleOutside() {
  state.pointOutside = !state.pointOutside;
  render();
}

// All that the reader pointed at in a frame, also what is not outlined yet.
export const promptsOf = (frame) => [...(frame.prompted?.prompts ?? []), ...(frame.pointing ?? [])];

// Point at a place, inside the lesion or outside of it.
export function pointAt([x, y], outside) {
  const place = [round(x), round(y)];
  if (!isInImage(state.frame, place)) return showToast(NOWHERE);
  addPrompt(outside ? { not_points: [place] } : { points: [place] });
}

// Draw a box around the lesion, from one corner to the opposite one; what sticks out of the image is left off.
export function drawBox([x0, y0], [x1, y1]) {
  const { width, height } = state.frame, clip = (value, size) => round(Math.min(size, Math.max(0, value)));
  const [left, right] = [clip(x0, width), clip(x1, width)].sort((a, b) => a - b);
  const [top, bottom] = [clip(y0, height), clip(y1, height)].sort((a, b) => a - b);
  if (left < right && top < bottom) addPrompt({ box: [left, top, right, bottom] });
}

// Move a cross by Shift and the arrow keys, and point there by Enter; true where the key was one of these.
export function pointByKey(viewer, event) {
  if (state.tool !== "prompt" || !state.frame || event.target.matches?.("button, a, input, select, summary")) return false;
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
  if (dx !== undefined && event.shiftKey) {
    viewer.moveCross(KEY_STEP * dx, KEY_STEP * dy);
    const [x, y] = viewer.cross.map(Math.floor), { mask, width } = state.frame;
    announce(`${x}, ${y}: ${mask[y * width + x] ? "in the outline" : "outside the outline"}`);
    return true;
  }
  if (event.key !== "Enter" || !viewer.cross) return false;
  pointAt(viewer.cross, state.pointOutside || event.altKey || event.shiftKey);
  return true;
}

const round = (value) => Math.round(10 * value) / 10;

function isInImage({ width, height, answer: { regions } }, [x, y]) {
  const parts = regions.length ? regions : [{ left: 0, top: 0, width, height }];
  return parts.some((part) => x >= part.left && x < part.left + part.width && y >= part.top && y < part.top + part.height);
}

function addPrompt(prompt) {
  const { current, frame } = state;
  (frame.pointing ??= []).push(prompt);
  emit("prompts-changed");
  last = last.then(() => outline(current, frame, prompt));
}

// Wait for the outlines of all that was pointed at.
export const promptsDone = () => last;

// Have a frame outlined with a further prompt.
async function outline(openCase, frame, prompt) {
  try {
    if (frame === state.frame) await commitThreshold();
    const { width, height } = frame, before = frame.prompted, own = before?.threshold ?? frame.answer.network_threshold;
    const prompts = [...(before?.prompts ?? []), prompt], isOwn = Math.abs(frame.threshold - own) < 1e-6;
    const outlined = await outlinePrompts(openCase, frame, prompts, isOwn ? null : frame.threshold);
    const reference = referenceMask(frame), prompted = { ...before, prompts, ...outlined, base: before?.base ?? reference };
    const moved = joinWithBase(prompted.mask, prompted, width, height);
    keepDrawn(moved, frame.mask, reference, width, height, [prompt]);
    takePrompted(openCase, frame, moved, prompted);
  } catch (error) {
    showToast(error.message, true);
  } finally {
    frame.pointing = frame.pointing.filter((other) => other !== prompt);
    emit("prompts-changed");
  }
}
