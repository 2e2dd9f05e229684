// The canvas: an image with its layers and what lies over it, zoomed and moved.

import * as api from "./api.js";
import { spacing } from "./calibration.js";
import { contour } from "./contour.js";
import { greyLayer, heatLayer } from "./layers.js";
import { keepSketch, keptSketch } from "./marks.js";
import { findLoops } from "./outline_points.js";
import * as overlays from "./overlays.js";
import { decodeGrey } from "./pixels.js";
import { drawPrompts } from "./prompt_marks.js";
import { emit, state } from "./state.js";

const MIN_SCALE = 0.05, MAX_SCALE = 40;
const WHOLE_RANGE = { window: 255, level: 128, invert: false };
const SQUARE = 0.005; // pixels whose sides differ by a smaller share are drawn square

export class Viewer {
  // `beside`: it shows a second image, which is only looked at.
  constructor(canvas, beside = false) {
    this.canvas = canvas;
    this.beside = beside;
    this.openCase = null;     // of the frame
    this.context = canvas.getContext("2d");
    this.frame = null;
    this.scale = 1;           // CSS pixels to a display unit, the shorter side of a pixel of the image
    this.pixel = [1, 1];      // width and height of a pixel of the image in display units
    this.left = this.top = 0; // of the image on the canvas, in CSS pixels
    this.shape = null;        // width, height and pixel shape of the last image
    this.fitted = true;
    this.pointer = null;      // where the brush is, in pixels of the image
    this.box = null;          // a box that is being dragged: two corners
    this.cross = null;        // the place that the keys move, in pixels of the image
    this.highlighted = null;  // number of the lesion that the list points at
    this.selected = null;     // number of the lesion that was chosen in the list
    this.comparing = false;   // the network's outline is shown in place of the reader's
    this.size = [0, 0];       // width and height that are painted on, in CSS pixels
    this.scheduled = false;   // a repaint is due
    this.corners = new WeakMap(); // lesion -> see `corner`
    new ResizeObserver(() => (this.fitted ? this.fit() : this.draw())).observe(canvas);
  }

  show(frame, openCase = state.current) {
    this.frame = frame;
    this.openCase = openCase;
    this.layers = {};
    this.paths = {};
    this.box = this.cross = this.highlighted = this.selected = null;
    if (!frame) return this.draw();
    this.pixel = pixelShape(frame.answer);
    const shape = `${[frame.width, frame.height, ...this.pixel]}`;
    if (shape !== this.shape) this.fit(); // images of one size keep the zoom
    this.shape = shape;
    this.draw();
  }

  // A polygon that is being drawn, [[x, y], ...]; it stays with its frame, also after a reload, until it is closed or dropped.
  get polygon() {
    return this.frame && keptSketch(this.openCase, this.frame.number);
  }

  set polygon(points) {
    if (this.frame) keepSketch(this.openCase, this.frame.number, points);
  }

  // Have a layer made again: "grey", "probability", "saliency", or "outline" where the mask changed.
  invalidate(name) {
    if (name === "outline") for (const path of ["outline", "loops"]) delete this.paths?.[path];
    else delete this.layers?.[name];
    this.draw();
  }

