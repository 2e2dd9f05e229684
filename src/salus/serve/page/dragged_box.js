// What the pointer does with the prompt tool while it is down: a click is a place, a drag a box.

import { drawBox, pointAt } from "./prompts.js";

const SHORTEST = 5; // CSS pixels in each direction; a shorter drag was a click

export class DraggedBox {
  constructor(viewer, point, outside) {
    Object.assign(this, { viewer, frame: viewer.frame, outside, from: point, to: point });
  }

  get isBox() {
    const { viewer, from, to } = this;
    return viewer.distance(from, [to[0], from[1]]) >= SHORTEST && viewer.distance(from, [from[0], to[1]]) >= SHORTEST;
  }

  move(point) {
    this.to = point;
    this.viewer.box = this.isBox ? [this.from, this.to] : null;
    this.viewer.draw();
  }

  release() {
    this.cancel();
    if (this.viewer.frame !== this.frame) return; // another image is shown by now; nothing of this one can be seen
    if (this.isBox) drawBox(this.from, this.to);
    else pointAt(this.from, this.outside);
  }

  cancel() {
    this.viewer.box = null;
    this.viewer.draw();
  }
}
