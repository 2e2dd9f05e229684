// The worklist of a folder: its images, to do and done, and the way from one to the next.

import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { isUnsaved } from "./drafts.js";
import { isNameShown } from "./list_filter.js";
import { showToast } from "./messages.js";
import { emit, makeCase, on, state, workId } from "./state.js";
import { lastPosition, segmentFirstFrame } from "./uploads.js";

let items = [];
let shownTab = "todo";
let opening = null; // the item that was clicked last and is not there yet

export async function initWorklist() {
  if (!state.info.worklist) return;
  byId("work").hidden = false;
  document.querySelectorAll("[data-show]").forEach((button) =>
    button.addEventListener("click", () => {
      shownTab = button.dataset.show;
      render();
    }));
  on("cases-changed", render);
  for (const event of ["outline-saved", "notes-saved"]) {
    on(event, async (openCase) => {
      if (openCase.work) await refresh();
    });
  }
  await refresh();
  if (state.current || !items.length) return;
  const { id, number } = lastPosition();
  await openItem(items.find((item) => idOf(item) === id) ?? items.find((item) => !item.done) ?? items[0]);
  if (state.current?.id === id && number > 1) emit("show-frame", number);
}

const idOf = (item) => workId(item.name);

async function refresh() {
  items = (await api.worklist()).items;
  render();
}

function render() {
  const done = items.filter((item) => item.done).length;
  byId("work-count").textContent = `${done} of ${items.length} done`;
  byId("work-bar").style.width = `${(100 * done) / Math.max(1, items.length)}%`;
  document.querySelectorAll("[data-show]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.show === shownTab)));
  byId("work-items").replaceChildren(...items.filter((item) => item.done === (shownTab === "done") && isNameShown(item.name)).map(itemRow));
}

function itemRow(item) {
  const button = createElement("button", { type: "button", title: item.name },
    createElement("span", {}, createElement("b", { textContent: item.name }), createElement("small", { textContent: item === opening ? "opening…" : item.mark || (item.done ? "done" : "to do") })));
  if (state.current?.id === idOf(item)) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => openItem(item));
  return createElement("li", { className: `${item.done ? "saved" : ""}${isUnsaved(idOf(item)) ? " unsaved" : ""}` }, button);
}

// Open an item; where another was asked for meanwhile, that one stays.
async function openItem(item) {
  opening = item;
  render();
  try {
    const openCase = await prepareCase(item);
    if (opening !== item) return;
    opening = null;
    emit("select-case", openCase);
    const following = items.find((other) => !other.done && other.number > item.number);
    if (following) prepareCase(following).catch(() => {}); // in advance, so that it opens at once
  } catch (error) {
    if (opening === item) opening = null;
    render();
    showToast(`${item.name}: ${error.message}`, true);
  }
}

// The open image of an item, with its first frame segmented.
async function prepareCase(item) {
  const info = await api.openItem(item), existing = state.cases.find((other) => other.id === idOf(item));
  if (info.work !== item.number) await refresh();
  if (existing?.revision === info.revision) {
    if (existing.key !== info.key) for (const number of existing.loaded.keys()) await api.answer(info.key, number); // has it segmented anew
    Object.assign(existing, { key: info.key, work: info.work });
    await forgetOldOutline(existing);
    return existing;
  }
  const openCase = makeCase(info, item.name);
  state.cases = [...state.cases.filter((other) => other.id !== openCase.id), openCase]; // in place of a file that was replaced
  await segmentFirstFrame(openCase);
  emit("cases-changed");
  return openCase;
}

// Have the outline loaded anew that someone else saved since this page loaded it.
async function forgetOldOutline(openCase) {
  const frame = openCase.loaded.get(1);
  if (!frame || frame.edited || openCase.frames > 1 || openCase === state.current) return;
  const answer = await api.answer(openCase.key, 1);
  const isOld = answer.version !== frame.version || answer.calibration?.saved !== frame.answer.calibration?.saved;
  if (isOld) openCase.loaded.delete(1);
}

// Open the next image to do, from the current one on, and from the start after the last.
export async function openNextItem() {
  const { current } = state, from = items.find((item) => idOf(item) === current?.id)?.number ?? 0;
  if (current && isUnsaved(current.id)) {
    showToast(`${current.label} is not saved; its outline is kept in this browser.`, false, { label: "Back to it", run: () => emit("select-case", current) });
  }
  const remaining = items.filter((item) => !item.done && item.number !== from);
  const item = remaining.find((other) => other.number > from) ?? remaining[0];
  if (item) await openItem(item);
  else showToast(items.some((other) => !other.done) ? "All other images are done." : "The worklist is done.");
}
