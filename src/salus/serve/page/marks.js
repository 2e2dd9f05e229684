// What the reader measured in an image: calipers and the size of a pixel; kept in this browser until the session ends.

import { emit } from "./state.js";

const STORAGE_KEY = "salus-calipers"; // case -> { lines: { frame: [[x0, y0, x1, y1], ...] }, mm: size of a pixel or null }
const MAX_STORED = 500; // cases
const NOTHING = Object.freeze({ lines: {}, mm: null });
let stored = null;

const load = () => (stored ??= JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}"));
const marks = (openCase) => (openCase?.key && load()[openCase.key]) || NOTHING;

// Calipers of a frame, [[x0, y0, x1, y1], ...] in pixels of the image.
export const handCalipers = (openCase, number) => marks(openCase).lines[number] ?? [];

// The size of a pixel in mm that the reader found, or null.
export const millimetres = (openCase) => marks(openCase).mm;

export const setCalipers = (openCase, number, lines) => change(openCase, { lines: { ...marks(openCase).lines, [number]: lines } });
export const setMillimetres = (openCase, mm) => change(openCase, { mm });

function change(openCase, update) {
  const changed = { ...marks(openCase), ...update };
  delete stored[openCase.key];
  stored[openCase.key] = changed; // the last one changed is the last to be forgotten
  for (const key of Object.keys(stored).slice(0, -MAX_STORED)) delete stored[key];
  localStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
  emit("calipers-changed");
}

// Forget all of them.
export function forgetMarks() {
  stored = {};
  localStorage.removeItem(STORAGE_KEY);
}
