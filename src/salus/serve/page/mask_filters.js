// Change a whole mask: keep it within the ultrasound regions, fill its holes, smooth its outline.

import { eachComponent } from "./pixels.js";

// Clear what lies outside the regions of a frame's file, where nothing is stored; true where there was something.
export function clearOutsideRegions({ answer: { regions }, mask, width }) {
  if (!regions.length) return false;
  let cleared = false;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const x = i % width, y = (i - x) / width;
    if (regions.some((r) => y >= r.top && y < r.top + r.height && x >= r.left && x < r.left + r.width)) continue;
    mask[i] = 0;
    cleared = true;
  }
  return cleared;
}

// Fill what is enclosed: background that no path of neighbouring pixels joins to the border.
export function fillHoles(mask, width, height) {
  const outside = new Uint8Array(mask.length), queue = new Int32Array(mask.length);
  let count = 0;
  const add = (i) => {
    if (!mask[i] && !outside[i]) (outside[i] = 1), (queue[count++] = i);
  };
  for (let x = 0; x < width; x++) add(x), add((height - 1) * width + x);
  for (let y = 0; y < height; y++) add(y * width), add(y * width + width - 1);
  for (let k = 0; k < count; k++) {
    const i = queue[k], x = i % width;
    if (x > 0) add(i - 1);
    if (x < width - 1) add(i + 1);
    if (i >= width) add(i - width);
    if (i < mask.length - width) add(i + width);
  }
  return outside.map((value) => 1 - value);
}

// Smooth the outline: a pixel stays where at least half of the square around it is in the mask, averaged twice.
// A part so small that nothing of it would stay is left as it is.
export function smooth(mask, width, height, radius = Math.max(2, Math.round(Math.min(width, height) / 150))) {
  const share = averageSquare(averageSquare(mask, width, height, radius), width, height, radius);
  const result = Uint8Array.from(share, (value) => (value >= 0.5 ? 1 : 0));
  eachComponent(mask, width, height, (pixels) => {
    if (!pixels.some((pixel) => result[pixel])) for (const pixel of pixels) result[pixel] = 1;
  });
  return result;
}

// The mean of each value of an image and of its neighbours in the square around it, `radius` to each side.
export function averageSquare(values, width, height, radius) {
  return averageLines(averageLines(values, height, width, width, 1, radius), width, height, 1, width, radius);
}

// The mean of each value and its `radius` neighbours to either side along a line; at the border the last value counts on.
function averageLines(values, lines, length, lineStep, step, radius) {
  const result = new Float32Array(values.length);
  for (let line = 0; line < lines; line++) {
    const at = (k) => values[line * lineStep + Math.min(length - 1, Math.max(0, k)) * step];
    let sum = 0;
    for (let k = -radius; k <= radius; k++) sum += at(k);
    for (let k = 0; k < length; k++) {
      result[line * lineStep + k * step] = sum / (2 * radius + 1);
      sum += at(k + radius + 1) - at(k - radius);
    }
  }
  return result;
}
