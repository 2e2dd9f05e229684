// The two diameters of a lesion as lines: the longest, and the greatest extent at right angles to it.
// The same rule as the server's measurements (docs/reference/measurements.md), on the corners of the mask's pixels.

import { eachComponent } from "./pixels.js";

const cache = new WeakMap(); // lesion -> lines

// Two lines [x0, y0, x1, y1] in pixels of the image; none where the lesion is no longer in the mask.
export function lesionCalipers(frame, lesion, pixelSize) {
  if (!cache.has(lesion)) cache.set(lesion, findCalipers(frame, lesion, pixelSize ?? [1, 1]));
  return cache.get(lesion);
}

function findCalipers({ mask, width }, { box: [top, left, high, wide], area_px: area }, [down, right]) {
  const crop = new Uint8Array(high * wide);
  for (let y = 0; y < high; y++) crop.set(mask.subarray((top + y) * width + left, (top + y) * width + left + wide), y * wide);
  let corners = null;
  eachComponent(crop, wide, high, (pixels) => {
    if (pixels.length === area) corners ??= rowEnds(pixels, wide);
  });
  if (!corners) return [];
  const hull = convexHull(corners.map(([x, y]) => [x * right, y * down]));
  let longest = 0, a = hull[0], b = hull[0];
  for (const p of hull) {
    for (const q of hull) {
      const length = Math.hypot(p[0] - q[0], p[1] - q[1]);
      if (length > longest) (longest = length), (a = p), (b = q);
    }
  }
  const along = [(b[0] - a[0]) / longest, (b[1] - a[1]) / longest], across = [-along[1], along[0]];
  const project = (p, axis) => (p[0] - a[0]) * axis[0] + (p[1] - a[1]) * axis[1];
  const sides = hull.map((p) => [project(p, across), project(p, along)]).sort((p, q) => p[0] - q[0]);
  const [low, lowAt] = sides[0], [far, farAt] = sides.at(-1), middle = (lowAt + farAt) / 2;
  const point = (t, s) => [a[0] + t * along[0] + s * across[0], a[1] + t * along[1] + s * across[1]];
  const toImage = ([x, y]) => [left + x / right, top + y / down];
  return [[a, b], [point(middle, low), point(middle, far)]].map((line) => line.flatMap(toImage));
}

// Of each row the outer corners of its first and last pixel; they hold the hull.
function rowEnds(pixels, width) {
  const ends = new Map(); // row -> [first column, column after the last]
  for (const pixel of pixels) {
    const x = pixel % width, y = (pixel - x) / width, end = ends.get(y);
    if (!end) ends.set(y, [x, x + 1]);
    else (end[0] = Math.min(end[0], x)), (end[1] = Math.max(end[1], x + 1));
  }
  return [...ends].flatMap(([y, columns]) => columns.flatMap((x) => [[x, y], [x, y + 1]]));
}

// Andrew's monotone chain.
function convexHull(points) {
  const sorted = points.sort((p, q) => p[0] - q[0] || p[1] - q[1]);
  const half = (list) => {
    const chain = [];
    for (const p of list) {
      while (chain.length > 1 && turn(chain.at(-2), chain.at(-1), p) <= 0) chain.pop();
      chain.push(p);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

const turn = (o, p, q) => (p[0] - o[0]) * (q[1] - o[1]) - (p[1] - o[1]) * (q[0] - o[0]);
