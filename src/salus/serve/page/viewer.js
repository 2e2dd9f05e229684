// The canvas: an image with its layers, outline, lesion numbers and ruler, zoomed and moved.

import { contour } from "./contour.js";
import { greyLayer, heatLayer } from "./layers.js";
import { emit, state } from "./state.js";

const AMBER = "#ffd60a";
const MIN_SCALE = 0.05, MAX_SCALE = 40;

export class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.frame = null;
    this.scale = 1;
    this.left = this.top = 0; // of the image on the canvas, in CSS pixels
    this.fitted = true;
    this.polygon = null;      // a polygon that is being drawn, [[x, y], ...]
    this.pointer = null;      // where the brush is, in pixels of the image
    this.highlighted = null;  // number of the lesion that is pointed at
    this.scheduled = false;   // a repaint is due
    this.corners = new WeakMap(); // lesion -> see `corner`
    new ResizeObserver(() => (this.fitted ? this.fit() : this.draw())).observe(canvas);
  }

  show(frame) {
    const same = frame && this.frame && frame.width === this.frame.width && frame.height === this.frame.height;
    this.frame = frame;
    this.layers = {};
    this.outlinePath = null;
    if (!same) this.fit();
    this.draw();
  }

  // Have a layer made again: "grey", "probability", "saliency", or "outline" where the mask changed.
  invalidate(name) {
    if (name === "outline") this.outlinePath = null;
    else delete this.layers?.[name];
    this.draw();
  }

  fit() {
    this.fitted = true;
    const { clientWidth, clientHeight } = this.canvas;
    if (this.frame && clientWidth) {
      const { width, height } = this.frame;
      this.scale = Math.min((clientWidth - 24) / width, (clientHeight - 24) / height);
      this.left = (clientWidth - width * this.scale) / 2;
      this.top = (clientHeight - height * this.scale) / 2;
    }
    this.draw();
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  move(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.fitted = false;
    this.draw();
  }

  // Zoom to a box (top, left, height, width) of the image.
  zoomTo([top, left, height, width]) {
    const { clientWidth, clientHeight } = this.canvas;
    this.scale = Math.min(MAX_SCALE, clientWidth / (width * 2.2), clientHeight / (height * 2.2));
    this.left = clientWidth / 2 - (left + width / 2) * this.scale;
    this.top = clientHeight / 2 - (top + height / 2) * this.scale;
    this.fitted = false;
    this.draw();
  }

  // The pixel of the image at a pointer event.
  toImage(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left - this.left) / this.scale, (event.clientY - box.top - this.top) / this.scale];
  }

  draw() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.paint();
    });
  }

  paint() {
    const { canvas, context, frame } = this, ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) (canvas.width = width), (canvas.height = height);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    emit("zoom-changed", frame ? this.scale : null);
    if (!frame) return;
    const { display } = state;
    context.setTransform(ratio * this.scale, 0, 0, ratio * this.scale, ratio * this.left, ratio * this.top);
    context.imageSmoothingEnabled = this.scale < 6;
    context.imageSmoothingQuality = "high";
    context.drawImage((this.layers.grey ??= greyLayer(frame, display.window, display.level)), 0, 0);
    for (const kind of ["saliency", "probability"]) {
      if (!display[kind] || !frame[kind]) continue;
      context.globalAlpha = display[kind];
      context.drawImage((this.layers[kind] ??= heatLayer(frame[kind], frame.width, frame.height, kind)), 0, 0);
    }
    context.globalAlpha = 1;
    if (display.outline) this.drawOutline();
    this.drawTool();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (display.outline) this.drawNumbers();
    this.drawRuler();
  }

  drawOutline() {
    const { context, frame } = this;
    this.outlinePath ??= contour(frame.mask, frame.width, frame.height);
    if (state.display.fill) {
      context.globalAlpha = state.display.fill;
      context.fillStyle = AMBER;
      context.fill(this.outlinePath, "evenodd");
      context.globalAlpha = 1;
    }
    context.lineJoin = "round";
    for (const [colour, width] of [["rgba(0,0,0,.55)", 3.6], [AMBER, 1.8]]) {
      context.strokeStyle = colour;
      context.lineWidth = width / this.scale;
      context.stroke(this.outlinePath);
    }
  }

  // The brush's circle, the polygon so far.
  drawTool() {
    const { context, pointer } = this;
    context.lineWidth = 1.3 / this.scale;
    if (pointer && (state.tool === "brush" || state.tool === "eraser")) {
      context.strokeStyle = state.tool === "brush" ? "#ffffff" : "#ff8a80";
      context.beginPath();
      context.arc(...pointer, state.brushRadius, 0, 7);
      context.stroke();
    }
    if (!this.polygon?.length) return;
    context.strokeStyle = context.fillStyle = "#ffffff";
    context.beginPath();
    for (const point of this.polygon) context.lineTo(...point);
    if (pointer) context.lineTo(...pointer);
    context.stroke();
    for (const point of this.polygon) {
      context.beginPath();
      context.arc(...point, 3 / this.scale, 0, 7);
      context.fill();
    }
  }

  // Each lesion's number, to the upper right of it; not while the measurements are of an earlier outline.
  drawNumbers() {
    const { context, frame } = this;
    if (frame.outdated) return;
    context.font = "600 12px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const lesion of frame.answer.lesions) {
      const { number } = lesion, [column, row] = this.corner(lesion);
      const x = this.left + column * this.scale + 12, y = this.top + row * this.scale - 12;
      context.fillStyle = number === this.highlighted ? "#ffffff" : AMBER;
      context.beginPath();
      context.arc(x, y, 10, 0, 7);
      context.fill();
      context.fillStyle = "#1c1600";
      context.fillText(number, x, y + 1);
    }
  }

  // The pixel of a lesion that lies most to the upper right.
  corner(lesion) {
    const cached = this.corners.get(lesion);
    if (cached) return cached;
    const { mask, width } = this.frame, [top, left, high, wide] = lesion.box;
    let corner = [left + wide, top], best = -Infinity;
    for (let y = top; y < top + high; y++) {
      for (let x = left; x < left + wide; x++) if (mask[y * width + x] && x - y > best) (best = x - y), (corner = [x + 1, y]);
    }
    this.corners.set(lesion, corner);
    return corner;
  }

  // A ruler of a round number of millimetres, where the image is calibrated.
  drawRuler() {
    const { context, canvas, frame } = this, step = spacing(frame.answer);
    if (!step) return;
    const length = (mm) => (mm / step[1]) * this.scale;
    const mm = [50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1].find((candidate) => length(candidate) <= 150);
    if (!mm) return;
    const right = canvas.clientWidth - 16, left = right - length(mm), y = canvas.clientHeight - 16;
    context.beginPath();
    for (const [x, dy] of [[left, -6], [left, 0], [right, 0], [right, -6]]) context.lineTo(x, y + dy);
    for (const [colour, width] of [["rgba(0,0,0,.7)", 4], ["#dfe6ec", 1.6]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0,0,0,.7)";
    context.fillStyle = "#dfe6ec";
    context.strokeText(`${mm} mm`, (left + right) / 2, y - 5);
    context.fillText(`${mm} mm`, (left + right) / 2, y - 5);
  }
}

// (row, column) size of a pixel in mm, of the image or of its first region; null where neither is known.
export const spacing = ({ spacing: whole, regions }) => whole ?? regions[0]?.spacing ?? null;
