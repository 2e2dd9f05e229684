// Draw what lies over the image: outlines, brush and polygon, regions, lesion numbers, calipers, ruler.
// Paths and lines are in display units (see `Viewer.pixel`), so that lines are equally thick in every direction.

import { spacing, spacingAt } from "./calibration.js";
import { caliperName, measureLine } from "./hand_calipers.js";
import { lesionCalipers } from "./lesion_calipers.js";
import { handCalipers } from "./marks.js";
import { formatNumber } from "./messages.js";
import { acceptanceOf } from "./notes.js";
import { state } from "./state.js";

const AMBER = "#ffd60a", NETWORK = "#5ad1ff", WHITE = "#ffffff", GREEN = "#8ef0b0", INK = "#dfe6ec", SHADOW = "rgba(0,0,0,.65)";
const DRAWING_TOOLS = ["brush", "magic", "eraser", "polygon", "points"];

export const isDrawingTool = (tool) => DRAWING_TOOLS.includes(tool);
export const isBrush = (tool) => ["brush", "magic", "eraser"].includes(tool);

// The reader's outline in amber; the network's dashed beside it, or alone while `viewer.comparing`.
export function drawOutlines(viewer) {
  const { context } = viewer, { display } = state, network = viewer.comparing || display.network ? viewer.networkPath() : null;
  context.lineJoin = "round";
  if (display.outline && !viewer.comparing) {
    const path = viewer.outlinePath();
    if (display.fill) {
      context.globalAlpha = display.fill;
      context.fillStyle = AMBER;
      context.fill(path, "evenodd");
      context.globalAlpha = 1;
    }
    strokeTwice(viewer, path, AMBER, 1.8);
  }
  if (!network) return;
  if (!viewer.comparing) context.setLineDash([7 / viewer.scale, 5 / viewer.scale]);
  strokeTwice(viewer, network, NETWORK, 1.6);
  context.setLineDash([]);
}

function strokeTwice({ context, scale }, path, colour, width) {
  for (const [style, extra] of [[SHADOW, 1.8], [colour, 0]]) {
    context.strokeStyle = style;
    context.lineWidth = (width + extra) / scale;
    context.stroke(path);
  }
}

// While drawing: what lies outside the regions of the file is darkened, since nothing is kept there.
export function drawRegions(viewer) {
  const { context, frame, pixel: [w, h] } = viewer, { regions } = frame.answer;
  if (!regions.length || !(isDrawingTool(state.tool) || state.tool === "prompt")) return;
  const outside = new Path2D(), inside = new Path2D();
  outside.rect(0, 0, frame.width * w, frame.height * h);
  for (const region of regions) {
    for (const path of [outside, inside]) path.rect(region.left * w, region.top * h, region.width * w, region.height * h);
  }
  context.fillStyle = "rgba(0,0,0,.5)";
  context.fill(outside, "evenodd");
  context.strokeStyle = "rgba(223,230,236,.6)";
  context.lineWidth = 1 / viewer.scale;
  context.setLineDash([5 / viewer.scale, 4 / viewer.scale]);
  context.stroke(inside);
  context.setLineDash([]);
}

// The brush's circle, the polygon so far.
export function drawTool(viewer) {
  const { context, pixel: [w, h] } = viewer, pointer = viewer.pointer && [viewer.pointer[0] * w, viewer.pointer[1] * h];
  context.lineWidth = 1.3 / viewer.scale;
  if (pointer && isBrush(state.tool)) {
    context.strokeStyle = state.tool === "eraser" ? "#ff8a80" : WHITE;
    if (state.tool === "magic") context.setLineDash([4 / viewer.scale, 3 / viewer.scale]);
    context.beginPath();
    context.arc(...pointer, state.brushRadius, 0, 7);
    context.stroke();
    context.setLineDash([]);
  }
  if (!viewer.polygon?.length) return;
  const points = viewer.polygon.map(([x, y]) => [x * w, y * h]);
  context.strokeStyle = context.fillStyle = WHITE;
  context.beginPath();
  for (const point of points) context.lineTo(...point);
  if (pointer) context.lineTo(...pointer);
  context.stroke();
  for (const point of points) {
    context.beginPath();
    context.arc(...point, 3 / viewer.scale, 0, 7);
    context.fill();
  }
}

