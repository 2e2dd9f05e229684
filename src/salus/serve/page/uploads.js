// Upload files that are dropped or chosen, two at a time, and have their first frame segmented.

import * as api from "./api.js";
import * as store from "./browser_store.js";
import { makeThumbnail, updateStatus } from "./case_list.js";
import { byId } from "./dom.js";
import { allKeptNotes, sentCalibration } from "./marks.js";
import { showToast } from "./messages.js";
import { notesContent } from "./notes.js";
import { encodeMask } from "./pixels.js";
import { tellReader } from "./reader.js";
import { emit, makeCase, on, state, workId } from "./state.js";

const MAX_UPLOADS = 2; // at a time
const POSITION = "salus-position"; // in this browser's storage: the image and frame that were looked at last
const waiting = [];
let running = 0, total = 0, done = 0;

export function initUploads() {
  api.onForgotten(recoverCase);
  on("frame-changed", storePosition);
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
  for (const [i, file] of files.entries()) {
    const added = Date.now() + i / 1000, openCase = addWaiting(file, crypto.randomUUID?.() ?? `${added}-${Math.random()}`, added);
    openCase.kept = store.putFile({ id: openCase.id, file, label: file.name, key: null, added });
  }
  startUploads();
}

function addWaiting(file, id, added) {
  const openCase = makeCase({ key: null, frames: 1, work: null }, file.name, id);
  Object.assign(openCase, { file, added });
  state.cases.push(openCase);
  waiting.push(openCase);
  total++;
  holdUpload(openCase);
  return openCase;
}

function startUploads() {
  emit("cases-changed");
  for (let i = running; i < MAX_UPLOADS; i++) processQueue();
}

// Hold a lock while a file waits, so that another tab does not upload it as well; it ends with the tab.
function holdUpload(openCase) {
  navigator.locks?.request(`salus-${openCase.id}`, () => new Promise((resolve) => (openCase.uploaded = resolve)));
}

const isHeldElsewhere = async (id) => Boolean((await navigator.locks?.query())?.held.some((lock) => lock.name === `salus-${id}`));

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
    takeOver(openCase, await api.upload(openCase.file, openCase.id));
    openCase.answers = new Array(openCase.frames).fill(null);
    await openCase.kept; // written before, so that the key is not overwritten by null
    await store.putFile({ id: openCase.id, file: openCase.file, label: openCase.label, key: openCase.key, added: openCase.added });
    openCase.file = null;
    if (openCase.forgotten) await restoreOutlines(openCase);
    selectFirst();
    await segmentFirstFrame(openCase);
  } catch (error) {
    openCase.status = "failed";
    openCase.statusText = error.message;
    showToast(`${openCase.label}: ${error.message}`, true);
    if (error.status > 0 && !openCase.key) store.removeFile(openCase.id); // the server will not take it next time either
  }
  openCase.uploaded?.();
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

// Take over the server's description of an image; its label and id stay.
function takeOver(openCase, info) {
  const { label, id } = openCase;
  Object.assign(openCase, info, { label, id });
}

function storePosition() {
  if (!state.current) return;
  const position = JSON.stringify({ id: state.current.id, number: state.number });
  sessionStorage.setItem(POSITION, position); // of this tab
  localStorage.setItem(POSITION, position);   // for a tab that is opened anew
}

// The image and frame that were looked at last.
export const lastPosition = () => JSON.parse(sessionStorage.getItem(POSITION) ?? localStorage.getItem(POSITION) ?? "{}");

// Forget what this browser keeps of images that the session does not hold and that are older than some days.
export async function forgetOld(days) {
  const open = new Set((await api.openCases()).flatMap(({ key, name, label, work, upload }) => (work ? [workId(label ?? name)] : [key, upload])));
  await store.forgetAll(days, ({ id, caseId, key }) => [id, caseId, key].some((one) => one && open.has(one)));
}

