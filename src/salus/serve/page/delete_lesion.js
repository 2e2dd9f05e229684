// Delete one lesion of the outline: the one under the pointer, else the one that the list points at, else the only one.

import { showToast } from "./messages.js";
import { commitThreshold, undo } from "./outline_editor.js";
import { partOfLesion, pointedPart, pointedPlace } from "./pointed_lesion.js";
import { promptsDone } from "./prompts.js";
import { state } from "./state.js";

const WHICH = "Point at the lesion to delete, in the image or in the list.";

// Delete a lesion by its number, or the one that is pointed at where that is null; `tools` are the PointerTools.
export async function deleteLesion(tools, number = null) {
  const { frame } = state, pointed = pointedPlace(tools.viewer);
  if (!frame) return;
  await promptsDone();
  await commitThreshold();
  if (frame !== state.frame) return;
  const pixels = number === null ? pointedPart(frame, pointed) : partOfLesion(frame, number);
  if (!pixels) return showToast(frame.mask.includes(1) ? WHICH : "There is no lesion to delete.");
  removeLesion(tools, pixels, "The lesion is deleted.");
}

// Clear the pixels of a lesion, and say so.
export function removeLesion(tools, pixels, text) {
  tools.filter((mask) => {
    const changed = mask.slice();
    for (const pixel of pixels) changed[pixel] = 0;
    return changed;
  });
  tools.viewer.highlighted = tools.viewer.selected = null;
  showToast(text, false, { label: "Undo", run: undo });
}
