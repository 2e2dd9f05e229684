// Print the current image with its findings; print.css leaves out what is not for paper.

import { byId } from "./dom.js";
import { state } from "./state.js";

const WIDTH = 640; // of the picture, in CSS pixels

export function initPrint(viewer) {
  let picture = null;
  byId("print").addEventListener("click", () => print());
  addEventListener("beforeprint", () => {
    const when = new Date().toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    byId("printed").textContent = [`Salus ${state.info?.version ?? ""}`, state.info?.network, when].filter(Boolean).join("  ·  ");
    if (!state.frame) return;
    const { display } = state, { calipers } = display;
    display.calipers = true;
    picture?.remove();
    picture = viewer.picture(WIDTH);
    display.calipers = calipers;
    picture.id = "paper";
    byId("canvas").after(picture);
  });
  addEventListener("afterprint", () => picture?.remove());
}
