// Undo and redo of a mask: of each change the rectangle that differs, and the threshold, before and after.

const DEPTH = 200;

export class History {
  constructor() {
    this.past = [];
    this.future = [];
  }

  // Keep what turned `before` into `after`; false where nothing did.
  keep(before, after, width, thresholds = null) {
    const height = before.length / width;
    let top = height, bottom = -1, left = width, right = -1;
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        if (before[i] === after[i]) continue;
        top = Math.min(top, y);
        bottom = y;
        left = Math.min(left, x);
        right = Math.max(right, x);
      }
    }
    if (bottom < 0) return false;
    const box = { top, left, width: right - left + 1, height: bottom - top + 1 };
    this.past.push({ box, before: part(before, width, box), after: part(after, width, box), thresholds });
    if (this.past.length > DEPTH) this.past.shift();
    this.future = [];
    return true;
  }

  // Both change a frame, and give whether there was anything to do.
  undo(frame) {
    return step(frame, this.past, this.future, "before", 0);
  }

  redo(frame) {
    return step(frame, this.future, this.past, "after", 1);
  }
}

function step(frame, from, to, side, which) {
  const change = from.pop();
  if (!change) return false;
  to.push(change);
  put(frame.mask, frame.width, change.box, change[side]);
  if (change.thresholds) frame.threshold = change.thresholds[which];
  return true;
}

function part(mask, width, box) {
  const kept = new Uint8Array(box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const from = (box.top + y) * width + box.left;
    kept.set(mask.subarray(from, from + box.width), y * box.width);
  }
  return kept;
}

function put(mask, width, box, kept) {
  for (let y = 0; y < box.height; y++) {
    mask.set(kept.subarray(y * box.width, (y + 1) * box.width), (box.top + y) * width + box.left);
  }
}
