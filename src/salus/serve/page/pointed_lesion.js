// Which lesion of the outline a key means: the one under the pointer, else the one that the list
// points at, else the one that was chosen there, else the only one.

import { eachComponent } from "./pixels.js";

// Where a viewer's pointer is, and the number of the lesion that the list points at or was chosen there; to be read when the key
// is pressed, since the pointer moves on while the page waits for measurements.
export const pointedPlace = ({ pointer, highlighted, selected }) => ({ place: pointer, number: highlighted ?? selected });

// The pixels of the lesion that is meant by such a place; null where it means none.
export const pointedPart = (frame, { place, number }) => partAt(frame, place) ?? partOfLesion(frame, number) ?? onlyPart(frame);

// The connected parts of a frame's outline, each an array of pixels.
function partsOf({ mask, width, height }) {
  const parts = [];
  eachComponent(mask, width, height, (pixels) => parts.push(pixels.slice()));
  return parts;
}

// The part at a place [x, y]; null where there is none.
function partAt(frame, place) {
  if (!place) return null;
  const [x, y] = place.map(Math.floor), { mask, width, height } = frame;
  if (x < 0 || y < 0 || x >= width || y >= height || !mask[y * width + x]) return null;
  return partsOf(frame).find((pixels) => pixels.includes(y * width + x));
}

// The part that is a lesion of the answer; null where the outline changed since.
export function partOfLesion(frame, number) {
  const lesion = frame.answer.lesions.find((other) => other.number === number);
  return (lesion && partsOf(frame).find((pixels) => isPart(lesion, pixels, frame.width))) ?? null;
}

// The lesion of the answer that a part is; null where the answer is of an earlier outline.
export const lesionOfPart = ({ answer, width }, pixels) => answer.lesions.find((lesion) => isPart(lesion, pixels, width)) ?? null;

// Whether a part has the size of a lesion and lies within its box.
function isPart({ box: [top, left, height, wide], area_px: area }, pixels, width) {
  return pixels.length === area && pixels.every((i) => {
    const x = i % width, y = (i - x) / width;
    return x >= left && x < left + wide && y >= top && y < top + height;
  });
}

function onlyPart(frame) {
  const parts = partsOf(frame);
  return parts.length === 1 ? parts[0] : null;
}
