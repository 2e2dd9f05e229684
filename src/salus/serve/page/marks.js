// What the reader measured in an image: calipers, and the calibration in case the server forgets it; kept in this browser
// until the session ends.

import { emit } from "./state.js";

const STORAGE_KEY = "salus-calipers"; // id of a case -> { lines: { frame: [[x0, y0, x1, y1], ...] }, calibration: as the server takes it, or null }
const MAX_STORED = 500; // cases
const NOTHING = Object.freeze({ lines: {}, calibration: null });
let stored = null;

const load = () => (stored ??= JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}"));
const marks = (openCase) => (openCase && load()[openCase.id]) || NOTHING;

// Calipers of a frame, [[x0, y0, x1, y1], ...] in pixels of the image.
export const handCalipers = (openCase, number) => marks(openCase).lines[number] ?? [];

// The calibration that this browser's reader sent, or null.
export const sentCalibration = (openCase) => marks(openCase).calibration ?? null;

export const setCalipers = (openCase, number, lines) => change(openCase, { lines: { ...marks(openCase).lines, [number]: lines } });
export const setCalibration = (openCase, calibration) => change(openCase, { calibration });

function change(openCase, update) {
  const changed = { ...marks(openCase), ...update };
  delete stored[openCase.id];
  stored[openCase.id] = changed; // the last one changed is the last to be forgotten
  for (const key of Object.keys(stored).slice(0, -MAX_STORED)) delete stored[key];
  localStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
  emit("calipers-changed");
}

// Forget all of them.
export function forgetMarks() {
  stored = {};
  localStorage.removeItem(STORAGE_KEY);
}
