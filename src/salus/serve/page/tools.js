// What the pointer does on the canvas: move, zoom, window and level; brush, eraser, polygon.

import { emit, state } from "./state.js";

export class Tools {
  constructor(viewer) {
    this.viewer = viewer;
    this.held = new Map();  // pointers that are down: id -> [x, y] on the canvas
    this.stroke = null;     // the mask before the stroke that is being drawn
    this.spaced = false;    // the space bar is held: moving, whatever the tool
    const { canvas } = viewer;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", (event) => this.closePolygon(event.altKey));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  use(tool) {
    state.tool = tool;
    this.viewer.sketch = null;
    this.viewer.canvas.dataset.tool = tool;
    this.viewer.draw();
    emit("tool");
  }

  down(event) {
    const { viewer } = this;
    if (!viewer.frame) return;
    viewer.canvas.setPointerCapture(event.pointerId);
    viewer.canvas.focus({ preventScroll: true, focusVisible: false });
    this.held.set(event.pointerId, [event.clientX, event.clientY]);
    this.windowing = event.button === 2;
    this.moving = event.button === 1 || this.spaced || state.tool === "pan" || this.held.size > 1;
    if (this.held.size > 1) this.cancelStroke();
    if (this.windowing || this.moving) return;
    const at = viewer.inImage(event);
    if (state.tool === "polygon") {
      const [first] = viewer.sketch ?? [];
      const near = first && Math.hypot(first[0] - at[0], first[1] - at[1]) * viewer.scale < 9;
      if (near && viewer.sketch.length > 2) this.closePolygon(event.altKey);
      else viewer.sketch = [...(viewer.sketch ?? []), at];
      viewer.draw();
    } else {
      this.stroke = viewer.frame.mask.slice();
      this.last = at;
      this.dab(at, at);
    }
  }

  moved(event) {
    const { viewer } = this, from = this.held.get(event.pointerId);
    if (!viewer.frame) return;
    this.point(viewer.inImage(event));
    if (!from) return;
    const to = [event.clientX, event.clientY];
    if (this.held.size === 2) this.pinch(event.pointerId, from, to);
    else if (this.windowing) emit("window", to[0] - from[0], to[1] - from[1]);
    else if (this.moving) viewer.move(to[0] - from[0], to[1] - from[1]);
    this.held.set(event.pointerId, to);
    if (this.stroke) {
      for (const one of event.getCoalescedEvents?.() ?? [event]) {
        const at = viewer.inImage(one);
        this.dab(this.last, at);
        this.last = at;
      }
    }
  }

  up(event) {
    this.held.delete(event.pointerId);
    if (!this.stroke) return;
    const before = this.stroke;
    this.stroke = null;
    emit("drawn", before);
  }

  cancelStroke() {
    if (!this.stroke) return;
    this.viewer.frame.mask.set(this.stroke);
    this.stroke = null;
    this.viewer.stale("outline");
  }

  // Two fingers zoom and move.
  pinch(id, from, to) {
    const [other] = [...this.held].filter(([one]) => one !== id).map(([, place]) => place);
    const before = Math.hypot(from[0] - other[0], from[1] - other[1]), after = Math.hypot(to[0] - other[0], to[1] - other[1]);
    const box = this.viewer.canvas.getBoundingClientRect();
    if (before > 1) this.viewer.zoom(after / before, (to[0] + other[0]) / 2 - box.left, (to[1] + other[1]) / 2 - box.top);
    this.viewer.move((to[0] - from[0]) / 2, (to[1] - from[1]) / 2);
  }

  wheel(event) {
    event.preventDefault();
    const box = this.viewer.canvas.getBoundingClientRect();
    this.viewer.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
  }

  point(place) {
    this.viewer.pointer = place;
    if (state.tool !== "pan") this.viewer.draw();
  }

  // Discs along a line, set or cleared.
  dab([x0, y0], [x1, y1]) {
    const { mask, width, height } = this.viewer.frame, value = state.tool === "brush" ? 1 : 0, r = state.size;
    const steps = Math.max(1, Math.ceil((2 * Math.hypot(x1 - x0, y1 - y0)) / r));
    for (let k = 0; k <= steps; k++) {
      const cx = x0 + ((x1 - x0) * k) / steps, cy = y0 + ((y1 - y0) * k) / steps;
      for (let y = Math.max(0, Math.floor(cy - r)); y <= Math.min(height - 1, Math.ceil(cy + r)); y++) {
        for (let x = Math.max(0, Math.floor(cx - r)); x <= Math.min(width - 1, Math.ceil(cx + r)); x++) {
          if ((x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2 <= r * r) mask[y * width + x] = value;
        }
      }
    }
    this.viewer.frame.stale = true;
    this.viewer.stale("outline");
  }

  // Fill the polygon, or with `away` cut it out.
  closePolygon(away = false) {
    const { viewer } = this, points = viewer.sketch;
    viewer.sketch = null;
    viewer.draw();
    if (!points || points.length < 3) return;
    const { mask, width, height } = viewer.frame, before = mask.slice();
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.fill();
    const colours = context.getImageData(0, 0, width, height).data;
    for (let i = 0; i < mask.length; i++) if (colours[4 * i + 3] > 127) mask[i] = away ? 0 : 1;
    viewer.frame.stale = true;
    viewer.stale("outline");
    emit("drawn", before);
  }
}