// Show the images that the session still holds, after the page was loaded again; upload those that it lost or never got.
export async function restoreCases() {
  const position = lastPosition(), files = await store.allFiles(), ids = new Map(files.map(({ key, id }) => [key, id]));
  const order = files.map(({ key }) => key), place = ({ key }) => (order.includes(key) ? order.indexOf(key) : order.length);
  for (const info of (await api.openCases()).sort((a, b) => place(a) - place(b))) {
    if (state.cases.some(({ id, key }) => key === info.key || id === info.upload)) continue; // dropped on the page just now
    const openCase = makeCase(info, info.label ?? info.name, info.work ? undefined : ids.get(info.key) ?? info.upload ?? undefined);
    state.cases.push(openCase);
    segmentFirstFrame(openCase).catch((error) => ((openCase.status = "failed"), (openCase.statusText = error.message))).finally(() => emit("cases-changed"));
  }
  for (const { id, file, label, key, added } of files) {
    const known = state.cases.find((openCase) => openCase.id === id);
    if (known && known.key !== key) store.putFile({ id, file, label, key: known.key, added }); // its answer never came
    if (known || (await isHeldElsewhere(id))) continue;
    addWaiting(new File([file], label), id, added).forgotten = Boolean(key);
  }
  startUploads();
  const openCase = state.cases.find(({ id, key }) => id === position.id && key) ?? state.cases.find(({ work, key }) => !work && key);
  if (!openCase || (openCase.work && !state.info.worklist)) return;
  emit("select-case", openCase);
  if (openCase.id === position.id && position.number > 1) emit("show-frame", position.number);
}

const recovering = new Map(); // key that the server forgot -> promise of the new one

// Open an image again that the server forgot, with the outlines that were saved of it; give its new key, or null. Throws ImageGone.
function recoverCase(key) {
  if (!recovering.has(key)) {
    const opened = reopen(key).catch((error) => {
      if (error instanceof api.ImageGone) throw error;
      return null;
    });
    recovering.set(key, opened);
    opened.catch(() => null).then((newKey) => newKey ?? recovering.delete(key)); // where it failed, the next request tries again
  }
  return recovering.get(key);
}

async function reopen(key) {
  const openCase = state.cases.find((other) => other.key === key);
  if (!openCase) return null;
  await api.beginSession();
  await tellReader();
  if (openCase.work) {
    const info = await api.openItem({ number: openCase.work, name: openCase.label });
    if (info.revision !== openCase.revision) throw new api.ImageGone(`the file ${openCase.label} was replaced by another one; open it again in the list`);
    takeOver(openCase, info);
  } else {
    const record = await store.getFile(openCase.id);
    if (!record?.file) throw new api.ImageGone(`neither the server nor this browser has ${openCase.label} any more; open the file again`);
    takeOver(openCase, await api.upload(new File([record.file], openCase.label), openCase.id));
    await store.putFile({ ...record, key: openCase.key });
    await restoreOutlines(openCase);
  }
  for (const number of openCase.loaded.keys()) await api.answer(openCase.key, number); // has the frame segmented
  showToast("The server had lost this session; its images and outlines were sent again.");
  return openCase.key;
}

// Save those outlines again that the server had, the calibration and the notes.
async function restoreOutlines(openCase) {
  const calibration = sentCalibration(openCase);
  if (calibration) {
    await api.answer(openCase.key, 1); // has it segmented
    await api.calibrate(openCase.key, { ...calibration, replaced: "" }).catch(() => {}); // someone else did meanwhile
  }
  for (const [number, notes] of allKeptNotes(openCase)) {
    await api.answer(openCase.key, Number(number));
    await api.setNotes(openCase.key, Number(number), { ...notesContent(notes), replaced: "" }).catch(() => {});
  }
  const kept = await store.outlinesOf(openCase.id), newest = new Map(kept.filter(({ savedMask }) => savedMask).map((record) => [record.number, record]));
  for (const { number, savedMask, threshold, version, savedPrompts, savedFrom } of newest.values()) {
    const { width, height } = await api.answer(openCase.key, number); // has the frame segmented
    if (savedMask.length !== width * height) continue;
    const answer = await api.save(openCase.key, number, await encodeMask(savedMask, width, height), "", threshold, savedPrompts, savedFrom);
    for (const record of kept) if (record.number === number && record.version === version) await store.replaceOutline({ ...record, version: answer.version });
    openCase.answers[number - 1] = answer;
    const frame = openCase.loaded.get(number);
    if (frame) frame.version = answer.version;
  }
  updateStatus(openCase);
  emit("outline-saved", openCase);
}
