// The section Display: what lies over the image, and window and level, which belong to each image.

import { byId, createElement } from "./dom.js";
import { COLOUR_STOPS } from "./layers.js";
import { announce, formatPercent } from "./messages.js";
import { emit, on, state } from "./state.js";

const FRACTIONS = ["fill", "probability", "saliency"];
const CHECKS = { outline: "outline-on", network: "network-on", calipers: "calipers-on", invert: "invert" };
const OF_IMAGE = { window: 255, level: 128, invert: false };
const OWN = "Set by hand";
const SHARE_CUT = 0.01; // of the pixels that "Auto" lets become black, and as many white

// Window and level by name; a function is called with the frame.
const PRESETS = {
  "Full range": () => [255, 128],
  Auto: autoWindow,
  "Dark tissue": () => [120, 60],
  "Bright tissue": () => [150, 170],
  "High contrast": () => [110, 100],
};

let viewed = null; // the image whose window and level are set

// Connect the controls, and give what the keyboard needs: set(name, value) and nextPreset().
export function initDisplay() {
  const defaults = { ...state.display };
  for (const name of [...FRACTIONS, "window", "level"]) {
    byId(name).addEventListener("input", (event) => set(name, event.target.value / (FRACTIONS.includes(name) ? 100 : 1)));
  }
  for (const [name, id] of Object.entries(CHECKS)) byId(id).addEventListener("change", (event) => set(name, event.target.checked));
  byId("presets").append(...[...Object.keys(PRESETS), OWN].map((name) => createElement("option", { textContent: name })));
  byId("presets").addEventListener("change", (event) => usePreset(event.target.value));
  byId("display-reset").addEventListener("click", () => Object.entries(defaults).forEach(([name, value]) => set(name, value)));
  on("window-dragged", (dx, dy) => {
    set("window", Math.min(255, Math.max(5, state.display.window + dx)));
    set("level", Math.min(255, Math.max(0, state.display.level - dy / 2)));
  });
  on("frame-changed", showOwnWindow);
  const nextPreset = () => {
    const names = Object.keys(PRESETS), name = names[(names.indexOf(byId("presets").value) + 1) % names.length];
    usePreset(name);
    announce(name);
  };
  return { set, nextPreset };
}

function set(name, value) {
  const { display, current } = state;
  display[name] = value;
  if (name in CHECKS) byId(CHECKS[name]).checked = value;
  else {
    const input = byId(name), isFraction = FRACTIONS.includes(name);
    input.value = isFraction ? Math.round(100 * value) : value;
    input.nextElementSibling.textContent = isFraction ? formatPercent(value) : Math.round(value);
  }
  if (name in OF_IMAGE && current) current.view = { window: display.window, level: display.level, invert: display.invert };
  if (name === "window" || name === "level") byId("presets").value = display.window === 255 && display.level === 128 ? "Full range" : OWN;
  updateLegend();
  emit("display-changed", name);
}

// Each image has its own window and level, so that those of the last one do not mislead.
function showOwnWindow() {
  if (!state.frame || viewed === state.current) return;
  viewed = state.current;
  for (const [name, value] of Object.entries(viewed.view ?? OF_IMAGE)) set(name, value);
}

function usePreset(name) {
  if (!state.frame || !PRESETS[name]) return;
  const [window, level] = PRESETS[name](state.frame);
  set("window", window);
  set("level", level);
  byId("presets").value = name;
}

// From the darkest to the brightest grey value, but for a hundredth of the pixels at either end; black borders do not count.
function autoWindow({ image }) {
  const counts = new Uint32Array(256);
  for (const value of image) counts[value]++;
  counts[0] = 0;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const percentile = (share) => {
    let sum = 0;
    for (let value = 0; value < 256; value++) if ((sum += counts[value]) >= share * total) return value;
    return 255;
  };
  const low = percentile(SHARE_CUT), high = percentile(1 - SHARE_CUT);
  return [Math.max(5, Math.min(255, high - low)), (low + high) / 2];
}

// Show what the colours of the maps mean, while a map is shown.
function updateLegend() {
  const shown = Object.keys(COLOUR_STOPS).filter((kind) => state.display[kind]);
  byId("legend").hidden = !shown.length;
  byId("legend").replaceChildren(...shown.map((kind) => {
    const bar = createElement("i");
    bar.style.background = `linear-gradient(to right, ${COLOUR_STOPS[kind].map((colour) => `rgb(${colour})`).join(", ")})`;
    return createElement("li", {}, createElement("span", { textContent: kind }), "0", bar, "1");
  }));
}
