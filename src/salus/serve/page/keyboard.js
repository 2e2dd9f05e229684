// Keyboard shortcuts: what each key does, and the dialog that lists them.

import { byId, createElement } from "./dom.js";

// Listen for keys. A row of the table holds the keys as the dialog shows them, what they do, their test and their action.
export function initKeyboard(actions) {
  const table = [
    ["V", "move the image", (e) => e.key === "v", actions.tool("pan")],
    ["+ −", "zoom", null, null],
    ["B", "brush", (e) => e.key === "b", actions.tool("brush")],
    ["0", "fit to the window", (e) => e.key === "0", actions.fit],
    ["E", "eraser", (e) => e.key === "e", actions.tool("eraser")],
    ["O", "outline on or off", (e) => e.key === "o", actions.outline],
    ["P", "polygon; Enter closes it, Esc drops it", (e) => e.key === "p", actions.tool("polygon")],
    ["1", "probability on or off", (e) => e.key === "1", actions.probability],
    ["[ ]", "brush size", null, null],
    ["2", "saliency on or off", (e) => e.key === "2", actions.saliency],
    ["Ctrl Z", "undo", null, null],
    ["← →", "frame of a cine", null, null],
    ["Ctrl ⇧ Z", "redo", null, null],
    ["↑ ↓", "previous or next image", null, null],
    ["S", "save the outline", (e) => e.key === "s", actions.save],
    ["Space", "play a cine", null, null],
    ["N", "next of the worklist", (e) => e.key === "n", actions.next],
    ["T", "light or dark", (e) => e.key === "t", actions.theme],
    [", .", "threshold lower, higher", null, null],
    ["?", "this list", (e) => e.key === "?", actions.help],
  ];
  const more = [
    [(e) => e.key === "+" || e.key === "=", actions.zoom(1.25)],
    [(e) => e.key === "-", actions.zoom(0.8)],
    [(e) => e.key === "[", actions.size(0.8)],
    [(e) => e.key === "]", actions.size(1.25)],
    [(e) => e.key === ",", actions.threshold(-0.05)],
    [(e) => e.key === ".", actions.threshold(0.05)],
    [(e) => e.key === "ArrowLeft", actions.step(-1)],
    [(e) => e.key === "ArrowRight", actions.step(1)],
    [(e) => e.key === "ArrowUp", actions.image(-1)],
    [(e) => e.key === "ArrowDown", actions.image(1)],
    [(e) => e.key === "Enter", actions.closePolygon],
    [(e) => e.key === "Escape", actions.dropPolygon],
  ];
  byId("keys-list").append(...table.flatMap(([keys, what]) => [
    createElement("dt", {}, ...keys.split(" ").map((key) => createElement("kbd", { textContent: key }))),
    createElement("dd", { textContent: what }),
  ]));

  addEventListener("keydown", (event) => {
    const { target } = event, inDialog = document.querySelector("dialog[open]");
    if (inDialog || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === "z") event.preventDefault(), event.shiftKey ? actions.redo() : actions.undo();
      if (event.key.toLowerCase() === "y") event.preventDefault(), actions.redo();
      return;
    }
    const slider = target.matches?.("input[type=range]"), isControl = target.matches?.("button, a, input");
    if (slider && event.key.startsWith("Arrow")) return;      // moves the slider
    if (isControl && (event.key === "Enter" || event.key === " ")) return; // presses a button
    if (event.key === " ") {
      event.preventDefault();
      return actions.space(true, event.repeat);
    }
    const key = { key: event.key.length === 1 ? event.key.toLowerCase() : event.key };
    const match = [...table.map(([, , matches, action]) => [matches, action]), ...more].find(([matches]) => matches?.(key));
    if (!match) return;
    event.preventDefault();
    match[1]();
  });
  addEventListener("keyup", (event) => event.key === " " && actions.space(false));
}
