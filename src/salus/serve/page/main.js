// Brings the parts of the page together.

import * as api from "./api.js";
import * as cine from "./cine.js";
import * as edit from "./edit.js";
import { showFiles } from "./files.js";
import { acceptFiles, restore } from "./intake.js";
import { showKeys } from "./keys.js";
import { showList } from "./list.js";
import { loadFrame } from "./load.js";
import { showDisplay, showPanel } from "./panel.js";
import { note, say, spoken } from "./say.js";
import { emit, on, state } from "./state.js";
import { showTheme, switchTheme } from "./theme.js";
import { Tools } from "./tools.js";
import { spacing, Viewer } from "./viewer.js";
import { next, showWork } from "./work.js";

const by = (id) => document.getElementById(id);
const viewer = new Viewer(by("canvas"));
const tools = new Tools(viewer);

// Look at an image, or at none.
on("choose", async (one) => {
  state.current = one;
  state.number = 1;
  by("empty").hidden = Boolean(one);
  emit("cases");
  await go(1);
});

on("go", (number) => go(number));
on("reload", () => go(state.number));

async function go(number) {
  const one = state.current;
  if (!one || !one.key) return showFrame(null);
  number = Math.min(one.frames, Math.max(1, number));
  state.number = number;
  if (!one.loaded.has(number) && !state.frame) showFrame(null);
  try {
    const frame = await loadFrame(one, number);
    if (state.current !== one || state.number !== number) return; // another was chosen meanwhile
    showFrame(frame);
    if (one.frames === 1) say(`${one.label}: ${spoken(frame.answer)}`);
  } catch (error) {
    if (state.current !== one) return;
    if (!one.answers.some(Boolean)) (one.status = "failed"), (one.said = error.message);
    showFrame(null);
    note(`${one.label}: ${error.message}`, true);
  }
}

function showFrame(frame) {
  state.frame = frame;
  viewer.sketch = null;
  viewer.show(frame);
  const caption = by("caption");
  caption.hidden = !frame;
  if (frame) {
    const step = spacing(frame.answer), scale = step ? `${step[1].toPrecision(2)} mm a pixel` : "not calibrated";
    caption.textContent = [state.current.label, `${frame.width} × ${frame.height}`, scale].join("  ·  ");
  }
  emit("frame");
}

on("mask", () => viewer.stale("outline"));
on("drawn", (before) => edit.drawn(before));
on("display", (name) => viewer.stale(name === "window" || name === "level" ? "grey" : "display"));
on("zoom", (scale) => (by("zoom").textContent = scale ? `${Math.round(100 * scale)}%` : "–"));
on("tool", () => document.querySelectorAll("[data-tool]").forEach((button) => {
  if (button.tagName === "BUTTON") button.setAttribute("aria-pressed", String(button.dataset.tool === state.tool));
}));

document.querySelectorAll("button[data-tool]").forEach((button) => button.addEventListener("click", () => tools.use(button.dataset.tool)));
const onClick = (id, act) => by(id).addEventListener("click", () => act());
const slide = (value) => {
  edit.threshold(Math.min(0.99, Math.max(0.01, value)));
  by("threshold-told").textContent = state.frame?.threshold.toFixed(2) ?? "";
};
const resize = (value) => {
  state.size = Math.min(60, Math.max(1, value));
  by("size").value = state.size;
  viewer.draw();
};
const saveAndGoOn = async () => {
  const one = state.current;
  if ((await edit.save()) && one.work && one.frames === 1) await next();
};

onClick("undo", edit.undo);
onClick("redo", edit.redo);
onClick("zoom-in", () => viewer.zoom(1.25));
onClick("zoom-out", () => viewer.zoom(0.8));
onClick("zoom", () => viewer.fit());
onClick("fit", () => viewer.fit());
onClick("save", saveAndGoOn);
onClick("reset", edit.revert);
onClick("end", async () => {
  if (!confirm("Remove all images and outlines of this session from the server? What is not exported is lost.")) return;
  state.cases = [];
  await api.endSession().catch(() => {});
  sessionStorage.clear();
  location.reload();
});
onClick("theme", switchTheme);
onClick("help", () => by("keys").showModal());
by("size").addEventListener("input", (event) => resize(Number(event.target.value)));
by("threshold").addEventListener("input", (event) => slide(event.target.value / 100));
by("threshold").addEventListener("change", edit.thresholdLetGo);
addEventListener("beforeunload", (event) => {
  if (state.cases.some((one) => [...one.loaded.values()].some((frame) => frame.edited))) event.preventDefault();
});

const put = showDisplay();
const toggle = (name, high) => () => put(name, state.display[name] ? 0 : high);
let later;
showKeys({
  tool: (name) => () => tools.use(name),
  fit: () => viewer.fit(),
  zoom: (factor) => () => viewer.zoom(factor),
  size: (factor) => () => resize(Math.max(1, Math.round(state.size * factor + (factor > 1 ? 0.5 : -0.5)))),
  outline: () => put("outline", !state.display.outline),
  probability: toggle("probability", 0.7),
  saliency: toggle("saliency", 0.7),
  threshold: (step) => () => {
    if (!state.frame) return;
    slide(state.frame.threshold + step);
    clearTimeout(later);
    later = setTimeout(edit.thresholdLetGo, 300);
  },
  undo: edit.undo,
  redo: edit.redo,
  save: saveAndGoOn,
  next: () => state.info?.worklist && next(),
  theme: switchTheme,
  help: () => by("keys").showModal(),
  step: (by_) => () => state.current?.frames > 1 && (cine.stop(), go(state.number + by_)),
  image: (by_) => () => {
    const open = state.cases.filter((one) => one.key && Boolean(one.work) === Boolean(state.current?.work));
    const one = open[open.indexOf(state.current) + by_];
    if (one) emit("choose", one);
  },
  space: (down, again) => {
    tools.spaced = down;
    if (down && !again && state.tool === "pan") cine.toggle();
  },
  closePolygon: () => tools.closePolygon(),
  dropPolygon: () => ((viewer.sketch = null), viewer.draw()),
});

showTheme();
showList();
showPanel(viewer);
showFiles();
cine.showCine();
acceptFiles();
try {
  state.info = await api.info();
  await api.beginSession();
  await restore();
  await showWork();
  emit("closed");
} catch (error) {
  note(error.message, true);
}
document.documentElement.dataset.ready = "yes";
