// Trace the edge of a mask as a smooth closed path, in the image's pixels. Only the drawing is smoothed, not the mask.

const SMOOTHING = 2; // neighbours to either side that a corner is averaged with

export function contour(mask, width, height) {
  const path = new Path2D();
  for (const loop of traceLoops(mask, width, height)) addLoop(path, loop.length < 24 ? loop : smoothLoop(loop));
  return path;
}

// Closed loops of pixel corners, with the tumour to the right of the direction.
export function traceLoops(mask, width, height) {
  const row = width + 1;
  const next = new Map(); // corner -> corners that follow
  const add = (from, to) => (next.has(from) ? next.get(from).push(to) : next.set(from, [to]));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (!mask[i]) continue;
      const corner = y * row + x;
      if (y === 0 || !mask[i - width]) add(corner, corner + 1);
      if (x === width - 1 || !mask[i + 1]) add(corner + 1, corner + 1 + row);
      if (y === height - 1 || !mask[i + width]) add(corner + 1 + row, corner + row);
      if (x === 0 || !mask[i - 1]) add(corner + row, corner);
    }
  }
  const loops = [];
  for (const [start, followers] of next) {
    while (followers.length) {
      const loop = [];
      let corner = start;
      do {
        loop.push([corner % row, Math.floor(corner / row)]);
        corner = next.get(corner).pop();
      } while (corner !== start);
      loops.push(loop);
    }
  }
  return loops;
}

function smoothLoop(loop) {
  const n = loop.length;
  return loop.map((_, i) => {
    let x = 0, y = 0;
    for (let k = -SMOOTHING; k <= SMOOTHING; k++) {
      const [u, v] = loop[(i + k + n) % n];
      x += u;
      y += v;
    }
    return [x / (2 * SMOOTHING + 1), y / (2 * SMOOTHING + 1)];
  });
}

function addLoop(path, loop) {
  const n = loop.length;
  const middle = (i) => [(loop[i][0] + loop[(i + 1) % n][0]) / 2, (loop[i][1] + loop[(i + 1) % n][1]) / 2];
  path.moveTo(...middle(n - 1));
  for (let i = 0; i < n; i++) path.quadraticCurveTo(...loop[i], ...middle(i));
  path.closePath();
}
