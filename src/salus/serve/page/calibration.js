// The size of a pixel: the file's, or what a reader found from a known length where the file does not say. The server keeps
// the latter, so that answers and downloads are in mm; `answer.calibration` says by whom.

import * as api from "./api.js";
import { withNumbers } from "./frames.js";
import { setCalibration } from "./marks.js";
import { encodeMask } from "./pixels.js";
import { emit } from "./state.js";

// (row, column) size of a pixel in mm, of the image or of its first region; null where neither is known.
export const spacing = ({ spacing: whole, regions }) => whole ?? regions[0]?.spacing ?? null;

// Whether a reader may calibrate an image: the scale of it, or of a region of it, is not known, and its pixels are square.
export const mayCalibrate = ({ spacing: whole, regions, flags }) => (regions.length ? regions.some((region) => !(region.spacing ?? whole)) : !whole)
  && !flags.some((flag) => flag.startsWith("pixels are not square"));

// The size of a pixel at a place: of the region that it lies in.
export function spacingAt({ spacing: whole, regions }, x, y) {
  const region = regions.find((r) => x >= r.left && x <= r.left + r.width && y >= r.top && y <= r.top + r.height);
  return region?.spacing ?? whole ?? null;
}

// Calibrate an image by a line [x0, y0, x1, y1] that is so many mm long, or by nothing: `line` null takes it back.
// The image's answers are loaded again, also where someone else calibrated it meanwhile.
export async function calibrate(openCase, answer, line, mm) {
  try {
    if (!line) await api.uncalibrate(openCase.key);
    else {
      const known = { mm_per_pixel: mm / Math.hypot(line[2] - line[0], line[3] - line[1]), length_mm: mm, line };
      await api.calibrate(openCase.key, { ...known, replaced: answer.calibration?.saved ?? "" });
      setCalibration(openCase, known);
    }
    if (!line) setCalibration(openCase, null);
  } finally {
    await reloadAnswers(openCase);
  }
}

// Have the frames of an image measured anew.
async function reloadAnswers(openCase) {
  const numbers = openCase.answers.map((answer, i) => answer && i + 1).filter(Boolean);
  for (const number of numbers) {
    const frame = openCase.loaded.get(number);
    const mask = frame?.edited && (await encodeMask(frame.mask, frame.width, frame.height));
    const answer = withNumbers(mask ? await api.measure(openCase.key, number, mask) : await api.answer(openCase.key, number), openCase.numbers?.[number - 1] ?? []);
    openCase.answers[number - 1] = answer;
    if (frame) frame.answer = answer;
  }
  emit("answer-changed");
  emit("calipers-changed");
}
