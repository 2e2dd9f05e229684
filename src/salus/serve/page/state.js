// What the page knows, and who wants to be told when it changes.

export const state = {
  info: null,        // of the server
  cases: [],         // open images, see `makeCase`
  current: null,     // the one that is looked at
  number: 1,         // of its frame
  frame: null,       // that frame's pixels and masks, see load.js
  tool: "pan",
  size: 9,           // of the brush, a radius in pixels of the image
  display: { outline: true, fill: 0.1, probability: 0, saliency: 0, window: 255, level: 128 },
};

const listeners = new Map();

export function on(name, listener) {
  listeners.set(name, [...(listeners.get(name) ?? []), listener]);
}

export function emit(name, ...told) {
  for (const listener of listeners.get(name) ?? []) listener(...told);
}

// An open image. `label` is what its file is called: it stays in this browser.
export function makeCase(told, label) {
  return {
    ...told,
    label,
    status: "waiting",          // waiting, working, tumour, none, saved, failed
    said: "waiting",
    answers: new Array(told.frames).fill(null), // of each frame
    loaded: new Map(),          // frame number -> frame
    streaming: false,
    thumb: null,
  };
}

