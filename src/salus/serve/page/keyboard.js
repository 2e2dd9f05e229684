// Keyboard shortcuts: what each key does, and the dialog that lists them.

import { byId, createElement } from "./dom.js";

// Listen for keys. A row of the table: the keys as the dialog shows them, what they do, and for each key its action.
// A row may have a class, such as that of what needs a network that takes prompts. Keys are named by what they type (`event.key`), letters in lower case.
export function initKeyboard(actions) {
  const table = [
    ["S", "save the outline", { s: actions.save }],
    ["N", "next of the worklist", { n: actions.next }],
    ["U J Q", "mark: unsure, skip, poor image", { u: actions.mark("unsure"), j: actions.mark("skipped"), q: actions.mark("poor image") }],
    ["A", "point at the lesion", { a: actions.tool("prompt") }, "prompt-only"],
    ["X", "clicks point outside, inside again", { x: actions.toggleOutside }, "prompt-only"],
    ["⇧ ↑ ↓ ← →", "move a cross to point with", {}, "prompt-only"],
    ["Enter", "point at the cross; with Alt outside", {}, "prompt-only"],
    ["Ctrl click", "point at a lesion, with any tool", {}, "prompt-only"],
    ["Enter", "accept the lesion under the pointer, or no longer", { Enter: actions.enter }],
    ["⇧ Enter", "reject the lesion under the pointer: it is none", {}],
    ["D", "delete the lesion under the pointer", { d: actions.deleteLesion }],
    ["V", "move the image", { v: actions.tool("pan") }],
    ["↑ ↓ Home End", "previous, next, first, last image", {
      ArrowUp: actions.image(-1), ArrowDown: actions.image(1), Home: actions.image(-Infinity), End: actions.image(Infinity) }],
    ["B", "brush", { b: actions.tool("brush") }],
    ["Y", "magic brush: paints only what is as grey", { y: actions.tool("magic") }],
    ["R", "drag points of the outline", { r: actions.tool("points") }],
    ["← →", "frame of a cine", { ArrowLeft: actions.step(-1), ArrowRight: actions.step(1) }],
    ["E", "eraser", { e: actions.tool("eraser") }],
    ["< >", "propagate the outline to the frames before, after", { "<": actions.propagate(-1), ">": actions.propagate(1) }, "prompt-only"],
    ["Space", "play a cine", {}],
    ["[ ]", "size of the brush; also Shift and wheel", { "[": actions.size(0.8), "]": actions.size(1.25) }],
    ["+ −", "zoom", { "+": actions.zoom(1.25), "=": actions.zoom(1.25), "-": actions.zoom(0.8) }],
    ["P", "polygon; Enter closes it, Esc drops it", { p: actions.tool("polygon"), Escape: actions.escape }],
    ["0", "fit to the window", { 0: actions.fit }],
    ["Backspace", "remove the last corner or caliper", { Backspace: actions.removeLast, Delete: actions.removeLast }],
    ["F", "full screen", { f: actions.fullScreen }],
    ["Z", "two images side by side", { z: actions.secondView }],
    ["K", "smooth the outline", { k: actions.smooth }],
    ["O", "outline on or off", { o: actions.outline }],
    ["H", "fill holes", { h: actions.fillHoles }],
    ["G", "network’s outline beside it", { g: actions.network }],
    [", .", "threshold lower, higher", { ",": actions.threshold(-0.05), ".": actions.threshold(0.05) }],
    ["C", "hold: network’s outline alone", { c: actions.compare }],
    ["Ctrl Z", "undo", {}],
    ["L", "calipers of the lesions", { l: actions.calipers }],
    ["Ctrl ⇧ Z", "redo", {}],
    ["1 2", "probability, saliency", { 1: actions.probability, 2: actions.saliency }],
    ["M", "measure with a caliper", { m: actions.tool("caliper") }],
    ["W", "next window and level", { w: actions.nextPreset }],
    ["?", "this list", { "?": actions.help }],
    ["I", "black and white exchanged", { i: actions.invert }],
    ["Esc", "close a message", {}],
    ["T", "light or dark", { t: actions.theme }],
  ];
  const actionOf = Object.assign({}, ...table.map(([, , keys]) => keys));
  byId("keys-list").append(...table.flatMap(([keys, what, , className = ""]) => [
    createElement("dt", { className }, ...keys.split(" ").map((key) => createElement("kbd", { textContent: key }))),
    createElement("dd", { className, textContent: what }),
  ]));

  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing || isTyping(event.target)) return;
    const key = typedKey(event), control = (event.ctrlKey || event.metaKey) && !isAltGraph(event);
    if (control && (key === "z" || key === "y")) {
      event.preventDefault();
      return key === "y" || event.shiftKey ? actions.redo() : actions.undo();
    }
    if (!control && actions.pointByKey(event)) return event.preventDefault();
    if (control || (event.altKey && !isAltGraph(event) && !isOption(event, key))) return;
    const slider = event.target.matches?.("input[type=range], select");
    if (slider && /^(Arrow|Home|End|Page)/.test(key)) return;                                     // moves the slider
    if (event.target.matches?.("button, a, input, select, summary") && (key === "Enter" || key === " ")) return; // presses a button
    if (key === " ") {
      event.preventDefault();
      return actions.space(true, event.repeat);
    }
    if (!Object.hasOwn(actionOf, key)) return;
    event.preventDefault();
    actionOf[key](event);
  });
  addEventListener("keyup", (event) => {
    if (event.key === " ") actions.space(false, false);
    if (typedKey(event) === "c") actions.endCompare();
  });
  addEventListener("blur", () => (actions.leave(), actions.endCompare()));
}

// Whether text is being typed, in which keys are letters.
const isTyping = (target) => target.isContentEditable
  || target.matches?.("textarea, input:not([type=range], [type=checkbox], [type=radio], [type=button], [type=file])");

// AltGr types [ and ] on many keyboards; Windows reports it as Ctrl and Alt together.
const isAltGraph = (event) => event.getModifierState?.("AltGraph") || (event.ctrlKey && event.altKey && event.key.length === 1 && !/[a-z0-9]/i.test(event.key));

// On a Mac the Option key does what AltGr does elsewhere, and is reported as Alt.
const isOption = (event, key) => event.altKey && !event.ctrlKey && "[]?+-=,.".includes(key) && !["Bracket", "Slash", "Minus", "Equal", "Comma", "Period"].some((name) => event.code.startsWith(name));

// What a key types. Where it is no Latin letter, digit or sign (a Greek or Cyrillic keyboard, the digits of a French one),
// what it would type on an English keyboard.
function typedKey(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, code = event.code ?? "";
  const isForeign = key.length === 1 && key > "~", isFrenchOne = key === "&" && code === "Digit1";
  if (!isForeign && !isFrenchOne) return key;
  const letter = /^(?:Key|Digit)([A-Z0-9])$/.exec(code);
  return letter ? letter[1].toLowerCase() : key;
}
