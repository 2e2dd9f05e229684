// Delete one lesion of the outline: the one under the pointer, else the one that the list points at, else the only one.

import { showToast } from "./messages.js";
import { commitThreshold, undo } from "./outline_editor.js";
import { partOfLesion, pointedPart } from "./pointed_lesion.js";
import { promptsDone } from "./prompts.js";
import { state } from "./state.js";

const WHICH = "Point at the lesion to delete, in the image or in the list.";

// Delete a lesion by its number, or the one that is pointed at where that is null; `tools` are the PointerTools.
export async function deleteLesion(tools, number = null) {
  const { viewer } = tools, { frame } = state;
  if (!frame) return;
  await promptsDone();
  await commitThreshold();
  if (frame !== state.frame) return;
  const pixels = number === null
    ? pointedPart(viewer, frame)
    : partOfLesion(frame, number);
  if (!pixels) return showToast(frame.mask.includes(1) ? WHICH : "There is no lesion to delete.");
  tools.filter((mask) => {
    const changed = mask.slice();
    for (const pixel of pixels) changed[pixel] = 0;
    return changed;
  });
  viewer.highlighted = viewer.selected = null;
  showToast("The lesion is deleted.", false, { label: "Undo", run: undo });
}
