// The left-hand side: the open images, each with a small picture and what was found.

import * as api from "./api.js";
import { element } from "./panel.js";
import { finding } from "./say.js";
import { emit, on, state } from "./state.js";

const SIDE = 88;
const place = document.getElementById("cases");

export function showList() {
  on("cases", render);
  on("mask", () => place.querySelector("[aria-current]")?.closest("li").classList.toggle("unsaved", Boolean(state.frame?.edited)));
  on("saved", (one) => {
    judge(one);
    render();
  });
}

// What the list says of an image.
export function judge(one) {
  const first = one.answers.find(Boolean);
  if (!first) return;
  const found = one.answers.filter(Boolean);
  const saved = found.filter((answer) => answer.corrected).length;
  one.status = saved ? "saved" : found.some((answer) => answer.result === "tumour") ? "tumour" : "none";
  if (one.frames > 1) one.said = `${one.frames} frames${saved ? `, ${saved} saved` : ""}`;
  else one.said = saved ? "saved" : finding(first).toLowerCase() + (first.flags.length ? ", flagged" : "");
}

function render() {
  const focused = document.activeElement?.closest?.("#cases li")?.dataset.key;
  place.replaceChildren(...state.cases.filter((one) => !one.work).map(item));
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"] button`)?.focus();
}

function item(one) {
  const picture = element("canvas", { width: SIDE, height: SIDE });
  picture.setAttribute("aria-hidden", "true");
  if (one.thumb) picture.getContext("2d").drawImage(one.thumb, 0, 0);
  const button = element("button", { type: "button", title: one.label },
    picture,
    element("span", {}, element("b", { textContent: one.label }), element("small", { textContent: one.said })));
  if (one === state.current) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => emit("choose", one));
  const unsaved = [...one.loaded.values()].some((frame) => frame.edited);
  const line = element("li", { className: `${one.status}${unsaved ? " unsaved" : ""}` }, button);
  if (one.key) {
    line.dataset.key = one.key;
    const shut = element("button", { type: "button", className: "icon shut", title: "Close" });
    shut.setAttribute("aria-label", `Close ${one.label}`);
    shut.innerHTML = '<svg><use href="#i-close"/></svg>';
    shut.addEventListener("click", () => close(one));
    line.append(shut);
  }
  return line;
}

async function close(one) {
  if ([...one.loaded.values()].some((frame) => frame.edited) && !confirm("Close it and lose what is not saved?")) return;
  const at = state.cases.indexOf(one);
  state.cases.splice(at, 1);
  await api.closeCase(one.key).catch(() => {});
  if (one === state.current) emit("choose", state.cases[Math.min(at, state.cases.length - 1)] ?? null);
  emit("cases");
  emit("closed");
}

// A small square picture of a frame.
export async function thumbnail(picture) {
  const whole = await createImageBitmap(picture), { width, height } = whole, side = Math.min(width, height);
  const canvas = new OffscreenCanvas(SIDE, SIDE), context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(whole, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  whole.close();
  return canvas;
}