  fit() {
    this.fitted = true;
    const { clientWidth, clientHeight } = this.canvas;
    if (this.frame && clientWidth) {
      const width = this.frame.width * this.pixel[0], height = this.frame.height * this.pixel[1];
      this.scale = Math.max(MIN_SCALE, Math.min((clientWidth - 24) / width, (clientHeight - 24) / height));
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

  // Move the cross of the keys by CSS pixels, within the image; it begins in the middle of what is seen.
  moveCross(dx, dy) {
    const { canvas, frame, pixel: [w, h] } = this, inside = (value, size) => Math.min(size - 1, Math.max(0, value));
    const [x, y] = this.cross ?? [(canvas.clientWidth / 2 - this.left) / (this.scale * w), (canvas.clientHeight / 2 - this.top) / (this.scale * h)];
    this.cross = [inside(x + dx / (this.scale * w), frame.width), inside(y + dy / (this.scale * h), frame.height)];
    this.draw();
  }

  // Zoom to a box (top, left, height, width) of the image.
  zoomTo([top, left, height, width]) {
    const { clientWidth, clientHeight } = this.canvas, [w, h] = this.pixel;
    this.scale = Math.min(MAX_SCALE, clientWidth / (width * w * 2.2), clientHeight / (height * h * 2.2));
    this.left = clientWidth / 2 - (left + width / 2) * w * this.scale;
    this.top = clientHeight / 2 - (top + height / 2) * h * this.scale;
    this.fitted = false;
    this.draw();
  }

  // The pixel of the image at a pointer event.
  toImage(event) {
    const box = this.canvas.getBoundingClientRect(), [w, h] = this.pixel;
    return [(event.clientX - box.left - this.left) / (this.scale * w), (event.clientY - box.top - this.top) / (this.scale * h)];
  }

  // Where a pixel of the image lies on the canvas, in CSS pixels.
  toScreen([x, y]) {
    return [this.left + x * this.scale * this.pixel[0], this.top + y * this.scale * this.pixel[1]];
  }

  // The distance of two pixels of the image on the canvas, in CSS pixels.
  distance(from, to) {
    return Math.hypot((from[0] - to[0]) * this.pixel[0], (from[1] - to[1]) * this.pixel[1]) * this.scale;
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
    if (!this.beside) emit("zoom-changed", frame ? this.scale : null);
    this.size = [canvas.clientWidth, canvas.clientHeight];
    if (frame) this.paintFrame(ratio);
  }

  // The whole image with what lies over it, `width` CSS pixels wide, twice as fine; for paper.
  picture(width) {
    const { context, scale, left, top, size } = this, { frame, pixel: [w, h] } = this, canvas = document.createElement("canvas");
    this.scale = width / (frame.width * w);
    this.left = this.top = 0;
    this.size = [width, frame.height * h * this.scale];
    [canvas.width, canvas.height] = this.size.map((length) => Math.round(2 * length));
    this.context = canvas.getContext("2d");
    this.paintFrame(2);
    Object.assign(this, { context, scale, left, top, size });
    return canvas;
  }

  paintFrame(ratio) {
    const { context } = this;
    const scale = ratio * this.scale, left = ratio * this.left, top = ratio * this.top;
    context.setTransform(scale * this.pixel[0], 0, 0, scale * this.pixel[1], left, top);
    this.drawLayers();
    context.setTransform(scale, 0, 0, scale, left, top);
    if (!this.beside) overlays.drawRegions(this);
    overlays.drawOutlines(this);
    if (!this.beside) overlays.drawTool(this);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    overlays.drawCalipers(this);
    if (!this.beside) overlays.drawPoints(this);
    overlays.drawNumbers(this);
    if (!this.beside) drawPrompts(this);
    overlays.drawRuler(this);
  }

  drawLayers() {
    const { context, frame } = this, display = this.beside ? { ...state.display, ...WHOLE_RANGE, ...this.openCase.view } : state.display;
    context.imageSmoothingEnabled = this.scale < 6;
    context.imageSmoothingQuality = "high";
    context.drawImage((this.layers.grey ??= greyLayer(frame, display)), 0, 0);
    for (const kind of ["saliency", "probability"]) {
      if (!display[kind] || !frame[kind]) continue;
      context.globalAlpha = display[kind];
      context.drawImage((this.layers[kind] ??= heatLayer(frame[kind], frame.width, frame.height, kind)), 0, 0);
    }
    context.globalAlpha = 1;
  }

  // The edge of the mask, in display units.
  outlinePath() {
    return (this.paths.outline ??= this.path(this.frame.mask));
  }

  // The loops of the outline with the points that can be dragged.
  loops() {
    return (this.paths.loops ??= findLoops(this.frame.mask, this.frame.width, this.frame.height));
  }

  // The edge of the network's own mask; it is fetched when it is first looked at, and null until then.
  networkPath() {
    const { frame } = this;
    if (frame.networkMask) return (this.paths.network ??= this.path(frame.networkMask));
    frame.fetching ??= api.picture(this.openCase.key, frame.number, "network").then(decodeGrey).then(({ values }) => {
      frame.networkMask = values.map((value) => (value > 127 ? 1 : 0));
      this.draw();
    }).catch((error) => {
      frame.fetching = null;
      emit("failed", error);
    });
    return null;
  }

  path(mask) {
    const path = new Path2D(), [w, h] = this.pixel;
    path.addPath(contour(mask, this.frame.width, this.frame.height), new DOMMatrix([w, 0, 0, h, 0, 0]));
    return path;
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
}

// Width and height of a pixel in units of its shorter side, so that the image has its true proportions.
function pixelShape(answer) {
  const step = spacing(answer);
  if (!step) return [1, 1];
  const [down, right] = step, shorter = Math.min(down, right);
  return Math.abs(down - right) < SQUARE * shorter ? [1, 1] : [right / shorter, down / shorter];
}
