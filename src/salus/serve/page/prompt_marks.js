// Draw what a reader points at: places inside as a plus in green, outside as a minus in red, boxes dashed; and the cross
// that the keys move.

import { promptsOf } from "./prompts.js";
import { state } from "./state.js";

const INSIDE = "#7cf2a4", OUTSIDE = "#ff7a70", SHADOW = "rgba(0,0,0,.7)", INK = "#10161c";
const RADIUS = 6;

export function drawPrompts(viewer) {
  const { context, frame } = viewer;
  if (viewer.box) drawBox(viewer, ...viewer.box);
  if (state.tool !== "prompt" || viewer.comparing) return;
  const prompts = promptsOf(frame);
  for (const { box } of prompts) if (box) drawBox(viewer, box.slice(0, 2), box.slice(2));
  for (const { points = [], not_points = [] } of prompts) {
    for (const place of points) drawPlace(context, viewer.toScreen(place), true);
    for (const place of not_points) drawPlace(context, viewer.toScreen(place), false);
  }
  if (viewer.cross) drawCross(viewer, viewer.toScreen(viewer.cross));
}

function drawBox(viewer, from, to) {
  const { context } = viewer, [x0, y0] = viewer.toScreen(from), [x1, y1] = viewer.toScreen(to);
  context.lineWidth = 3.4;
  context.strokeStyle = SHADOW;
  context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  context.lineWidth = 1.5;
  context.strokeStyle = INSIDE;
  context.setLineDash([6, 4]);
  context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  context.setLineDash([]);
}

function drawPlace(context, [x, y], inside) {
  context.beginPath();
  context.arc(x, y, RADIUS, 0, 7);
  context.fillStyle = inside ? INSIDE : OUTSIDE;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = SHADOW;
  context.stroke();
  context.beginPath();
  context.moveTo(x - 3, y);
  context.lineTo(x + 3, y);
  if (inside) {
    context.moveTo(x, y - 3);
    context.lineTo(x, y + 3);
  }
  context.strokeStyle = INK;
  context.stroke();
}

function drawCross({ context }, [x, y]) {
  context.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(x + 4 * dx, y + 4 * dy);
    context.lineTo(x + 16 * dx, y + 16 * dy);
  }
  for (const [colour, width] of [[SHADOW, 4], ["#fff", 1.6]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}
