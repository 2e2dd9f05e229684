// Files that are dropped or chosen: uploaded two at a time, and their first frame segmented.

import * as api from "./api.js";
import { judge, thumbnail } from "./list.js";
import { note } from "./say.js";
import { emit, makeCase, state } from "./state.js";

const AT_A_TIME = 2;
const LABELS = "salus-labels"; // what files are called, kept in this browser alone, so that a reload finds them
const waiting = [];
let working = 0, all = 0, done = 0;

export function acceptFiles() {
  const view = document.body, dropping = document.getElementById("dropping"), files = document.getElementById("files");
  let inside = 0;
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  view.addEventListener("dragenter", (event) => holdsFiles(event) && (inside++, (dropping.hidden = false)));
  view.addEventListener("dragleave", (event) => holdsFiles(event) && --inside <= 0 && (dropping.hidden = true));
  view.addEventListener("dragover", (event) => event.preventDefault());
  view.addEventListener("drop", async (event) => {
    event.preventDefault();
    inside = 0;
    dropping.hidden = true;
    take(await dropped(event.dataTransfer));
  });
  for (const id of ["open", "open-empty"]) document.getElementById(id).addEventListener("click", () => files.click());
  files.addEventListener("change", () => {
    take([...files.files]);
    files.value = "";
  });
}

// Files, and those in dropped folders.
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  const visit = async (entry) => {
    if (entry.isFile) return found.push(await new Promise((yes, no) => entry.file(yes, no)));
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((yes, no) => reader.readEntries(yes, no));
      if (!some.length) return;
      for (const one of some) await visit(one);
    }
  };
  for (const entry of entries) await visit(entry);
  return found.filter((file) => !file.name.startsWith(".")).sort((a, b) => a.webkitRelativePath.localeCompare(b.webkitRelativePath) || a.name.localeCompare(b.name));
}

function take(files) {
  for (const file of files) {
    const one = makeCase({ key: null, frames: 1, work: null }, file.name);
    one.file = file;
    state.cases.push(one);
    waiting.push(one);
    all++;
  }
  emit("cases");
  for (let i = working; i < AT_A_TIME; i++) work();
}

async function work() {
  working++;
  for (let one; (one = waiting.shift()); ) {
    await admit(one);
    done++;
    progress();
  }
  working--;
  if (!working) all = done = 0;
}

async function admit(one) {
  try {
    if (one.file.size > state.info.request_bytes) throw new Error(`larger than ${state.info.request_bytes >> 20} MB`);
    one.status = "working";
    one.said = "reading…";
    emit("cases");
    Object.assign(one, await api.upload(one.file));
    one.answers = new Array(one.frames).fill(null);
    one.file = null;
    remember();
    chooseFirst();
    await look(one);
  } catch (error) {
    one.status = "failed";
    one.said = error.message;
    note(`${one.label}: ${error.message}`, true);
  }
  emit("cases");
  chooseFirst();
}

// Where nothing is looked at yet, the first image that can be.
function chooseFirst() {
  const first = state.cases.find((one) => one.status !== "failed");
  if (!state.current && first?.key) emit("choose", first);
}

// Have the first frame segmented.
export async function look(one) {
  one.answers[0] = await api.answer(one.key, 1);
  judge(one);
  if (!one.work) one.thumb = await thumbnail(await api.picture(one.key, 1, "image"));
}

function progress() {
  const told = document.getElementById("progress");
  told.hidden = done >= all;
  told.textContent = `${done} of ${all}`;
}

function remember() {
  const labels = Object.fromEntries(state.cases.filter((one) => one.key).map((one) => [one.key, one.label]));
  sessionStorage.setItem(LABELS, JSON.stringify(labels));
}

// The images that this browser's session still holds, after a reload.
export async function restore() {
  const labels = JSON.parse(sessionStorage.getItem(LABELS) ?? "{}");
  const order = Object.keys(labels), place = ({ key }) => (order.indexOf(key) + order.length + 1) % (order.length + 1);
  for (const told of (await api.openCases()).sort((a, b) => place(a) - place(b))) {
    const one = makeCase(told, labels[told.key] ?? told.name);
    state.cases.push(one);
    look(one).catch((error) => ((one.status = "failed"), (one.said = error.message))).finally(() => emit("cases"));
  }
  emit("cases");
  if (state.cases.length) emit("choose", state.cases.find((one) => !one.work) ?? null);
}
