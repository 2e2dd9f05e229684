// What this browser keeps (IndexedDB) until the server surely has it: opened files, and outlines with unsaved strokes.
// A file is kept until its image is closed, an outline until it is saved, so that a reload, a closed tab, a crash or a
// server that forgot its session lose nothing. "End session" removes all of it, and age does where the session does not hold the image.
//
//   files     { id, file, label, key, added }                 key: of the server's case, null while it waits for upload
//   outlines  { id, caseId, number, picture, tab, mask, threshold, version, savedMask, prompted, savedPrompts, saved, added }
//             tab: in which it was drawn (see tabs.js); each tab has its own, so that two do not replace each other's strokes;
//             picture: checksum of the picture that it was drawn on (earlier versions kept none);
//             version, savedMask: what the server held when the strokes began, "" and null for the network's outline;
//             saved: mask is savedMask, no stroke is unsaved; prompted: what was pointed at, see prompt_outline.js;
//             savedPrompts: those of savedMask

import { otherTabs, tabName } from "./tabs.js";

const DATABASE = `salus${location.pathname}`; // of this server; another prefix behind a proxy is another one
const STORES = ["files", "outlines"];
const DAY_MS = 86400000;
let database = null;

function open() {
  database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => STORES.forEach((name) => request.result.createObjectStore(name, { keyPath: "id" }));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return database;
}

// Run requests on a store, and wait until they are on the disk; null where this browser keeps nothing.
async function run(name, mode, act) {
  try {
    const transaction = (await open()).transaction(name, mode, { durability: "strict" });
    const request = act(transaction.objectStore(name));
    return await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result ?? true);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } catch {
    return null; // private windows, a full disk
  }
}

const put = (name, value) => run(name, "readwrite", (store) => store.put({ added: Date.now(), ...value }));
const all = async (name) => (await run(name, "readonly", (store) => store.getAll())) || [];
const remove = (name, id) => run(name, "readwrite", (store) => store.delete(id));

export const putFile = (record) => put("files", record);
export const removeFile = (id) => remove("files", id);
export const allFiles = async () => (await all("files")).sort((a, b) => a.added - b.added);
export const getFile = (id) => run("files", "readonly", (store) => store.get(id));

const ownId = async (caseId, number) => `${caseId}/${number}/${await tabName()}`;

// Keep this tab's outline of a frame.
export async function putOutline(record) {
  return put("outlines", { ...record, tab: await tabName(), id: await ownId(record.caseId, record.number) });
}

// Keep a record in place of the one that has its id.
export const replaceOutline = (record) => put("outlines", record);

export const removeOutline = async (caseId, number) => remove("outlines", await ownId(caseId, number));
export const removeOutlines = (records) => Promise.all(records.map(({ id }) => remove("outlines", id)));

// The outlines of a case in all tabs, the newest last.
export const outlinesOf = async (caseId) =>
  (await outlinesFrom(`${caseId}/`)).filter((record) => record.caseId === caseId).sort((a, b) => a.added - b.added);

// The outlines whose id begins like this, read without the others; a mask is large.
const outlinesFrom = async (start) =>
  (await run("outlines", "readonly", (store) => store.getAll(IDBKeyRange.bound(start, `${start}\uffff`)))) || [];

// The outlines of a frame that were kept by this tab and by those that are closed, the newest last.
export async function outlinesToTakeUp(caseId, number) {
  const others = await otherTabs();
  return (await outlinesOf(caseId)).filter((record) => record.number === number && record.mask && !others.has(record.tab));
}

// The frames with unsaved strokes of this tab and of those that are closed: case -> set of numbers.
export async function unsavedFrames() {
  const found = new Map(), others = await otherTabs();
  for (const { caseId, number, saved, tab } of await all("outlines")) {
    if (!saved && !others.has(tab)) found.set(caseId, (found.get(caseId) ?? new Set()).add(number));
  }
  return found;
}

// Whether any tab has unsaved strokes of a case.
export const isUnsavedAnywhere = async (caseId) => (await outlinesOf(caseId)).some(({ saved }) => !saved);

// Forget a case.
export async function forgetCase(caseId) {
  await removeFile(caseId);
  await removeOutlines(await outlinesOf(caseId));
}

// Forget all, or what is older than some days and not in use.
export async function forgetAll(days = 0, isUsed = () => false) {
  for (const name of STORES) {
    for (const record of await all(name)) {
      if (!days || (record.added < Date.now() - days * DAY_MS && !isUsed(record))) await remove(name, record.id);
    }
  }
}
