// The way of working in one line, shown over the first image until it is closed or an outline is saved.

import { byId } from "./dom.js";
import { on, state } from "./state.js";

const STORAGE_KEY = "salus-loop-seen";

export function initLoop() {
  const isSeen = () => localStorage.getItem(STORAGE_KEY) !== null;
  const close = () => {
    localStorage.setItem(STORAGE_KEY, "yes");
    byId("loop").hidden = true;
  };
  on("frame-changed", () => (byId("loop").hidden = isSeen() || !state.frame));
  on("outline-saved", close);
  byId("loop-close").addEventListener("click", close);
}
