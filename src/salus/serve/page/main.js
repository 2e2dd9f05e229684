// Start the page: connect its parts, its buttons and its keys, then load the session.

import * as api from "./api.js";
import { forgetAll } from "./browser_store.js";
import { spacing } from "./calibration.js";
import { initCaseList } from "./case_list.js";
import * as cine from "./cine.js";
import { deleteLesion } from "./delete_lesion.js";
import { initDisplay } from "./display.js";
import { byId } from "./dom.js";
import { initDownloads } from "./downloads.js";
import { initDrafts, wouldLose } from "./drafts.js";
import { loadFrame } from "./frames.js";
import { initNotes, toggleMark } from "./notes.js";
import { acceptLesion } from "./accept_lesion.js";
import { initAllFormats } from "./all_formats.js";
import { calibratedBy, initHandCalipers } from "./hand_calipers.js";
import { initKeyboard } from "./keyboard.js";
import { initListFilter, shownCases } from "./list_filter.js";
import { initLoop } from "./loop.js";
import { forgetMarks, handCalipers, setCalipers } from "./marks.js";
import { fillHoles, smooth } from "./mask_filters.js";
import { announce, closeToast, describeAnswer, showToast } from "./messages.js";
import * as outline from "./outline_editor.js";
import { initPanel } from "./panel.js";
import { initPatients } from "./patients.js";
import { PointerTools } from "./pointer_tools.js";
import { initPrint } from "./print.js";
import { initPrompts, pointByKey, promptsDone, toggleOutside } from "./prompts.js";
import { initPropagation, propagate } from "./propagate.js";
import { initReader, tellReader } from "./reader.js";
import { rejectLesion } from "./reject_lesion.js";
import { initRulerProposal } from "./ruler_proposal.js";
import { initSecondView, toggleSecondView } from "./second_view.js";
import { emit, on, state } from "./state.js";
import { initTheme, toggleTheme } from "./theme.js";
import { forgetOld, initUploads, restoreCases } from "./uploads.js";
import { initVersions } from "./versions.js";
import { Viewer } from "./viewer.js";
import { initWorklist, openNextItem } from "./worklist.js";

const viewer = new Viewer(byId("canvas"));
const tools = new PointerTools(viewer);

// Select an image, or none.
on("select-case", async (openCase) => {
  state.current = openCase;
  state.number = 1;
  byId("empty").hidden = Boolean(openCase);
  const frame = openCase?.loaded.get(1) ?? null;
  if (frame !== state.frame) showFrame(frame); // never one image under the name of another, however long that one takes
  emit("cases-changed");
  await goToFrame(1);
});

// An image that was selected while it waited is shown as soon as it is there.
on("cases-changed", () => {
  const { current } = state;
  if (current?.key && current.answers[0] && !state.frame && current.status !== "failed" && !current.loading) goToFrame(state.number);
  else if (current?.status === "failed" && !state.frame) emit("frame-changed");
});
on("show-frame", (number) => goToFrame(number));
on("reload-frame", () => goToFrame(state.number));

async function goToFrame(number) {
  const openCase = state.current;
  if (!openCase || !openCase.key) return showFrame(null);
  openCase.loading = true;
  number = Math.min(openCase.frames, Math.max(1, number));
  state.number = number;
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
  } finally {
    openCase.loading = false;
  }
}

function showFrame(frame) {
  state.frame = frame;
  viewer.show(frame);
  const caption = byId("caption");
  caption.hidden = !frame;
  updateCaption();
  emit("frame-changed");
}

function updateCaption() {
  const { frame, current } = state;
  if (!frame) return;
  const step = spacing(frame.answer), sides = step && [...new Set([step[1], step[0]].map((side) => side.toPrecision(2)))];
  const scale = step ? `${sides.join(" × ")} mm a pixel${frame.answer.calibration ? `, calibrated ${calibratedBy(frame.answer.calibration)}` : ""}` : "not calibrated";
  byId("caption").textContent = [current.label, `${frame.width} × ${frame.height}`, scale].join("  ·  ");
}

on("calipers-changed", () => (updateCaption(), viewer.draw()));
on("answer-changed", updateCaption);
on("image-handled", (openCase) => openCase.work && openCase.frames === 1 && openCase === state.current && openNextItem());
on("prompts-changed", () => viewer.draw());
on("failed", (error) => showToast(error.message, true));
on("brush-turned", (larger) => resizeBrush(stepBrush(larger)));

on("mask-changed", () => viewer.invalidate("outline"));
for (const [name, act] of [["delete-lesion", deleteLesion], ["reject-lesion", rejectLesion]]) {
  on(name, (number) => (byId("canvas").focus({ preventScroll: true, focusVisible: false }), act(tools, number)));
}
on("accept-lesion", (number) => acceptLesion(viewer, number));
on("notes-saved", () => viewer.draw());
on("draft-of-other-picture", (openCase, frame, { mask, threshold }) => {
  const text = `${openCase.label} is another picture than the one that you drew an outline on; that outline was not saved.`;
  const take = () => outline.takeVersion(openCase, frame, mask, { threshold, prompts: [], derived_from: null });
  showToast(text, true, mask.length === frame.mask.length ? { label: "Take it up", run: take } : null);
});
on("drawing-done", outline.commitDrawing);
on("display-changed", (name) => viewer.invalidate(["window", "level", "invert"].includes(name) ? "grey" : "display"));
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
// Steps of the outline come after those that are under way.
const [undo, redo, revert] = [outline.undo, outline.redo, outline.revertOutline].map((step) => () => promptsDone().then(step));
const saveAndContinue = async () => {
  const { current: openCase, frame } = state;
  await promptsDone();
  const isSaved = await outline.saveOutline({ frame, current: openCase });
  if (isSaved && openCase.work && openCase.frames === 1 && frame === state.frame && !tools.isDragging) await openNextItem();
};

