// Undo and redo for a mask. Of each change the rectangle that differs, the threshold and what was pointed at are kept,
// before and after; whether it took a saved outline back; and the lesion of an answer that it rejected.

const MAX_CHANGES = 200;

export class UndoHistory {
  constructor() {
    this.past = [];
    this.future = [];
  }

  // Record the change from `before` to `after`; false where they are equal, nothing saved was taken back and nothing else
  // was pointed at. `prompted`: of the frame before and after (see prompt_outline.js), null where it stays.
  record(before, after, width, thresholds = null, tookBack = false, prompted = null) {
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
    if (bottom < 0 && !tookBack && (!prompted || prompted[0] === prompted[1])) return false;
    const box = bottom < 0 ? { top: 0, left: 0, width: 0, height: 0 } : { top, left, width: right - left + 1, height: bottom - top + 1 };
    this.past.push({ box, before: copyBox(before, width, box), after: copyBox(after, width, box), thresholds, tookBack, prompted });
    if (this.past.length > MAX_CHANGES) this.past.shift();
    this.future = [];
    return true;
  }

  // Note that the last change rejected a lesion.
  markRejection(lesion) {
    this.past.at(-1).rejected = lesion;
  }

  // Undo or redo the last change of a frame; gives the change, null where there is none.
  undo(frame) {
    return apply(frame, this.past, this.future, "before", 0);
  }

  redo(frame) {
    return apply(frame, this.future, this.past, "after", 1);
  }
}

function apply(frame, from, to, side, which) {
  const change = from.pop();
  if (!change) return null;
  to.push(change);
  pasteBox(frame.mask, frame.width, change.box, change[side]);
  if (change.thresholds) frame.threshold = change.thresholds[which];
  if (change.prompted) frame.prompted = change.prompted[which];
  return change;
}

function copyBox(mask, width, box) {
  const values = new Uint8Array(box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const from = (box.top + y) * width + box.left;
    values.set(mask.subarray(from, from + box.width), y * box.width);
  }
  return values;
}

function pasteBox(mask, width, box, values) {
  for (let y = 0; y < box.height; y++) {
    mask.set(values.subarray(y * box.width, (y + 1) * box.width), (box.top + y) * width + box.left);
  }
}
