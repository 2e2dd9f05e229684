// Start the page: connect its parts, its buttons and its keys, then load the session.

import * as api from "./api.js";
import { initCaseList } from "./case_list.js";
import * as cine from "./cine.js";
import { byId } from "./dom.js";
import { initDownloads } from "./downloads.js";
import { loadFrame } from "./frames.js";
import { initKeyboard } from "./keyboard.js";
import { announce, describeAnswer, showToast } from "./messages.js";
import * as outline from "./outline_editor.js";
import { initDisplay, initPanel } from "./panel.js";
import { PointerTools } from "./pointer_tools.js";
import { emit, on, state } from "./state.js";
import { initTheme, toggleTheme } from "./theme.js";
import { initUploads, restoreCases } from "./uploads.js";
import { spacing, Viewer } from "./viewer.js";
import { initWorklist, openNextItem } from "./worklist.js";

const viewer = new Viewer(byId("canvas"));
const tools = new PointerTools(viewer);

// Select an image, or none.
on("select-case", async (openCase) => {
  state.current = openCase;
  state.number = 1;
  byId("empty").hidden = Boolean(openCase);
  emit("cases-changed");
  await goToFrame(1);
});

on("show-frame", (number) => goToFrame(number));
on("reload-frame", () => goToFrame(state.number));

async function goToFrame(number) {
  const openCase = state.current;
  if (!openCase || !openCase.key) return showFrame(null);
  number = Math.min(openCase.frames, Math.max(1, number));
  state.number = number;
  if (!openCase.loaded.has(number) && !state.frame) showFrame(null);
  try {
    const frame = await loadFrame(openCase, number);
    if (state.current !== openCase || state.number !== number) return; // another was selected meanwhile
    showFrame(frame);
    if (openCase.frames === 1) announce(`${openCase.label}: ${describeAnswer(frame.answer)}`);
  } catch (error) {
    if (state.current !== openCase) return;
    if (!openCase.answers.some(Boolean)) (openCase.status = "failed"), (openCase.statusText = error.message);
    showFrame(null);
    showToast(`${openCase.label}: ${error.message}`, true);
  }
}

function showFrame(frame) {
  state.frame = frame;
  viewer.polygon = null;
  viewer.show(frame);
  const caption = byId("caption");
  caption.hidden = !frame;
  if (frame) {
    const step = spacing(frame.answer), scale = step ? `${step[1].toPrecision(2)} mm a pixel` : "not calibrated";
    caption.textContent = [state.current.label, `${frame.width} × ${frame.height}`, scale].join("  ·  ");
  }
  emit("frame-changed");
}

on("mask-changed", () => viewer.invalidate("outline"));
on("drawing-done", (before) => outline.commitDrawing(before));
on("display-changed", (name) => viewer.invalidate(name === "window" || name === "level" ? "grey" : "display"));
on("zoom-changed", (scale) => (byId("zoom").textContent = scale ? `${Math.round(100 * scale)}%` : "–"));
on("tool-changed", () => document.querySelectorAll("[data-tool]").forEach((button) => {
  if (button.tagName === "BUTTON") button.setAttribute("aria-pressed", String(button.dataset.tool === state.tool));
}));

document.querySelectorAll("button[data-tool]").forEach((button) => button.addEventListener("click", () => tools.use(button.dataset.tool)));
const onClick = (id, action) => byId(id).addEventListener("click", () => action());
const changeThreshold = (value) => {
  outline.setThreshold(Math.min(0.99, Math.max(0.01, value)));
  byId("threshold-value").textContent = state.frame?.threshold.toFixed(2) ?? "";
};
const resizeBrush = (value) => {
  state.brushRadius = Math.min(60, Math.max(1, value));
  byId("size").value = state.brushRadius;
  viewer.draw();
};
const saveAndContinue = async () => {
  const openCase = state.current;
  if ((await outline.saveOutline()) && openCase.work && openCase.frames === 1) await openNextItem();
};

onClick("undo", outline.undo);
onClick("redo", outline.redo);
onClick("zoom-in", () => viewer.zoom(1.25));
onClick("zoom-out", () => viewer.zoom(0.8));
onClick("zoom", () => viewer.fit());
onClick("fit", () => viewer.fit());
onClick("save", saveAndContinue);
onClick("reset", outline.revertOutline);
onClick("end", async () => {
  if (!confirm("Remove all images and outlines of this session from the server? What is not exported is lost.")) return;
  state.cases = [];
  await api.endSession().catch(() => {});
  sessionStorage.clear();
  location.reload();
});
onClick("theme", toggleTheme);
onClick("help", () => byId("keys").showModal());
byId("size").addEventListener("input", (event) => resizeBrush(Number(event.target.value)));
byId("threshold").addEventListener("input", (event) => changeThreshold(event.target.value / 100));
byId("threshold").addEventListener("change", outline.commitThreshold);
addEventListener("beforeunload", (event) => {
  if (state.cases.some((openCase) => [...openCase.loaded.values()].some((frame) => frame.edited))) event.preventDefault();
});

const setDisplay = initDisplay();
const toggle = (name, high) => () => setDisplay(name, state.display[name] ? 0 : high);
let measureTimer;
initKeyboard({
  tool: (name) => () => tools.use(name),
  fit: () => viewer.fit(),
  zoom: (factor) => () => viewer.zoom(factor),
  size: (factor) => () => resizeBrush(Math.max(1, Math.round(state.brushRadius * factor + (factor > 1 ? 0.5 : -0.5)))),
  outline: () => setDisplay("outline", !state.display.outline),
  probability: toggle("probability", 0.7),
  saliency: toggle("saliency", 0.7),
  threshold: (step) => () => {
    if (!state.frame) return;
    changeThreshold(state.frame.threshold + step);
    clearTimeout(measureTimer);
    measureTimer = setTimeout(outline.commitThreshold, 300);
  },
  undo: outline.undo,
  redo: outline.redo,
  save: saveAndContinue,
  next: () => state.info?.worklist && openNextItem(),
  theme: toggleTheme,
  help: () => byId("keys").showModal(),
  step: (offset) => () => state.current?.frames > 1 && (cine.stop(), goToFrame(state.number + offset)),
  image: (offset) => () => {
    const sameList = state.cases.filter((openCase) => openCase.key && Boolean(openCase.work) === Boolean(state.current?.work));
    const openCase = sameList[sameList.indexOf(state.current) + offset];
    if (openCase) emit("select-case", openCase);
  },
  space: (down, repeated) => {
    tools.spaceHeld = down;
    if (down && !repeated && state.tool === "pan") cine.toggle();
  },
  closePolygon: () => tools.closePolygon(),
  dropPolygon: () => ((viewer.polygon = null), viewer.draw()),
});

initTheme();
initCaseList();
initPanel(viewer);
initDownloads();
cine.initCine();
initUploads();
try {
  state.info = await api.info();
  await api.beginSession();
  await restoreCases();
  await initWorklist();
  emit("case-closed");
} catch (error) {
  showToast(error.message, true);
}
document.documentElement.dataset.ready = "yes";
