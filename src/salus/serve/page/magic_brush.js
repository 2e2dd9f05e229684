// A brush that paints only what is as grey as the place where the stroke began, and joined with the middle of the brush.

import { averageSquare } from "./mask_filters.js";

const BLUR = 1 / 120; // of the shorter side: grey values are averaged over so far to each side, twice, so that speckle does not stop the brush
const LEAST_SPREAD = 8, SPREADS = 2.5; // grey values that count as equal: so many standard deviations, no fewer than so many of 255

const blurred = new WeakMap(); // frame -> averaged grey values

export class MagicBrush {
  // Begin a stroke at a place [x, y] with a brush of radius rx, ry in pixels.
  constructor(frame, place, rx, ry) {
    this.frame = frame;
    if (!blurred.has(frame)) blurred.set(frame, blur(frame));
    this.grey = blurred.get(frame);
    let count = 0, sum = 0, squares = 0;
    eachPixelUnder(place, rx / 2, ry / 2, frame.width, frame.height, (i) => {
      count++;
      sum += this.grey[i];
      squares += this.grey[i] ** 2;
    });
    this.level = sum / count;
    this.spread = Math.max(LEAST_SPREAD, SPREADS * Math.sqrt(Math.max(0, squares / count - this.level ** 2)));
  }

  // Set the pixels of the mask under the brush at a place.
  paint(place, rx, ry) {
    const { frame: { mask, width, height } } = this, allowed = new Set(), [x, y] = place.map(Math.floor);
    eachPixelUnder(place, rx, ry, width, height, (i) => Math.abs(this.grey[i] - this.level) <= this.spread && allowed.add(i));
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const waiting = [y * width + x];
    while (waiting.length) {
      const i = waiting.pop();
      if (!allowed.delete(i)) continue;
      mask[i] = 1;
      if (i % width) waiting.push(i - 1);
      if ((i + 1) % width) waiting.push(i + 1);
      waiting.push(i - width, i + width);
    }
  }
}

function blur({ image, width, height }) {
  const radius = Math.max(1, Math.round(BLUR * Math.min(width, height)));
  return averageSquare(averageSquare(image, width, height, radius), width, height, radius);
}

// Call `visit` with the index of each pixel under a brush of radius rx, ry at a place of an image; where a small brush
// lies over no pixel's centre, with that of the pixel at the place.
export function eachPixelUnder([cx, cy], rx, ry, width, height, visit) {
  let isAny = false;
  for (let y = Math.max(0, Math.floor(cy - ry)); y <= Math.min(height - 1, Math.ceil(cy + ry)); y++) {
    for (let x = Math.max(0, Math.floor(cx - rx)); x <= Math.min(width - 1, Math.ceil(cx + rx)); x++) {
      if (((x + 0.5 - cx) / rx) ** 2 + ((y + 0.5 - cy) / ry) ** 2 > 1) continue;
      visit(y * width + x);
      isAny = true;
    }
  }
  const [x, y] = [Math.floor(cx), Math.floor(cy)];
  if (!isAny && x >= 0 && y >= 0 && x < width && y < height) visit(y * width + x);
}
