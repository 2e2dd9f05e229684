// The size of a pixel: the file's, or what the reader found from a known length where the file does not say.

import { millimetres } from "./marks.js";

const shown = new WeakMap(); // answer -> [mm per pixel, the answer in mm]

// (row, column) size of a pixel in mm, of the image or of its first region; null where neither is known.
export const spacing = ({ spacing: whole, regions }) => whole ?? regions[0]?.spacing ?? null;

// The same at a pixel: of the region that it lies in.
export function spacingAt({ spacing: whole, regions }, x, y) {
  const region = regions.find((r) => x >= r.left && x <= r.left + r.width && y >= r.top && y <= r.top + r.height);
  return region?.spacing ?? whole ?? null;
}

// An answer as the page shows it: in mm where the reader has calibrated an image of unknown size.
export function shownAnswer(openCase, answer) {
  const mm = millimetres(openCase);
  if (!mm || !answer || spacing(answer)) return answer;
  const cached = shown.get(answer);
  if (cached?.[0] === mm) return cached[1];
  const converted = { ...answer, spacing: [mm, mm], lesions: answer.lesions.map((lesion) => inMillimetres(lesion, mm)) };
  shown.set(answer, [mm, converted]);
  return converted;
}

function inMillimetres(lesion, mm) {
  const lengths = ["longest", "across", "width", "height", "perimeter", "depth", "border"].map((name) => [name, lesion[name] * mm]);
  return { ...lesion, ...Object.fromEntries(lengths), area: lesion.area * mm * mm, unit: "mm" };
}