// With their tool: the points of the outline that can be dragged.
export function drawPoints(viewer) {
  if (state.tool !== "points" || viewer.comparing || !state.display.outline) return;
  const { context } = viewer;
  for (const { corners, points } of viewer.loops()) {
    for (const i of points) {
      context.beginPath();
      context.arc(...viewer.toScreen(corners[i]), 4.5, 0, 7);
      context.fillStyle = WHITE;
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = SHADOW;
      context.stroke();
    }
  }
}

// Each lesion's number, to the upper right of it; not while the measurements are of an earlier outline.
export function drawNumbers(viewer) {
  const { context, frame } = viewer;
  if (frame.outdated || viewer.comparing || !state.display.outline) return;
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const lesion of frame.answer.lesions) {
    const { number } = lesion, [x, y] = viewer.toScreen(viewer.corner(lesion));
    const isAccepted = acceptanceOf(viewer.openCase, frame, lesion);
    context.fillStyle = [viewer.highlighted, viewer.selected].includes(number) ? WHITE : isAccepted ? GREEN : AMBER;
    context.beginPath();
    context.arc(x + 12, y - 12, 10, 0, 7);
    context.fill();
    context.fillStyle = "#1c1600";
    context.fillText(number, x + 12, y - 11);
    if (isAccepted) label(context, "✓", x + 30, y - 11, GREEN);
  }
}

// The two calipers of each lesion (or of the one that is pointed at), and those that the reader has set.
export function drawCalipers(viewer) {
  const { frame } = viewer, answer = frame.answer;
  if (!frame.outdated && !viewer.comparing) {
    for (const lesion of answer.lesions) {
      if (!state.display.calipers && lesion.number !== viewer.highlighted) continue;
      const lines = lesionCalipers(frame, lesion, spacingAt(answer, lesion.centroid[1], lesion.centroid[0]));
      for (const line of lines) drawCaliper(viewer, line, INK);
    }
  }
  handCalipers(viewer.openCase, frame.number).forEach((line, i) => {
    const { length, unit } = measureLine(answer, line);
    drawCaliper(viewer, line, GREEN, `${caliperName(i)} ${formatNumber(length)} ${unit}`);
  });
}

// A dotted line with a cross at either end, as on an ultrasound machine.
function drawCaliper(viewer, [x0, y0, x1, y1], colour, text) {
  const { context } = viewer, ends = [viewer.toScreen([x0, y0]), viewer.toScreen([x1, y1])];
  for (const [style, width] of [[SHADOW, 3.4], [colour, 1.5]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.setLineDash([2, 5]);
    context.beginPath();
    for (const end of ends) context.lineTo(...end);
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    for (const [x, y] of ends) {
      context.moveTo(x - 6, y);
      context.lineTo(x + 6, y);
      context.moveTo(x, y - 6);
      context.lineTo(x, y + 6);
    }
    context.stroke();
  }
  if (!text) return;
  const [x, y] = ends[0][0] > ends[1][0] ? ends[0] : ends[1];
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  label(context, text, x + 10, y, colour);
}

// A ruler of a round number of millimetres, where the size of a pixel is known.
export function drawRuler(viewer) {
  const { context, frame, size: [width, height] } = viewer, step = spacing(frame.answer);
  if (!step) return;
  const length = (mm) => (mm / step[1]) * viewer.scale * viewer.pixel[0];
  const mm = [50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1].find((candidate) => length(candidate) <= 150);
  if (!mm) return;
  const right = width - 16, left = right - length(mm), y = height - 16;
  context.beginPath();
  for (const [x, dy] of [[left, -6], [left, 0], [right, 0], [right, -6]]) context.lineTo(x, y + dy);
  for (const [colour, width] of [["rgba(0,0,0,.7)", 4], [INK, 1.6]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "bottom";
  label(context, `${mm} mm`, (left + right) / 2, y - 5, INK);
}

function label(context, text, x, y, colour) {
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0,0,0,.7)";
  context.fillStyle = colour;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}

