// A caliper while it is dragged: a new one, or an end of one that is there.

import { handCalipers, setCalipers } from "./marks.js";

const GRAB = 10; // CSS pixels from an end
const SHORTEST = 4; // CSS pixels; a shorter one was a click

export class DraggedCaliper {
  constructor(viewer, point) {
    this.viewer = viewer;
    this.openCase = viewer.openCase;
    this.frame = viewer.frame;
    this.number = this.frame.number;
    this.before = handCalipers(this.openCase, this.number);
    this.lines = this.before.map((line) => [...line]);
    for (const line of this.lines) {
      for (const end of [0, 2]) if (!this.line && viewer.distance(line.slice(end, end + 2), point) < GRAB) (this.line = line), (this.side = end);
    }
    if (this.line) return;
    this.line = [...point, ...point];
    this.side = 2;
    this.lines.push(this.line);
  }

  move([x, y]) {
    const { width, height } = this.frame;
    this.line[this.side] = Math.min(width, Math.max(0, x));
    this.line[this.side + 1] = Math.min(height, Math.max(0, y));
    setCalipers(this.openCase, this.number, this.lines);
  }

  // Let go; what was only a click leaves nothing behind.
  release() {
    const short = this.viewer.distance(this.line.slice(0, 2), this.line.slice(2)) < SHORTEST;
    if (short) setCalipers(this.openCase, this.number, this.lines.filter((line) => line !== this.line));
  }

  cancel() {
    setCalipers(this.openCase, this.number, this.before);
  }
}
