// Print a report of the current image: the image with its outline, sizes, descriptors, comment, who read it and when.
// print.css leaves out what is not for paper.

import { calibratedBy } from "./hand_calipers.js";
import { byId, createElement } from "./dom.js";
import { acceptanceOf, descriptorsOf, notesOf, rejectedOf, TITLES } from "./notes.js";
import { acceptedBy, rejectedBy } from "./panel.js";
import { formatNumber, formatPercent } from "./messages.js";
import { state } from "./state.js";

const WIDTH = 640; // of the picture, in CSS pixels

export function initPrint(viewer) {
  let added = [];
  byId("print").addEventListener("click", () => print());
  addEventListener("beforeprint", () => {
    const when = formatTime(new Date());
    byId("printed").textContent = [`Salus ${state.info?.version ?? ""}`, state.info?.network, when].filter(Boolean).join("  ·  ");
    if (!state.frame) return;
    const { display } = state, { calipers } = display;
    display.calipers = true;
    for (const node of added) node.remove();
    const picture = viewer.picture(WIDTH);
    display.calipers = calipers;
    picture.id = "paper";
    byId("canvas").after(picture);
    const report = makeReport();
    byId("findings").append(report);
    added = [picture, report];
  });
  addEventListener("afterprint", () => added.splice(0).forEach((node) => node.remove()));
}

const formatTime = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

// What stands below the picture: facts of the image, a table of its lesions, the comment.
function makeReport() {
  const { current, frame } = state, { answer } = frame, notes = notesOf(current, frame);
  const reader = answer.reader || notes.reader || byId("reader").value;
  const facts = [
    ["Image", current.label + (current.frames > 1 ? `, frame ${frame.number} of ${current.frames}` : "")],
    ["Reader", reader || "not named"],
    ["Outline", frame.edited ? "drawn, not saved" : answer.corrected ? `saved ${formatTime(answer.saved)}` : "of the network, not reviewed"],
    ["Lengths", lengths(answer)],
    ["Rejected", rejectedOf(current, frame).map(rejectedBy).join("; ")],
    ["Mark", notes.mark],
    ["Comment", notes.comment],
  ].filter(([, text]) => text);
  const report = createElement("section", { id: "report" },
    createElement("dl", {}, ...facts.flatMap(([name, text]) => [createElement("dt", { textContent: name }), createElement("dd", { textContent: text })])));
  if (answer.lesions.length) report.append(lesionTable(answer, descriptorsOf(notes, answer), answer.lesions.map((lesion) => acceptanceOf(current, frame, lesion))));
  report.append(createElement("p", { className: "small", textContent: "For research only; not a medical device, and no diagnosis. Descriptors are the reader’s, in the words of BI-RADS ultrasound; no category is assessed." }));
  return report;
}

function lengths({ calibration, lesions }) {
  if (calibration) return `in mm, calibrated ${calibratedBy(calibration)} (${calibration.mm_per_pixel.toPrecision(3)} mm a pixel)`;
  return lesions.length && lesions.every(({ unit }) => unit === "mm") ? "in mm, as the file states" : "in pixels; the file does not say how large they are";
}

function lesionTable({ lesions, corrected }, descriptors, accepted) {
  const length = (value, unit) => `${formatNumber(value)} ${unit}`;
  const rows = [
    ["Longest × across", ({ longest, across, unit }) => `${formatNumber(longest)} × ${length(across, unit)}`],
    ["Width × height", ({ width, height, unit }) => `${formatNumber(width)} × ${length(height, unit)}`],
    ["Area", ({ area, unit }) => `${formatNumber(area)} ${unit === "mm" ? "mm²" : "px"}`],
    ["Depth", ({ depth, unit }) => length(depth, unit)],
    [corrected ? "Network agrees" : "Confidence", ({ confidence, at_border: cut }) => formatPercent(confidence) + (cut ? ", cut by the border" : "")],
    ...(accepted.some(Boolean) ? [["Outline", (_, i) => (accepted[i] ? acceptedBy(accepted[i]) : "–")]] : []),
    ...Object.entries(TITLES).map(([name, title]) => [title, (_, i) => descriptors[i][name] || "–"]),
  ];
  const cell = (name, text, scope) => Object.assign(createElement(name, { textContent: text }), scope ? { scope } : {});
  return createElement("table", {},
    createElement("thead", {}, createElement("tr", {}, cell("th", "Lesion", "col"), ...lesions.map(({ number }) => cell("th", number, "col")))),
    createElement("tbody", {}, ...rows.map(([title, text]) => createElement("tr", {}, cell("th", title, "row"), ...lesions.map((lesion, i) => cell("td", text(lesion, i)))))));
}
