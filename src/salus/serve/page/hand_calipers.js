// The list of the calipers that the reader has set, and the calibration by one of them.

import { calibrate, mayCalibrate, spacingAt } from "./calibration.js";
import { byId, createElement } from "./dom.js";
import { handCalipers, setCalipers } from "./marks.js";
import { announce, formatNumber, showToast } from "./messages.js";
import { rulerUnder } from "./ruler_proposal.js";
import { on, state } from "./state.js";

export const caliperName = (i) => String.fromCharCode(65 + (i % 26));

// The length of a line in an answer's image: { length, unit }.
export function measureLine(answer, [x0, y0, x1, y1]) {
  const step = spacingAt(answer, (x0 + x1) / 2, (y0 + y1) / 2), [down, right] = step ?? [1, 1];
  return { length: Math.hypot((x1 - x0) * right, (y1 - y0) * down), unit: step ? "mm" : "px" };
}

export function initHandCalipers() {
  for (const event of ["calipers-changed", "frame-changed", "tool-changed", "answer-changed"]) on(event, render);
  byId("calibrate").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { current, frame } = state, [line] = handCalipers(current, frame.number), mm = Number(byId("known-length").value);
    if (!line || !(mm > 0)) return;
    const ruler = rulerUnder(current, frame), length = ruler ? mm * (ruler.count - 1) : mm;
    if (await change(current, frame, line, length)) announce(`Calibrated: a pixel is ${frame.answer.calibration.mm_per_pixel.toPrecision(3)} millimetres.`);
  });
  byId("uncalibrate").addEventListener("click", () => change(state.current, state.frame, null, null));
}

// Calibrate, or take it back; false where the server refused it.
async function change(openCase, frame, line, mm) {
  try {
    await calibrate(openCase, frame.answer, line, mm);
    return true;
  } catch (error) {
    showToast(error.message, true);
    return false;
  }
}

// Whose calibration it is.
export function calibratedBy({ reader }) {
  if (!reader) return "by hand";
  return `by hand, by ${reader === byId("reader")?.value ? "you" : reader}`;
}

function render() {
  const { current, frame } = state, lines = frame ? handCalipers(current, frame.number) : [], byHand = frame?.answer.calibration;
  byId("measure").hidden = !frame || (state.tool !== "caliper" && !lines.length && !byHand);
  if (byId("measure").hidden) return;
  byId("measure-hint").hidden = lines.length > 0;
  byId("calipers").replaceChildren(...lines.map((line, i) => caliperRow(line, i, lines)));
  byId("calibrate").hidden = !mayCalibrate(frame.answer) || !lines.length;
  byId("calibration").hidden = !byHand;
  if (byHand) byId("calibration-text").textContent = `A pixel is ${byHand.mm_per_pixel.toPrecision(3)} mm, calibrated ${calibratedBy(byHand)}. Downloads say so.`;
}

function caliperRow(line, i, lines) {
  const { current, frame } = state, { length, unit } = measureLine(frame.answer, line);
  const remove = createElement("button", { type: "button", className: "icon", title: "Remove" });
  remove.setAttribute("aria-label", `Remove caliper ${caliperName(i)}`);
  remove.innerHTML = '<svg><use href="#i-close"/></svg>';
  remove.addEventListener("click", () => setCalipers(current, frame.number, lines.filter((_, k) => k !== i)));
  return createElement("li", {}, createElement("b", { textContent: caliperName(i) }),
    createElement("span", { className: "figures", textContent: `${formatNumber(length)} ${unit}` }), remove);
}
