// The list of open images on the left, each with a small picture and its finding.

import * as api from "./api.js";
import { isUnsavedAnywhere } from "./browser_store.js";
import { byId, createElement } from "./dom.js";
import { forgetDrafts, isUnsaved } from "./drafts.js";
import { shownCases } from "./list_filter.js";
import { showToast, summarise } from "./messages.js";
import { emit, on, state } from "./state.js";

const THUMBNAIL_SIZE = 88;
const list = byId("cases");
const otherTabs = globalThis.BroadcastChannel && new BroadcastChannel(`salus${location.pathname}`); // that show the same session

export function initCaseList() {
  otherTabs?.addEventListener("message", ({ data }) => {
    const openCase = state.cases.find(({ id }) => id === data.closed);
    if (!openCase) return;
    state.drafts.delete(openCase.id);
    removeFromList(openCase);
    emit("case-closed");
    showToast(`${openCase.label} was closed in another tab.`);
  });
  on("cases-changed", render);
  on("select-case", () => document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }));
  on("mask-changed", () => list.querySelector("[aria-current]")?.closest("li").classList.toggle("unsaved", Boolean(state.frame?.edited)));
  for (const event of ["outline-saved", "notes-saved"]) {
    on(event, (openCase) => {
      updateStatus(openCase);
      render();
    });
  }
}

// Set what the list says of an image.
export function updateStatus(openCase) {
  const first = openCase.answers.find(Boolean);
  if (!first) return;
  const answers = openCase.answers.filter(Boolean);
  const saved = openCase.answers.filter((answer, i) => openCase.loaded.get(i + 1)?.version ?? answer?.version).length;
  openCase.status = saved ? "saved" : answers.some((answer) => answer.result === "tumour") ? "tumour" : "none";
  if (openCase.frames > 1) openCase.statusText = `${openCase.frames} frames${saved ? `, ${saved} saved` : ""}`;
  else openCase.statusText = saved ? "saved" : summarise(first).toLowerCase() + (first.flags.length ? ", flagged" : "");
  const mark = answers.find((answer) => answer.notes?.mark)?.notes.mark;
  if (mark) openCase.statusText += `, ${mark}`;
}

function render() {
  const focused = document.activeElement?.closest?.("#cases li")?.dataset.key;
  list.replaceChildren(...shownCases(state.cases.filter((openCase) => !openCase.work)).map(caseRow));
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"] button`)?.focus();
}

function caseRow(openCase) {
  const picture = createElement("canvas", { width: THUMBNAIL_SIZE, height: THUMBNAIL_SIZE });
  picture.setAttribute("aria-hidden", "true");
  if (openCase.thumb) picture.getContext("2d").drawImage(openCase.thumb, 0, 0);
  const button = createElement("button", { type: "button", title: openCase.label },
    picture,
    createElement("span", {}, createElement("b", { textContent: openCase.label }), createElement("small", { textContent: openCase.statusText })));
  if (openCase === state.current) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => emit("select-case", openCase));
  const row = createElement("li", { className: `${openCase.status}${isUnsaved(openCase.id) ? " unsaved" : ""}` }, button);
  if (openCase.key) {
    row.dataset.key = openCase.key;
    const closeButton = createElement("button", { type: "button", className: "icon close", title: "Close" });
    closeButton.setAttribute("aria-label", `Close ${openCase.label}`);
    closeButton.innerHTML = '<svg><use href="#i-close"/></svg>';
    closeButton.addEventListener("click", () => closeCase(openCase));
    row.append(closeButton);
  }
  return row;
}

async function closeCase(openCase) {
  const isElsewhere = !isUnsaved(openCase.id) && (await isUnsavedAnywhere(openCase.id)); // in another tab
  if ((isElsewhere || isUnsaved(openCase.id)) && !confirm(`Close it and lose what is not saved${isElsewhere ? " in another tab" : ""}?`)) return;
  const forgotten = forgetDrafts(openCase);
  removeFromList(openCase);
  await forgotten;
  await api.closeCase(openCase.key).catch(() => {});
  otherTabs?.postMessage({ closed: openCase.id }); // where it could not be saved any more
  emit("case-closed");
}

function removeFromList(openCase) {
  const index = state.cases.indexOf(openCase);
  if (index >= 0) state.cases.splice(index, 1);
  if (openCase === state.current) emit("select-case", state.cases[Math.min(index, state.cases.length - 1)] ?? null);
  emit("cases-changed");
}

// A small square picture of an image.
export async function makeThumbnail(picture) {
  const whole = await createImageBitmap(picture), { width, height } = whole, side = Math.min(width, height);
  const canvas = new OffscreenCanvas(THUMBNAIL_SIZE, THUMBNAIL_SIZE), context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(whole, (width - side) / 2, (height - side) / 2, side, side, 0, 0, THUMBNAIL_SIZE, THUMBNAIL_SIZE);
  whole.close();
  return canvas;
}
