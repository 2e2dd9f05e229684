// A second image beside the one that is worked on, such as the other view of one patient: to look at, with its own zoom.

import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { loadFrame } from "./frames.js";
import { formatSize, showToast, summarise } from "./messages.js";
import { emit, on, state } from "./state.js";
import { Viewer } from "./viewer.js";

let viewer = null;
let chosen = null; // the case beside
let patients = new Map(); // file name -> number of its patient

export function initSecondView() {
  viewer = new Viewer(byId("second-canvas"), true);
  byId("two-views").addEventListener("click", toggleSecondView);
  byId("second-case").addEventListener("change", (event) => choose(others().find(({ id }) => id === event.target.value)));
  byId("second-swap").addEventListener("click", swap);
  byId("second-close").addEventListener("click", toggleSecondView);
  on("cases-changed", render);
  on("select-case", () => isOpen() && render());
  for (const event of ["mask-changed", "answer-changed", "outline-saved"]) on(event, () => viewer.frame && viewer.invalidate("outline"));
  on("display-changed", () => viewer.invalidate("display"));
  listen(byId("second-canvas"));
}

const isOpen = () => !byId("second").hidden;
const others = () => state.cases.filter((openCase) => openCase !== state.current && openCase.key && openCase.status !== "failed");
const isSamePatient = (openCase) => patients.has(openCase.label) && patients.get(openCase.label) === patients.get(state.current?.label);

// Show a second image, of the same patient where there is one, or close it.
export async function toggleSecondView() {
  if (isOpen()) {
    byId("second").hidden = true;
    byId("two-views").setAttribute("aria-pressed", "false");
    chosen = null;
    return viewer.show(null);
  }
  if (!state.current || !others().length) return showToast("Open a second image to see two side by side.");
  try {
    const { images } = await api.patients(null);
    patients = new Map(images.map(({ file, number }) => [file, number]));
  } catch (error) {
    return showToast(error.message, true);
  }
  byId("second").hidden = false;
  byId("two-views").setAttribute("aria-pressed", "true");
  render();
}

// Keep the list of images and the choice up to date; without another image, the view is closed.
function render() {
  if (!isOpen()) return;
  const all = others();
  if (!all.length) return toggleSecondView();
  if (!all.includes(chosen)) choose(nearest(all));
  const group = (label, cases) => (cases.length ? [createElement("optgroup", { label }, ...cases.map((openCase) => createElement("option", { value: openCase.id, textContent: openCase.label })))] : []);
  const same = all.filter(isSamePatient), rest = all.filter((openCase) => !same.includes(openCase));
  byId("second-case").replaceChildren(...group("Same patient", same), ...group("Other images", rest));
  byId("second-case").value = chosen.id;
}

// The next image of the same patient, else the next one of the list.
function nearest(all) {
  const place = state.cases.indexOf(state.current), ahead = (openCase) => (state.cases.indexOf(openCase) - place + state.cases.length) % state.cases.length;
  return [...all].sort((a, b) => isSamePatient(b) - isSamePatient(a) || ahead(a) - ahead(b))[0];
}

async function choose(openCase) {
  chosen = openCase;
  viewer.show(null);
  byId("second-caption").textContent = "Looking…";
  try {
    const frame = await loadFrame(openCase, openCase.second ?? 1);
    if (chosen !== openCase) return;
    viewer.fitted = true;
    viewer.show(frame, openCase);
    viewer.fit();
    const { answer } = frame, text = [summarise(answer), ...answer.lesions.map(formatSize)].join("  ·  ");
    byId("second-caption").textContent = text;
    byId("second-canvas").setAttribute("aria-label", `${openCase.label}, beside: ${text}`);
  } catch (error) {
    if (chosen === openCase) byId("second-caption").textContent = error.message;
  }
}

// Work on the image beside; the other one takes its place.
function swap() {
  const { current, number } = state, next = chosen;
  current.second = number;
  emit("select-case", next);
  choose(current);
  render();
}

// The pointer moves and zooms; a double click fits.
function listen(canvas) {
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = [event.clientX, event.clientY];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || !viewer.frame) return;
    viewer.move(event.clientX - from[0], event.clientY - from[1]);
    from = [event.clientX, event.clientY];
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (from = null));
  canvas.addEventListener("dblclick", () => viewer.fit());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    viewer.zoom(Math.exp(-(event.deltaY || event.deltaX) * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
}
