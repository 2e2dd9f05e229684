// Propose the ticks of a ruler that the scanner burned in, where the file does not say how large a pixel is. The reader lays
// caliper A over them by one click, looks whether it fits, and says how far apart they are; nothing is calibrated before.

import * as api from "./api.js";
import { mayCalibrate } from "./calibration.js";
import { byId } from "./dom.js";
import { handCalipers, setCalipers } from "./marks.js";
import { announce } from "./messages.js";
import { on, state } from "./state.js";

const rulers = new WeakMap(); // frame -> { line, count, spacing, edge } of its ruler, null for none, undefined while it is asked for

export function initRulerProposal() {
  for (const event of ["calipers-changed", "frame-changed", "tool-changed", "answer-changed"]) on(event, render);
  byId("take-ruler").addEventListener("click", () => {
    const { current, frame, number } = state, { line } = rulers.get(frame);
    setCalipers(current, number, [line, ...handCalipers(current, number)]);
    byId("known-length").focus();
    announce("Caliper A lies over the marks. How far apart are they?");
  });
}

// Ask once for each frame, when the reader takes up the caliper.
async function ask(openCase, frame) {
  rulers.set(frame, undefined);
  try {
    rulers.set(frame, await api.ruler(openCase.key, frame.number));
  } catch {
    rulers.delete(frame); // it is only a proposal
  }
  if (frame === state.frame) render();
}

// The ruler that the first caliper lies over, null where it does not.
export function rulerUnder(openCase, frame) {
  const ruler = rulers.get(frame), [line] = handCalipers(openCase, frame.number);
  return ruler && line && `${line}` === `${ruler.line}` ? ruler : null;
}

function render() {
  const { current, frame } = state, isNeeded = frame && mayCalibrate(frame.answer) && state.tool === "caliper";
  if (isNeeded && !rulers.has(frame)) ask(current, frame);
  const ruler = isNeeded ? rulers.get(frame) : null, taken = frame && rulerUnder(current, frame);
  byId("ruler").hidden = !ruler || Boolean(taken);
  if (ruler) byId("ruler-text").textContent = `${ruler.count} evenly spaced marks at the ${ruler.edge} edge look like a ruler.`;
  byId("known-name").textContent = taken ? "The marks are" : "A is";
  byId("known-unit").textContent = taken ? "mm apart" : "mm long";
}