onClick("undo", undo);
onClick("redo", redo);
onClick("zoom-in", () => viewer.zoom(1.25));
onClick("zoom-out", () => viewer.zoom(0.8));
onClick("zoom", () => viewer.fit());
onClick("fit", () => viewer.fit());
onClick("save", saveAndContinue);
onClick("reset", revert);
onClick("add-lesion", () => (tools.use("prompt"), showToast("Click in the lesion, or drag a box around it.")));
onClick("end", async () => {
  if (!confirm("Remove all images and outlines of this session from the server? What is not exported is lost.")) return;
  state.cases = [];
  await api.endSession().catch(() => {});
  sessionStorage.clear();
  localStorage.removeItem("salus-position");
  await forgetAll();
  forgetMarks();
  location.reload();
});
onClick("theme", toggleTheme);
onClick("help", () => byId("keys").showModal());
byId("size").addEventListener("input", (event) => resizeBrush(Number(event.target.value)));
byId("threshold").addEventListener("input", (event) => changeThreshold(event.target.value / 100));
byId("threshold").addEventListener("change", outline.commitThreshold);
addEventListener("beforeunload", (event) => {
  if (wouldLose()) event.preventDefault(); // what is unsaved is not kept in this browser, or not yet on the disk
});

const stepBrush = (larger) => Math.max(1, Math.round(larger ? state.brushRadius * 1.25 + 0.5 : state.brushRadius * 0.8 - 0.5));
const toggleFullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : document.querySelector(".stage").requestFullscreen());
const compare = (on) => {
  if (viewer.comparing === on || (on && !state.frame)) return;
  viewer.comparing = on;
  viewer.draw();
};
onClick("full-screen", toggleFullScreen);
onClick("smooth", () => tools.filter(smooth));
onClick("fill-holes", () => tools.filter(fillHoles));

const { set: setDisplay, nextPreset } = initDisplay();
const toggle = (name, high = true) => () => setDisplay(name, state.display[name] ? (high === true ? false : 0) : high);
let measureTimer;
initKeyboard({
  tool: (name) => () => tools.use(name),
  fit: () => viewer.fit(),
  zoom: (factor) => () => viewer.zoom(factor),
  size: (factor) => () => resizeBrush(stepBrush(factor > 1)),
  outline: toggle("outline"),
  network: toggle("network"),
  calipers: toggle("calipers"),
  invert: toggle("invert"),
  nextPreset,
  compare: () => compare(true),
  endCompare: () => compare(false),
  fullScreen: toggleFullScreen,
  smooth: () => tools.filter(smooth),
  fillHoles: () => tools.filter(fillHoles),
  propagate: (step) => () => propagate(step),
  secondView: toggleSecondView,
  deleteLesion: () => deleteLesion(tools),
  probability: toggle("probability", 0.7),
  saliency: toggle("saliency", 0.7),
  threshold: (step) => () => {
    if (!state.frame) return;
    changeThreshold(state.frame.threshold + step);
    clearTimeout(measureTimer);
    measureTimer = setTimeout(outline.commitThreshold, 300);
  },
  undo,
  redo,
  toggleOutside: () => state.tool === "prompt" && toggleOutside(),
  pointByKey: (event) => pointByKey(viewer, event),
  save: saveAndContinue,
  mark: (mark) => () => toggleMark(mark),
  next: () => state.info?.worklist && openNextItem(),
  theme: toggleTheme,
  help: () => byId("keys").showModal(),
  step: (offset) => () => state.current?.frames > 1 && (cine.stop(), goToFrame(state.number + offset)),
  image: (offset) => () => {
    const sameList = shownCases(state.cases.filter((openCase) => Boolean(openCase.work) === Boolean(state.current?.work)));
    const last = sameList.length - 1, openCase = sameList[Math.min(last, Math.max(0, sameList.indexOf(state.current) + offset))];
    if (openCase && openCase !== state.current) emit("select-case", openCase);
  },
  space: (down, repeated) => {
    if (down && !repeated) tools.movedBySpace = false;
    if (!down && tools.spaceHeld && !tools.movedBySpace) cine.toggle();
    tools.spaceHeld = down;
  },
  leave: () => (tools.spaceHeld = false),
  enter: (event) => (viewer.polygon ? tools.closePolygon() : event.shiftKey ? rejectLesion(tools) : acceptLesion(viewer)),
  escape: () => {
    if (!viewer.polygon) return closeToast();
    viewer.polygon = null;
    viewer.draw();
  },
  removeLast: () => {
    const { current, frame, tool } = state;
    if (tool === "polygon" && viewer.polygon) viewer.polygon = viewer.polygon.length > 1 ? viewer.polygon.slice(0, -1) : null;
    else if (tool === "caliper" && frame) setCalipers(current, frame.number, handCalipers(current, frame.number).slice(0, -1));
    viewer.draw();
  },
});

initTheme();
initListFilter();
initCaseList();
initPanel(viewer);
initHandCalipers();
initRulerProposal();
initLoop();
initPrint(viewer);
initDownloads();
initPatients();
initAllFormats();
cine.initCine();
initUploads();
initReader();
initVersions();
initPropagation();
initSecondView();
try {
  state.info = await api.info();
  initPrompts();
  await api.beginSession();
  await forgetOld(state.info.keep_days || 1);
  await initDrafts();
  await tellReader();
  await initNotes();
  await restoreCases();
  await initWorklist();
  emit("case-closed");
} catch (error) {
  showToast(error.message, true);
}
document.documentElement.dataset.ready = "yes";
