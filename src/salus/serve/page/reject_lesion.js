// Reject one lesion: it is none. It is deleted from the outline, and noted with reader and time, apart from what is deleted
// otherwise. Undo takes both back.

import { removeLesion } from "./delete_lesion.js";
import { emit, state } from "./state.js";
import { showToast } from "./messages.js";
import { setRejected } from "./notes.js";
import { commitThreshold, measured } from "./outline_editor.js";
import { lesionOfPart, partOfLesion, pointedPart, pointedPlace } from "./pointed_lesion.js";
import { promptsDone } from "./prompts.js";

const WHICH = "Point at the lesion to reject, in the image or in the list.";

// Reject a lesion by its number, or the one that is pointed at where that is null; `tools` are the PointerTools.
export async function rejectLesion(tools, number = null) {
  const { current, frame } = state, pointed = pointedPlace(tools.viewer);
  if (!frame) return;
  await promptsDone();
  await commitThreshold();
  await measured(current, frame);
  if (frame !== state.frame) return;
  const pixels = number === null ? pointedPart(frame, pointed) : partOfLesion(frame, number);
  const lesion = pixels && lesionOfPart(frame, pixels);
  if (!lesion) return showToast(frame.mask.includes(1) ? WHICH : "There is no lesion to reject.");
  removeLesion(tools, pixels, "The lesion is rejected.");
  frame.history.markRejection(lesion);
  if (await setRejected(current, frame, lesion, true)) emit("outline-kept", "Rejected. Who rejects it?");
}
