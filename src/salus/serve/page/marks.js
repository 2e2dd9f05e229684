// What the reader measured in an image: calipers; a polygon that is not closed yet; and the calibration and the notes, in case the
// server forgets them; kept in this browser until the session ends.

import { emit } from "./state.js";

const STORAGE_KEY = "salus-calipers"; // id of a case -> { lines: { frame: [[x0, y0, x1, y1], ...] }, sketches: { frame: [[x, y], ...] }, calibration: as the server takes it, or null, notes: { frame: ... } }
const MAX_STORED = 500; // cases
const NOTHING = Object.freeze({ lines: {}, calibration: null });
let stored = null;

const load = () => (stored ??= read());

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY)) ?? {};
  } catch {
    return {}; // damaged
  }
}

// Another tab changed them.
addEventListener("storage", ({ key }) => key === STORAGE_KEY && ((stored = null), emit("calipers-changed")));

const marks = (openCase) => (openCase && load()[openCase.id]) || NOTHING;

// Calipers of a frame, [[x0, y0, x1, y1], ...] in pixels of the image.
export const handCalipers = (openCase, number) => marks(openCase).lines[number] ?? [];

// The corners of a polygon that is being drawn in a frame, [[x, y], ...] in pixels of the image; null for none.
export const keptSketch = (openCase, number) => marks(openCase).sketches?.[number] ?? null;
export const keepSketch = (openCase, number, points) => change(openCase, { sketches: { ...marks(openCase).sketches, [number]: points ?? undefined } }, false);

// The calibration that this browser's reader sent, or null.
export const sentCalibration = (openCase) => marks(openCase).calibration ?? null;

export const setCalipers = (openCase, number, lines) => change(openCase, { lines: { ...marks(openCase).lines, [number]: lines } });
export const setCalibration = (openCase, calibration) => change(openCase, { calibration });

// What the reader noted of a frame, with `pending` where the server does not have it yet; null for nothing.
export const keptNotes = (openCase, number) => marks(openCase).notes?.[number] ?? null;
export const keepNotes = (openCase, number, notes) => change(openCase, { notes: { ...marks(openCase).notes, [number]: notes } }, false);
export const allKeptNotes = (openCase) => Object.entries(marks(openCase).notes ?? {}).filter(([, notes]) => notes);

function change(openCase, update, isShown = true) {
  stored = { ...stored, ...read() }; // what other tabs wrote meanwhile stays
  const changed = { ...marks(openCase), ...update };
  delete stored[openCase.id];
  stored[openCase.id] = changed; // the last one changed is the last to be forgotten
  for (const key of Object.keys(stored).slice(0, -MAX_STORED)) delete stored[key];
  write();
  if (isShown) emit("calipers-changed");
}

// Write them; where the browser's storage is full, without the oldest.
function write() {
  for (let keys = Object.keys(stored); ; keys = keys.slice(Math.ceil(keys.length / 2))) {
    try {
      return localStorage.setItem(STORAGE_KEY, JSON.stringify(Object.fromEntries(keys.map((key) => [key, stored[key]]))));
    } catch {
      if (!keys.length) return; // it keeps nothing; this page still does
    }
  }
}

// Forget all of them.
export function forgetMarks() {
  stored = {};
  localStorage.removeItem(STORAGE_KEY);
}
