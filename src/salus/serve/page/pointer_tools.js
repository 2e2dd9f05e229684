// The pointer on the canvas: move, zoom, window and level; brush, eraser, polygon, calipers; places and boxes of prompts.

import { DraggedBox } from "./dragged_box.js";
import { DraggedCaliper } from "./dragged_caliper.js";
import { eachPixelUnder, MagicBrush } from "./magic_brush.js";
import { clearOutsideRegions } from "./mask_filters.js";
import { showToast } from "./messages.js";
import { DraggedPoint } from "./outline_points.js";
import { isBrush } from "./overlays.js";
import { pointAt } from "./prompts.js";
import { emit, on, state } from "./state.js";

const OUTSIDE = "Only the ultrasound region is outlined; what was drawn outside of it is not kept.";

const STILL = 4; // CSS pixels; a shorter drag with the right button was a click

// With Ctrl (Cmd on a Mac) a click points at a lesion, whatever the tool.
const isPointing = (event) => state.tool === "prompt" || (event.button === 0 && (event.ctrlKey || event.metaKey) && state.info?.prompts);

const isOutside = (event) => state.pointOutside || event.altKey || event.shiftKey;

export class PointerTools {
  constructor(viewer) {
    this.viewer = viewer;
    this.pointers = new Map();    // pointers that are down: id -> [x, y] on the page
    this.stroke = null;           // that is being drawn: its image, its frame, and the mask from before
    this.dragged = null;          // the caliper, box or point of the outline that is being set
    this.spaceHeld = false;       // the space bar is held: moving, whatever the tool
    this.movedBySpace = false;    // it has moved the image since it was pressed
    const { canvas } = viewer;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => this.movePointer(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", (event) => this.closePolygon(event.altKey));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    let frame = null;
    on("frame-changed", () => {
      if (viewer.frame !== frame) this.endDrag(); // a drag belongs to the frame on which it began
      frame = viewer.frame;
    });
  }

  // Whether something is being drawn or set.
  get isDragging() {
    return Boolean(this.stroke || this.dragged);
  }

  use(tool) {
    if (tool === "prompt" && !state.info?.prompts) return;
    state.tool = tool;
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
    viewer.cross = null;
    this.windowing = event.button === 2;
    this.pressed = [event.clientX, event.clientY];
    this.movedBySpace ||= this.spaceHeld;
    const pointing = isPointing(event);
    this.moving = event.button === 1 || this.spaceHeld || (state.tool === "pan" && !pointing) || this.pointers.size > 1;
    if (this.pointers.size > 1) this.cancelStroke();
    if (this.windowing || this.moving) return;
    const point = viewer.toImage(event);
    if (pointing) {
      this.dragged = new DraggedBox(viewer, point, isOutside(event));
    } else if (state.tool === "polygon") {
      const [first] = viewer.polygon ?? [];
      const near = first && viewer.distance(first, point) < 9;
      if (near && viewer.polygon.length > 2) this.closePolygon(event.altKey);
      else viewer.polygon = [...(viewer.polygon ?? []), point];
      viewer.draw();
    } else if (state.tool === "caliper") {
      this.dragged = new DraggedCaliper(viewer, point);
    } else if (state.tool === "points") {
      this.dragged = DraggedPoint.at(viewer, point, (...drawing) => this.finishDrawing(...drawing));
      this.moving = !this.dragged; // beside the outline, the image is moved
    } else {
      const { openCase, frame } = viewer;
      this.stroke = { openCase, frame, before: frame.mask.slice() };
      this.last = point;
      this.magic = state.tool === "magic" ? new MagicBrush(viewer.frame, point, ...this.radii()) : null;
      this.paintLine(point, point);
    }
    if (this.isDragging) emit("drag-begun");
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
    else this.dragged?.move(viewer.toImage(event));
    this.pointers.set(event.pointerId, to);
    if (this.stroke) {
      for (const moment of event.getCoalescedEvents?.() ?? [event]) {
        const point = viewer.toImage(moment);
        this.paintLine(this.last, point);
        this.last = point;
      }
    }
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.windowing && event.type === "pointerup") this.rightClick(event);
    if (event.type === "pointercancel") this.dragged?.cancel(), (this.dragged = null);
    this.endDrag();
  }

