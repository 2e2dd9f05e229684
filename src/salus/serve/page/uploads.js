// Upload files that are dropped or chosen, two at a time, and have their first frame segmented.

import * as api from "./api.js";
import { makeThumbnail, updateStatus } from "./case_list.js";
import { byId } from "./dom.js";
import { showToast } from "./messages.js";
import { emit, makeCase, state } from "./state.js";

const MAX_UPLOADS = 2; // at a time
const LABELS = "salus-labels"; // key of the files' names in this browser's storage; they never leave it
const waiting = [];
let running = 0, total = 0, done = 0;

export function initUploads() {
  const page = document.body, dropHint = byId("dropping"), input = byId("files");
  let depth = 0;
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  page.addEventListener("dragenter", (event) => holdsFiles(event) && (depth++, (dropHint.hidden = false)));
  page.addEventListener("dragleave", (event) => holdsFiles(event) && --depth <= 0 && (dropHint.hidden = true));
  page.addEventListener("dragover", (event) => event.preventDefault());
  page.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    dropHint.hidden = true;
    addFiles(await droppedFiles(event.dataTransfer));
  });
  for (const id of ["open", "open-empty"]) byId(id).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    addFiles([...input.files]);
    input.value = "";
  });
}

// The dropped files, and those in dropped folders.
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const files = [];
  const visit = async (entry) => {
    if (entry.isFile) return files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    const reader = entry.createReader();
    for (;;) {
      const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!batch.length) return;
      for (const child of batch) await visit(child);
    }
  };
  for (const entry of entries) await visit(entry);
  return files.filter((file) => !file.name.startsWith(".")).sort((a, b) => a.webkitRelativePath.localeCompare(b.webkitRelativePath) || a.name.localeCompare(b.name));
}

function addFiles(files) {
  for (const file of files) {
    const openCase = makeCase({ key: null, frames: 1, work: null }, file.name);
    openCase.file = file;
    state.cases.push(openCase);
    waiting.push(openCase);
    total++;
  }
  emit("cases-changed");
  for (let i = running; i < MAX_UPLOADS; i++) processQueue();
}

async function processQueue() {
  running++;
  for (let openCase; (openCase = waiting.shift()); ) {
    await uploadCase(openCase);
    done++;
    showProgress();
  }
  running--;
  if (!running) total = done = 0;
}

async function uploadCase(openCase) {
  try {
    if (openCase.file.size > state.info.request_bytes) throw new Error(`larger than ${state.info.request_bytes >> 20} MB`);
    openCase.status = "working";
    openCase.statusText = "reading…";
    emit("cases-changed");
    Object.assign(openCase, await api.upload(openCase.file));
    openCase.answers = new Array(openCase.frames).fill(null);
    openCase.file = null;
    storeLabels();
    selectFirst();
    await segmentFirstFrame(openCase);
  } catch (error) {
    openCase.status = "failed";
    openCase.statusText = error.message;
    showToast(`${openCase.label}: ${error.message}`, true);
  }
  emit("cases-changed");
  selectFirst();
}

// Select the first image where none is selected yet.
function selectFirst() {
  const first = state.cases.find((openCase) => openCase.status !== "failed");
  if (!state.current && first?.key) emit("select-case", first);
}

// Have the first frame segmented, and show its finding in the list.
export async function segmentFirstFrame(openCase) {
  openCase.answers[0] = await api.answer(openCase.key, 1);
  updateStatus(openCase);
  if (!openCase.work) openCase.thumb = await makeThumbnail(await api.picture(openCase.key, 1, "image"));
}

function showProgress() {
  const output = byId("progress");
  output.hidden = done >= total;
  output.textContent = `${done} of ${total}`;
}

function storeLabels() {
  const labels = Object.fromEntries(state.cases.filter((openCase) => openCase.key).map((openCase) => [openCase.key, openCase.label]));
  sessionStorage.setItem(LABELS, JSON.stringify(labels));
}

// Show the images that the session still holds, after the page was loaded again.
export async function restoreCases() {
  const labels = JSON.parse(sessionStorage.getItem(LABELS) ?? "{}");
  const order = Object.keys(labels), position = ({ key }) => (order.indexOf(key) + order.length + 1) % (order.length + 1);
  for (const info of (await api.openCases()).sort((a, b) => position(a) - position(b))) {
    const openCase = makeCase(info, labels[info.key] ?? info.name);
    state.cases.push(openCase);
    segmentFirstFrame(openCase).catch((error) => ((openCase.status = "failed"), (openCase.statusText = error.message))).finally(() => emit("cases-changed"));
  }
  emit("cases-changed");
  if (state.cases.length) emit("select-case", state.cases.find((openCase) => !openCase.work) ?? null);
}
