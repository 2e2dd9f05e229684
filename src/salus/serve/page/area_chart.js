// Draw the area of each lesion over the frames of a cine as SVG; a click goes to a frame.

const NS = "http://www.w3.org/2000/svg";

function createSvg(name, attributes, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

export class AreaChart {
  constructor(container, onSelect) {
    this.container = container;
    this.onSelect = onSelect;
    new ResizeObserver(() => this.draw()).observe(container);
    container.addEventListener("pointerdown", (event) => this.click(event));
    container.addEventListener("pointermove", (event) => event.buttons && this.click(event));
  }

  show(answers, number) {
    this.answers = answers;
    this.number = number;
    this.draw();
  }

  click(event) {
    const box = this.container.getBoundingClientRect(), n = this.answers?.length ?? 0;
    const number = Math.round(((event.clientX - box.left) / box.width) * (n - 1)) + 1;
    if (n > 1) this.onSelect(Math.min(n, Math.max(1, number)));
  }

  draw() {
    const { container, answers } = this, width = container.clientWidth, height = container.clientHeight;
    if (!answers?.length || !width) return container.replaceChildren();
    const top = 12, bottom = height - 8, n = answers.length;
    const lines = new Map(); // a lesion's number -> [[frame, area], ...]
    let unit = "px";
    answers.forEach((answer, i) => answer?.lesions.forEach((lesion) => {
      if (!lines.has(lesion.number)) lines.set(lesion.number, []);
      lines.get(lesion.number).push([i, lesion.area]);
      unit = lesion.unit === "mm" ? "mm²" : "px";
    }));
    const maximum = roundUp(Math.max(0, ...[...lines.values()].flat().map(([, area]) => area)));
    const x = (i) => (n > 1 ? (i / (n - 1)) * width : width / 2), y = (area) => bottom - (area / maximum) * (bottom - top);
    const svg = createSvg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    svg.append(createSvg("title", {}, describe(lines, unit, n)));
    for (const fraction of [0, 0.5, 1]) {
      svg.append(createSvg("line", { class: "grid", x1: 0, x2: width, y1: y(fraction * maximum), y2: y(fraction * maximum) }));
      svg.append(createSvg("text", { x: -8, y: y(fraction * maximum) + 4, "text-anchor": "end" }, Number((fraction * maximum).toPrecision(3))));
    }
    answers.forEach((answer, i) => answer?.corrected && svg.append(createSvg("circle", { class: answer.version ? "corrected" : "corrected unsaved", cx: x(i), cy: height - 3, r: 2.5 })));
    const now = x(this.number - 1);
    svg.append(createSvg("line", { class: "now", x1: now, x2: now, y1: 2, y2: height - 2 }));
    for (const [number, points] of lines) {
      const colour = `l${((number - 1) % 5) + 1}`;
      for (const run of splitAtGaps(points)) {
        svg.append(createSvg("polyline", { class: `line ${colour}`, points: run.map(([i, area]) => `${x(i)},${y(area)}`).join(" ") }));
      }
      if (n <= 150) for (const [i, area] of points) svg.append(createSvg("circle", { class: `dot ${colour}`, cx: x(i), cy: y(area), r: i === this.number - 1 ? 4 : 2 }));
    }
    [...lines].slice(0, 5).forEach(([number], k) =>
      svg.append(createSvg("text", { class: `name l${((number - 1) % 5) + 1}`, x: width + 10, y: top + 4 + 15 * k }, `lesion ${number}`)));
    svg.append(createSvg("text", { x: width + 10, y: bottom + 3 }, `area, ${unit}`));
    container.replaceChildren(svg);
  }
}

// Split a line where frames are missing.
function splitAtGaps(points) {
  const parts = [];
  for (const point of points) {
    const last = parts.at(-1);
    if (last && last.at(-1)[0] === point[0] - 1) last.push(point);
    else parts.push([point]);
  }
  return parts;
}

// The next round number.
function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((m) => m * power).find((candidate) => candidate >= value);
}

// The chart in words, for a screen reader.
function describe(lines, unit, n) {
  const descriptions = [...lines].map(([number, points]) => {
    const areas = points.map(([, area]) => area);
    return `lesion ${number} in ${points.length} frames, ${Math.min(...areas).toPrecision(3)} to ${Math.max(...areas).toPrecision(3)} ${unit}`;
  });
  return `Area over ${n} frames: ${descriptions.join("; ") || "no lesion"}`;
}
