// The list of the calipers that the reader has set, and the calibration by one of them.

import { shownAnswer, spacing, spacingAt } from "./calibration.js";
import { byId, createElement } from "./dom.js";
import { handCalipers, millimetres, setCalipers, setMillimetres } from "./marks.js";
import { announce, formatNumber } from "./messages.js";
import { on, state } from "./state.js";

export const caliperName = (i) => String.fromCharCode(65 + (i % 26));

// The length of a line in an answer's image: { length, unit }.
export function measureLine(answer, [x0, y0, x1, y1]) {
  const step = spacingAt(answer, (x0 + x1) / 2, (y0 + y1) / 2), [down, right] = step ?? [1, 1];
  return { length: Math.hypot((x1 - x0) * right, (y1 - y0) * down), unit: step ? "mm" : "px" };
}

export function initHandCalipers() {
  for (const event of ["calipers-changed", "frame-changed", "tool-changed"]) on(event, render);
  byId("calibrate").addEventListener("submit", (event) => {
    event.preventDefault();
    const { current, number } = state, [line] = handCalipers(current, number), mm = Number(byId("known-length").value);
    if (!line || !(mm > 0)) return;
    setMillimetres(current, mm / Math.hypot(line[2] - line[0], line[3] - line[1]));
    announce(`Calibrated: a pixel is ${millimetres(current).toPrecision(3)} millimetres.`);
  });
  byId("uncalibrate").addEventListener("click", () => setMillimetres(state.current, null));
}

function render() {
  const { current, frame, number } = state, lines = frame ? handCalipers(current, number) : [], mm = frame && millimetres(current);
  byId("measure").hidden = !frame || (state.tool !== "caliper" && !lines.length && !mm);
  if (byId("measure").hidden) return;
  byId("measure-hint").hidden = lines.length > 0;
  byId("calipers").replaceChildren(...lines.map((line, i) => caliperRow(line, i, lines)));
  const unknown = !spacing(frame.answer);
  byId("calibrate").hidden = !unknown || !lines.length || Boolean(mm);
  byId("calibration").hidden = !unknown || !mm;
  if (mm) byId("calibration-text").textContent = `A pixel is ${mm.toPrecision(3)} mm, as you calibrated it. Downloads stay in pixels.`;
}

function caliperRow(line, i, lines) {
  const { current, frame, number } = state, { length, unit } = measureLine(shownAnswer(current, frame.answer), line);
  const remove = createElement("button", { type: "button", className: "icon", title: "Remove" });
  remove.setAttribute("aria-label", `Remove caliper ${caliperName(i)}`);
  remove.innerHTML = '<svg><use href="#i-close"/></svg>';
  remove.addEventListener("click", () => setCalipers(current, number, lines.filter((_, k) => k !== i)));
  return createElement("li", {}, createElement("b", { textContent: caliperName(i) }),
    createElement("span", { className: "figures", textContent: `${formatNumber(length)} ${unit}` }), remove);
}