  // End what is being drawn or set, as far as it has come.
  endDrag() {
    const { dragged, stroke } = this;
    this.dragged = this.stroke = null;
    dragged?.release();
    if (stroke) this.finishDrawing(stroke.openCase, stroke.frame, stroke.before);
  }

  // The right button let go where it was pressed: with the prompt tool, the place is outside of the lesion.
  rightClick(event) {
    const moved = Math.hypot(event.clientX - this.pressed[0], event.clientY - this.pressed[1]);
    if (state.tool === "prompt" && moved < STILL && this.viewer.frame) pointAt(this.viewer.toImage(event), true);
    this.windowing = false;
  }

  cancelStroke() {
    this.dragged?.cancel();
    this.dragged = null;
    if (!this.stroke) return;
    this.stroke.frame.mask.set(this.stroke.before);
    this.stroke = null;
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

  // Zoom; with Shift, change the size of brush and eraser.
  wheel(event) {
    event.preventDefault();
    const turned = event.deltaY || event.deltaX; // with Shift some systems scroll sideways
    if (event.shiftKey && isBrush(state.tool)) return emit("brush-turned", turned < 0);
    const box = this.viewer.canvas.getBoundingClientRect();
    this.viewer.zoom(Math.exp(-turned * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
  }

  movePointer(position) {
    this.viewer.pointer = position;
    if (state.tool !== "pan") this.viewer.draw();
  }

  // Radius of the brush across and down in pixels of the image; it is round on the screen, also where pixels are not square.
  radii() {
    return this.viewer.pixel.map((side) => state.brushRadius / side);
  }

  // Set or clear discs along a line of the mask.
  paintLine([x0, y0], [x1, y1]) {
    const { frame } = this.stroke, { mask, width, height } = frame, value = state.tool === "eraser" ? 0 : 1, [rx, ry] = this.radii();
    const steps = Math.max(1, Math.ceil(2 * Math.hypot((x1 - x0) / rx, (y1 - y0) / ry)));
    for (let k = 0; k <= steps; k++) {
      const cx = x0 + ((x1 - x0) * k) / steps, cy = y0 + ((y1 - y0) * k) / steps;
      if (this.magic) this.magic.paint([cx, cy], rx, ry);
      else eachPixelUnder([cx, cy], rx, ry, width, height, (i) => (mask[i] = value));
    }
    frame.outdated = true;
    this.viewer.invalidate("outline");
  }

  // Fill the polygon, or with `erase` clear it.
  closePolygon(erase = false) {
    const { viewer } = this, points = viewer.polygon;
    viewer.polygon = null;
    viewer.draw();
    if (!points || points.length < 3) return;
    const { openCase, frame } = viewer, { mask, width, height } = frame, before = mask.slice();
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.fill();
    const colours = context.getImageData(0, 0, width, height).data;
    for (let i = 0; i < mask.length; i++) if (colours[4 * i + 3] > 127) mask[i] = erase ? 0 : 1;
    this.finishDrawing(openCase, frame, before);
  }

  // Change the whole mask by a function of (mask, width, height) that gives another.
  filter(change) {
    const { openCase, frame } = this.viewer;
    if (!frame) return;
    const before = frame.mask.slice();
    frame.mask.set(change(before, frame.width, frame.height));
    this.finishDrawing(openCase, frame, before);
  }

  // Keep what lies within the file's regions, and hand it on; `before` is the frame's mask from before.
  finishDrawing(openCase, frame, before) {
    if (clearOutsideRegions(frame)) showToast(OUTSIDE);
    frame.outdated = true;
    this.viewer.invalidate("outline");
    emit("drawing-done", openCase, frame, before);
  }
}
