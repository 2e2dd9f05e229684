// The panel on the right: the finding, each lesion, and the buttons that depend on them.

import { byId, createElement } from "./dom.js";
import { describeAnswer, formatNumber, formatPercent, formatSize, sentence, summarise } from "./messages.js";
import { acceptanceOf, rejectedOf } from "./notes.js";
import { emit, on, state } from "./state.js";

export function initPanel(viewer) {
  on("answer-changed", () => render(viewer));
  on("frame-changed", () => render(viewer));
  on("calipers-changed", () => render(viewer));
  on("notes-saved", () => state.frame && renderLesions(state.frame.answer, viewer)); // who accepted them
  on("mask-changed", () => {
    updateButtons();
    describeOutline();
    byId("lesions").classList.toggle("pending", Boolean(state.frame?.outdated));
  });
  on("outline-saved", updateButtons);
}

function render(viewer) {
  const { frame, current } = state;
  byId("lesions").classList.remove("pending");
  updateButtons();
  if (!frame) {
    byId("finding").textContent = current ? (current.status === "failed" ? "Cannot be read" : "Looking…") : "No image open";
    byId("finding-more").textContent = current?.status === "failed" ? current.statusText : "";
    for (const id of ["flags", "lesions", "rejected"]) byId(id).replaceChildren();
    byId("confidence").hidden = byId("unit").hidden = true;
    viewer.canvas.setAttribute("aria-label", current ? `${current.label}: ${byId("finding").textContent}` : "No image is open");
    return;
  }
  const { answer } = frame;
  byId("finding").textContent = summarise(answer);
  describeOutline();
  const meter = byId("confidence");
  meter.hidden = false;
  meter.querySelector("span").textContent = answer.corrected ? "Network agrees" : "Confidence";
  meter.querySelector("i").style.width = formatPercent(answer.confidence);
  meter.querySelector("b").textContent = formatPercent(answer.confidence);
  byId("flags").replaceChildren(...answer.flags.map((flag) => createElement("li", { textContent: sentence(flag) })));
  renderLesions(answer, viewer);
  const calibrated = answer.lesions.every((lesion) => lesion.unit === "mm");
  byId("unit").hidden = !answer.lesions.length || calibrated;
  byId("unit").textContent = "In pixels: the file does not say how large they are. A caliper (M) over a known length tells it.";
  viewer.canvas.setAttribute("aria-label", `${current.label}: ${describeAnswer(answer)}`);
  viewer.draw();
}

// List the lesions; the button that had the focus keeps it.
function renderLesions({ lesions, corrected }, viewer) {
  const list = byId("lesions"), rows = [...list.children], row = document.activeElement?.closest("#lesions li");
  const place = rows.indexOf(row), which = row ? [...row.children].indexOf(document.activeElement) : -1;
  list.replaceChildren(...lesions.map((lesion) => lesionRow(lesion, corrected, viewer)));
  list.children[place]?.children[which]?.focus({ preventScroll: true });
  byId("rejected").replaceChildren(...rejectedOf(state.current, state.frame).map(rejectedRow));
}

// In words which lesion was rejected, and by whom; where the server does not know it yet, nobody is named.
export const rejectedBy = ({ box: [, , height, width], reader, saved }) => `${width} × ${height} px${saved ? `, by ${reader || "an unnamed reader"}` : ""}`;

const rejectedRow = (one) => createElement("li", { textContent: `Rejected: ${rejectedBy(one)}` });

// Say whose outline it is.
function describeOutline() {
  const { frame } = state;
  if (!frame) return;
  const { answer, edited } = frame;
  byId("finding-more").textContent = edited
    ? (frame.prompted?.from ? `Propagated from frame ${frame.prompted.from}, not saved` : frame.prompted ? "Outlined where you pointed, not saved" : "Drawn by you, not saved")
    : answer.corrected ? savedBy(answer) + (answer.derived_from ? `, propagated from frame ${answer.derived_from}` : "") : `${answer.network}, presence of a tumour ${formatPercent(answer.presence)}`;
}

const savedBy = ({ reader }) => (!reader || reader === byId("reader")?.value ? "Saved by you" : `Saved by ${reader}`);

function lesionRow(lesion, corrected, viewer) {
  const { unit } = lesion, square = unit === "mm" ? "mm²" : "px";
  const button = createElement("button", { type: "button", title: "Look at it" },
    createElement("span", { className: "number", textContent: lesion.number }),
    createElement("span", { className: "size", textContent: formatSize(lesion) }),
    createElement("small", { textContent: `${formatNumber(lesion.width)} wide, ${formatNumber(lesion.height)} high, area ${formatNumber(lesion.area)}\u00a0${square}` }),
    createElement("small", { textContent: `${corrected ? "network agrees" : "confidence"} ${formatPercent(lesion.confidence)}` }));
  if (lesion.at_border) button.lastChild.append(createElement("span", { className: "edge", textContent: ", cut by the border" }));
  const highlight = (number) => { viewer.highlighted = number; viewer.draw(); };
  for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => highlight(lesion.number));
  for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => highlight(null));
  button.addEventListener("click", (event) => {
    viewer.selected = lesion.number;
    viewer.zoomTo(lesion.box);
    if (event.detail) viewer.canvas.focus({ preventScroll: true, focusVisible: false }); // by the mouse: Enter is for the lesion now
  });
  const by = acceptanceOf(state.current, state.frame, lesion);
  if (by) button.append(createElement("small", { className: "by", textContent: acceptedBy(by) }));
  const accept = iconButton("accept", "#i-check", by ? "Accepted; take that back (Enter)" : "Accept its outline (Enter)", `Accept lesion ${lesion.number}`);
  accept.setAttribute("aria-pressed", String(Boolean(by)));
  accept.addEventListener("click", () => emit("accept-lesion", lesion.number));
  const reject = iconButton("reject", "#i-none", "Reject it: it is no lesion (Shift Enter)", `Reject lesion ${lesion.number}`);
  reject.addEventListener("click", () => emit("reject-lesion", lesion.number));
  const remove = iconButton("close", "#i-close", "Delete it (D)", `Delete lesion ${lesion.number}`);
  remove.addEventListener("click", () => emit("delete-lesion", lesion.number));
  return createElement("li", { className: by ? "accepted" : "" }, button, accept, reject, remove);
}

function iconButton(className, icon, title, label) {
  const button = createElement("button", { type: "button", className: `icon ${className}`, title });
  button.setAttribute("aria-label", label);
  button.innerHTML = `<svg><use href="${icon}"/></svg>`;
  return button;
}

// In words who accepted a lesion; where the server does not know it yet, nobody is named.
export const acceptedBy = ({ reader, saved }) => (saved ? `accepted by ${reader || "an unnamed reader"}` : "accepted");

export function updateButtons() {
  const { frame, current } = state, hasFrame = Boolean(frame);
  for (const id of ["add-lesion", "save", "threshold", "smooth", "fill-holes", "print"]) byId(id).disabled = !hasFrame;
  byId("reset").disabled = !hasFrame || (!frame.edited && !frame.answer.corrected);
  byId("undo").disabled = !frame?.history.past.length;
  byId("redo").disabled = !frame?.history.future.length;
  byId("save").textContent = current?.work && current.frames === 1 ? "Save and next" : "Save outline";
  for (const button of byId("downloads").children) {
    button.disabled = !hasFrame || (["seg", "sr"].includes(button.dataset.get) && !current.dicom);
  }
  if (frame) {
    byId("threshold").value = Math.round(100 * frame.threshold);
    byId("threshold-value").textContent = frame.threshold.toFixed(2);
  }
}
