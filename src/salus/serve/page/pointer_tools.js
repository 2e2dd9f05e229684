// The pointer on the canvas: move, zoom, window and level; brush, eraser, polygon.

import { emit, state } from "./state.js";

export class PointerTools {
  constructor(viewer) {
    this.viewer = viewer;
    this.pointers = new Map();    // pointers that are down: id -> [x, y] on the page
    this.maskBefore = null;       // the mask from before the stroke that is being drawn
    this.spaceHeld = false;       // the space bar is held: moving, whatever the tool
    const { canvas } = viewer;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => this.movePointer(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", (event) => this.closePolygon(event.altKey));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  use(tool) {
    state.tool = tool;
    this.viewer.polygon = null;
    this.viewer.canvas.dataset.tool = tool;
    this.viewer.draw();
    emit("tool-changed");
  }

  down(event) {
    const { viewer } = this;
    if (!viewer.frame) return;
    viewer.canvas.setPointerCapture(event.pointerId);
    viewer.canvas.focus({ preventScroll: true, focusVisible: false });
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.windowing = event.button === 2;
    this.moving = event.button === 1 || this.spaceHeld || state.tool === "pan" || this.pointers.size > 1;
    if (this.pointers.size > 1) this.cancelStroke();
    if (this.windowing || this.moving) return;
    const point = viewer.toImage(event);
    if (state.tool === "polygon") {
      const [first] = viewer.polygon ?? [];
      const near = first && Math.hypot(first[0] - point[0], first[1] - point[1]) * viewer.scale < 9;
      if (near && viewer.polygon.length > 2) this.closePolygon(event.altKey);
      else viewer.polygon = [...(viewer.polygon ?? []), point];
      viewer.draw();
    } else {
      this.maskBefore = viewer.frame.mask.slice();
      this.last = point;
      this.paintLine(point, point);
    }
  }

  move(event) {
    const { viewer } = this, from = this.pointers.get(event.pointerId);
    if (!viewer.frame) return;
    this.movePointer(viewer.toImage(event));
    if (!from) return;
    const to = [event.clientX, event.clientY];
    if (this.pointers.size === 2) this.pinch(event.pointerId, from, to);
    else if (this.windowing) emit("window-dragged", to[0] - from[0], to[1] - from[1]);
    else if (this.moving) viewer.move(to[0] - from[0], to[1] - from[1]);
    this.pointers.set(event.pointerId, to);
    if (this.maskBefore) {
      for (const moment of event.getCoalescedEvents?.() ?? [event]) {
        const point = viewer.toImage(moment);
        this.paintLine(this.last, point);
        this.last = point;
      }
    }
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (!this.maskBefore) return;
    const before = this.maskBefore;
    this.maskBefore = null;
    emit("drawing-done", before);
  }

  cancelStroke() {
    if (!this.maskBefore) return;
    this.viewer.frame.mask.set(this.maskBefore);
    this.maskBefore = null;
    this.viewer.invalidate("outline");
  }

  // Two fingers zoom and move.
  pinch(id, from, to) {
    const [other] = [...this.pointers].filter(([pointer]) => pointer !== id).map(([, position]) => position);
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

  movePointer(position) {
    this.viewer.pointer = position;
    if (state.tool !== "pan") this.viewer.draw();
  }

  // Set or clear discs along a line of the mask.
  paintLine([x0, y0], [x1, y1]) {
    const { mask, width, height } = this.viewer.frame, value = state.tool === "brush" ? 1 : 0, r = state.brushRadius;
    const steps = Math.max(1, Math.ceil((2 * Math.hypot(x1 - x0, y1 - y0)) / r));
    for (let k = 0; k <= steps; k++) {
      const cx = x0 + ((x1 - x0) * k) / steps, cy = y0 + ((y1 - y0) * k) / steps;
      for (let y = Math.max(0, Math.floor(cy - r)); y <= Math.min(height - 1, Math.ceil(cy + r)); y++) {
        for (let x = Math.max(0, Math.floor(cx - r)); x <= Math.min(width - 1, Math.ceil(cx + r)); x++) {
          if ((x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2 <= r * r) mask[y * width + x] = value;
        }
      }
    }
    this.viewer.frame.outdated = true;
    this.viewer.invalidate("outline");
  }

  // Fill the polygon, or with `erase` clear it.
  closePolygon(erase = false) {
    const { viewer } = this, points = viewer.polygon;
    viewer.polygon = null;
    viewer.draw();
    if (!points || points.length < 3) return;
    const { mask, width, height } = viewer.frame, before = mask.slice();
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.fill();
    const colours = context.getImageData(0, 0, width, height).data;
    for (let i = 0; i < mask.length; i++) if (colours[4 * i + 3] > 127) mask[i] = erase ? 0 : 1;
    viewer.frame.outdated = true;
    viewer.invalidate("outline");
    emit("drawing-done", before);
  }
}
