// The right-hand side: what was found, each lesion, the sliders.

import { COLOURS } from "./layers.js";
import { finding, number, percent, size, spoken } from "./say.js";
import { emit, on, state } from "./state.js";

const by = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function showPanel(viewer) {
  on("answer", () => tell(viewer));
  on("frame", () => tell(viewer));
  on("mask", () => {
    buttons();
    by("lesions").classList.toggle("pending", Boolean(state.frame?.stale));
  });
  on("saved", buttons);
}

function tell(viewer) {
  const { frame, current } = state;
  by("lesions").classList.remove("pending");
  buttons();
  if (!frame) {
    by("finding").textContent = current ? (current.status === "failed" ? "Cannot be read" : "Looking…") : "No image open";
    by("finding-more").textContent = current?.status === "failed" ? current.said : "";
    for (const id of ["flags", "lesions"]) by(id).replaceChildren();
    by("confidence").hidden = by("unit").hidden = true;
    return;
  }
  const { answer } = frame;
  by("finding").textContent = finding(answer);
  by("finding-more").textContent = answer.corrected
    ? frame.edited ? "Drawn by you, not saved" : "Saved by you"
    : `${answer.network}, presence of a tumour ${percent(answer.presence)}`;
  const meter = by("confidence");
  meter.hidden = false;
  meter.querySelector("span").textContent = answer.corrected ? "Network agrees" : "Confidence";
  meter.querySelector("i").style.width = percent(answer.confidence);
  meter.querySelector("b").textContent = percent(answer.confidence);
  by("flags").replaceChildren(...answer.flags.map((flag) => element("li", { textContent: sentence(flag) })));
  by("lesions").replaceChildren(...answer.lesions.map((lesion) => card(lesion, answer.corrected, viewer)));
  const calibrated = answer.lesions.every((lesion) => lesion.unit === "mm");
  by("unit").hidden = !answer.lesions.length || calibrated;
  by("unit").textContent = "In pixels: the file does not say how large they are.";
  viewer.canvas.setAttribute("aria-label", `${current.label}: ${spoken(answer)}`);
  viewer.draw();
}

function card(lesion, corrected, viewer) {
  const { unit } = lesion, square = unit === "mm" ? "mm²" : "px";
  const button = element("button", { type: "button", title: "Look at it" },
    element("span", { className: "number", textContent: lesion.number }),
    element("span", { className: "size", textContent: size(lesion) }),
    element("small", { textContent: `${number(lesion.width)} wide, ${number(lesion.height)} high, area ${number(lesion.area)} ${square}` }),
    element("small", { textContent: `${corrected ? "network agrees" : "confidence"} ${percent(lesion.confidence)}` }));
  if (lesion.at_border) button.lastChild.append(element("span", { className: "edge", textContent: ", cut by the border" }));
  const mark = (number) => () => { viewer.marked = number; viewer.draw(); };
  for (const name of ["pointerenter", "focus"]) button.addEventListener(name, mark(lesion.number));
  for (const name of ["pointerleave", "blur"]) button.addEventListener(name, mark(null));
  button.addEventListener("click", () => viewer.look(lesion.box));
  return element("li", {}, button);
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");

export function buttons() {
  const { frame, current } = state, there = Boolean(frame);
  for (const id of ["save", "threshold"]) by(id).disabled = !there;
  by("reset").disabled = !there || (!frame.edited && !frame.answer.corrected);
  by("undo").disabled = !frame?.history.past.length;
  by("redo").disabled = !frame?.history.future.length;
  by("save").textContent = current?.work && current.frames === 1 ? "Save and next" : "Save outline";
  for (const button of by("downloads").children) {
    button.disabled = !there || (["seg", "sr"].includes(button.dataset.get) && !current.dicom);
  }
  if (frame) {
    by("threshold").value = Math.round(100 * frame.threshold);
    by("threshold-told").textContent = frame.threshold.toFixed(2);
  }
}

// What the colours of the maps mean, while one is shown.
function legend() {
  const shown = Object.keys(COLOURS).filter((kind) => state.display[kind]);
  by("legend").hidden = !shown.length;
  by("legend").replaceChildren(...shown.map((kind) => {
    const bar = element("i");
    bar.style.background = `linear-gradient(to right, ${COLOURS[kind].map((colour) => `rgb(${colour})`).join(", ")})`;
    return element("li", {}, element("span", { textContent: kind }), "0", bar, "1");
  }));
}

// The sliders of the display; a change is told as "display" with the name of what changed.
export function showDisplay() {
  const { display } = state;
  const first = { ...display };
  const shares = ["fill", "probability", "saliency"];
  const put = (name, value) => {
    display[name] = value;
    const input = by(name);
    if (input) {
      input.value = shares.includes(name) ? Math.round(100 * value) : value;
      input.nextElementSibling.textContent = shares.includes(name) ? percent(value) : Math.round(value);
    } else by("outline-on").checked = value;
    legend();
    emit("display", name);
  };
  for (const name of [...shares, "window", "level"]) {
    by(name).addEventListener("input", (event) => put(name, event.target.value / (shares.includes(name) ? 100 : 1)));
  }
  by("outline-on").addEventListener("change", (event) => put("outline", event.target.checked));
  by("display-reset").addEventListener("click", () => Object.entries(first).forEach(([name, value]) => put(name, value)));
  on("window", (dx, dy) => {
    put("window", Math.min(255, Math.max(5, display.window + dx)));
    put("level", Math.min(255, Math.max(0, display.level - dy / 2)));
  });
  return put;
}
