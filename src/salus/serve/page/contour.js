// The edge of a mask as a smooth closed path, in the image's pixels. The drawing is smoothed, the mask is not.

const SMOOTH = 2; // corners to either side that a corner is averaged with

export function contour(mask, width, height) {
  const path = new Path2D();
  for (const loop of loops(mask, width, height)) draw(path, loop.length < 24 ? loop : averaged(loop));
  return path;
}

// Closed chains of pixel corners, tumour on the right of the way.
function loops(mask, width, height) {
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
  const found = [];
  for (const [start, follow] of next) {
    while (follow.length) {
      const loop = [];
      let at = start;
      do {
        loop.push([at % row, Math.floor(at / row)]);
        at = next.get(at).pop();
      } while (at !== start);
      found.push(loop);
    }
  }
  return found;
}

function averaged(loop) {
  const n = loop.length;
  return loop.map((_, i) => {
    let x = 0, y = 0;
    for (let k = -SMOOTH; k <= SMOOTH; k++) {
      const [u, v] = loop[(i + k + n) % n];
      x += u;
      y += v;
    }
    return [x / (2 * SMOOTH + 1), y / (2 * SMOOTH + 1)];
  });
}

function draw(path, loop) {
  const n = loop.length;
  const middle = (i) => [(loop[i][0] + loop[(i + 1) % n][0]) / 2, (loop[i][1] + loop[(i + 1) % n][1]) / 2];
  path.moveTo(...middle(n - 1));
  for (let i = 0; i < n; i++) path.quadraticCurveTo(...loop[i], ...middle(i));
  path.closePath();
}
