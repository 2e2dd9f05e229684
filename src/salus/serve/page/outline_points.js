// Points on the outline that a reader drags: the outline between the neighbouring points follows, the rest stays as it is.

import { traceLoops } from "./contour.js";

const SPACING = 30, FEWEST = 6, MOST = 16; // pixel sides between two points of a loop, and how many points it has
const SHORTEST = 16; // pixel sides; a shorter loop has no points
const NEAR_POINT = 12, NEAR_OUTLINE = 6; // CSS pixels in which a press takes hold of a point, or of the outline between

// The loops of a mask's outline: { corners: [[x, y], ...], reach, points: [index, ...] }; `reach` is the number of corners from one
// point to the next.
export function findLoops(mask, width, height) {
  return traceLoops(mask, width, height).filter((corners) => corners.length >= SHORTEST).map((corners) => {
    const count = Math.min(MOST, Math.max(FEWEST, Math.round(corners.length / SPACING))), reach = corners.length / count;
    return { corners, reach, points: Array.from({ length: count }, (_, k) => Math.round(k * reach)) };
  });
}

export class DraggedPoint {
  // Take hold of the point at a place of the image, or of the outline there; null where neither is near.
  static at(viewer, place, finish) {
    let best = null;
    for (const loop of viewer.loops()) {
      const isPoint = new Set(loop.points);
      loop.corners.forEach((corner, i) => {
        const limit = isPoint.has(i) ? NEAR_POINT : NEAR_OUTLINE, share = viewer.distance(corner, place) / limit;
        if (share < Math.min(1, best?.share ?? 1)) best = { loop, i, share };
      });
    }
    return best && new DraggedPoint(viewer, place, best, finish);
  }

  constructor(viewer, place, { loop, i }, finish) {
    const { openCase, frame } = viewer, { mask, width, height } = frame;
    Object.assign(this, { viewer, openCase, frame, place, loop, i, finish, before: mask.slice(), value: isHole(loop.corners) ? 0 : 1 });
    this.filled = fill(loop.corners, width, height);
  }

  move([x, y]) {
    const { viewer, frame, place, before, filled, value } = this, moved = this.shifted(x - place[0], y - place[1]);
    const inside = fill(moved, frame.width, frame.height);
    for (let k = 0; k < before.length; k++) frame.mask[k] = inside[k] === filled[k] ? before[k] : inside[k] ? value : 1 - value;
    frame.outdated = true;
    viewer.invalidate("outline");
  }

  // The loop with its corners shifted: as far as the pointer at the place that is held, less and less up to the next points.
  shifted(dx, dy) {
    const { corners, reach } = this.loop, n = corners.length;
    return corners.map(([x, y], k) => {
      const apart = Math.min((k - this.i + n) % n, (this.i - k + n) % n);
      const share = apart < reach ? (1 + Math.cos((Math.PI * apart) / reach)) / 2 : 0;
      return [x + share * dx, y + share * dy];
    });
  }

  release() {
    if (this.frame.mask.some((value, k) => value !== this.before[k])) this.finish(this.openCase, this.frame, this.before);
  }

  cancel() {
    this.frame.mask.set(this.before);
    this.viewer.invalidate("outline");
  }
}

// Whether a loop goes around a hole; traceLoops has the tumour to the right of its direction.
function isHole(corners) {
  const area = corners.reduce((sum, [x, y], i) => {
    const [u, v] = corners[(i + 1) % corners.length];
    return sum + x * v - u * y;
  }, 0);
  return area < 0;
}

// The pixels within a closed line, 1 inside, 0 outside.
function fill(corners, width, height) {
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d", { willReadFrequently: true });
  context.beginPath();
  for (const corner of corners) context.lineTo(...corner);
  context.fill();
  const colours = context.getImageData(0, 0, width, height).data, inside = new Uint8Array(width * height);
  for (let i = 0; i < inside.length; i++) inside[i] = colours[4 * i + 3] > 127 ? 1 : 0;
  return inside;
}
