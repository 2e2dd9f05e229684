// Delete one lesion of the outline: the one under the pointer, else the one that the list points at, else the only one.

import { showToast } from "./messages.js";
import { commitThreshold, undo } from "./outline_editor.js";
import { eachComponent } from "./pixels.js";
import { promptsDone } from "./prompts.js";
import { state } from "./state.js";

const WHICH = "Point at the lesion to delete, in the image or in the list.";

// Delete a lesion by its number, or the one that is pointed at where that is null; `tools` are the PointerTools.
export async function deleteLesion(tools, number = null) {
  const { viewer } = tools, { frame } = state, { pointer, highlighted } = viewer;
  if (!frame) return;
  await promptsDone();
  await commitThreshold();
  if (frame !== state.frame) return;
  const pixels = number === null
    ? partAt(frame, pointer) ?? partOfLesion(frame, highlighted) ?? onlyPart(frame)
    : partOfLesion(frame, number);
  if (!pixels) return showToast(frame.mask.includes(1) ? WHICH : "There is no lesion to delete.");
  tools.filter((mask) => {
    const changed = mask.slice();
    for (const pixel of pixels) changed[pixel] = 0;
    return changed;
  });
  viewer.highlighted = null;
  showToast("The lesion is deleted.", false, { label: "Undo", run: undo });
}

// The connected parts of a frame's outline, each an array of pixels.
function partsOf({ mask, width, height }) {
  const parts = [];
  eachComponent(mask, width, height, (pixels) => parts.push(pixels.slice()));
  return parts;
}

// The part at a place [x, y]; null where there is none.
function partAt(frame, place) {
  if (!place) return null;
  const [x, y] = place.map(Math.floor), { mask, width, height } = frame;
  if (x < 0 || y < 0 || x >= width || y >= height || !mask[y * width + x]) return null;
  return partsOf(frame).find((pixels) => pixels.includes(y * width + x));
}

// The part that is a lesion of the answer: the one of its size within its box; null where the outline changed since.
export function partOfLesion(frame, number) {
  const lesion = frame.answer.lesions.find((other) => other.number === number);
  if (!lesion) return null;
  const [top, left, height, width] = lesion.box;
  const isInBox = (i) => i % frame.width >= left && i % frame.width < left + width && i / frame.width >= top && i / frame.width < top + height;
  return partsOf(frame).find((pixels) => pixels.length === lesion.area_px && pixels.every(isInBox)) ?? null;
}

function onlyPart(frame) {
  const parts = partsOf(frame);
  return parts.length === 1 ? parts[0] : null;
}
