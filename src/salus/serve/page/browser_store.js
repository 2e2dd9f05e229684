// What this browser keeps (IndexedDB) until the server surely has it: opened files, and outlines with unsaved strokes.
// A file is kept until its image is closed, an outline until it is saved, so that a reload, a closed tab, a crash or a
// server that forgot its session lose nothing. "End session" removes all of it, and age does.
//
//   files     { id, file, label, key, added }                 key: of the server's case, null while it waits for upload
//   outlines  { id, caseId, number, mask, threshold, version, savedMask, prompted, savedPrompts, saved, added }
//             version, savedMask: what the server held when the strokes began, "" and null for the network's outline;
//             saved: mask is savedMask, no stroke is unsaved; prompted: what was pointed at, see prompt_outline.js;
//             savedPrompts: those of savedMask

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

const outlineId = (caseId, number) => `${caseId}/${number}`;
export const putOutline = (record) => put("outlines", { ...record, id: outlineId(record.caseId, record.number) });
export const getOutline = async (caseId, number) => {
  const record = await run("outlines", "readonly", (store) => store.get(outlineId(caseId, number)));
  return record?.mask ? record : null;
};
export const removeOutline = (caseId, number) => remove("outlines", outlineId(caseId, number));
export const outlinesOf = async (caseId) => (await all("outlines")).filter((record) => record.caseId === caseId);

// The frames with unsaved strokes: case -> set of numbers.
export async function unsavedFrames() {
  const found = new Map();
  for (const { caseId, number, saved } of await all("outlines")) {
    if (!saved) found.set(caseId, (found.get(caseId) ?? new Set()).add(number));
  }
  return found;
}

// Forget a case.
export async function forgetCase(caseId) {
  await removeFile(caseId);
  for (const { number } of await outlinesOf(caseId)) await removeOutline(caseId, number);
}

// Forget all, or what is older than some days.
export async function forgetAll(days = 0) {
  for (const name of STORES) {
    for (const { id, added } of await all(name)) if (!days || added < Date.now() - days * DAY_MS) await remove(name, id);
  }
}
