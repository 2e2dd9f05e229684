// Accept one lesion's outline as it is, or take that back. It is sent with the notes at once, and holds for this very outline:
// once a pixel of it changes the lesion is no longer accepted, and is again where the change is undone.

import { announce, showToast } from "./messages.js";
import { acceptanceOf, setAccepted } from "./notes.js";
import { commitThreshold, measured } from "./outline_editor.js";
import { lesionOfPart, pointedPart, pointedPlace } from "./pointed_lesion.js";
import { promptsDone } from "./prompts.js";
import { emit, state } from "./state.js";

const WHICH = "Point at the lesion to accept, in the image or in the list.";

// Accept a lesion by its number, or the one that is pointed at where that is null; one that is accepted is so no longer.
export async function acceptLesion(viewer, number = null) {
  const { current, frame } = state, pointed = pointedPlace(viewer);
  if (!frame) return;
  await promptsDone();
  await commitThreshold();
  await measured(current, frame);
  if (frame !== state.frame) return;
  const part = number === null ? pointedPart(frame, pointed) : null;
  const lesion = number === null ? part && lesionOfPart(frame, part) : frame.answer.lesions.find((other) => other.number === number);
  if (!lesion) return showToast(frame.mask.includes(1) ? WHICH : "There is no lesion to accept.");
  const isAccepted = !acceptanceOf(current, frame, lesion);
  announce(`Lesion ${lesion.number} is ${isAccepted ? "accepted" : "no longer accepted"}`);
  if ((await setAccepted(current, frame, lesion, isAccepted)) && isAccepted) emit("outline-kept", "Accepted. Who accepts it?");
}
