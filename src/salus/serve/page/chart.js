// Area of each lesion over the frames of a cine, as SVG; a click goes to a frame.

const NS = "http://www.w3.org/2000/svg";

function make(name, attributes, text) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

export class Chart {
  constructor(place, go) {
    this.place = place;
    this.go = go;
    new ResizeObserver(() => this.draw()).observe(place);
    place.addEventListener("pointerdown", (event) => this.click(event));
    place.addEventListener("pointermove", (event) => event.buttons && this.click(event));
  }

  show(answers, number) {
    this.answers = answers;
    this.number = number;
    this.draw();
  }

  click(event) {
    const box = this.place.getBoundingClientRect(), n = this.answers?.length ?? 0;
    const at = Math.round(((event.clientX - box.left) / box.width) * (n - 1)) + 1;
    if (n > 1) this.go(Math.min(n, Math.max(1, at)));
  }

  draw() {
    const { place, answers } = this, width = place.clientWidth, height = place.clientHeight;
    if (!answers?.length || !width) return place.replaceChildren();
    const top = 12, bottom = height - 8, n = answers.length;
    const lines = new Map(); // a lesion's number -> [[frame, area], ...]
    let unit = "px";
    answers.forEach((answer, i) => answer?.lesions.forEach((lesion) => {
      if (!lines.has(lesion.number)) lines.set(lesion.number, []);
      lines.get(lesion.number).push([i, lesion.area]);
      unit = lesion.unit === "mm" ? "mm²" : "px";
    }));
    const most = ceiling(Math.max(0, ...[...lines.values()].flat().map(([, area]) => area)));
    const x = (i) => (n > 1 ? (i / (n - 1)) * width : width / 2), y = (area) => bottom - (area / most) * (bottom - top);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
    svg.append(make("title", {}, told(lines, unit, n)));
    for (const share of [0, 0.5, 1]) {
      svg.append(make("line", { class: "grid", x1: 0, x2: width, y1: y(share * most), y2: y(share * most) }));
      svg.append(make("text", { x: -8, y: y(share * most) + 4, "text-anchor": "end" }, Number((share * most).toPrecision(3))));
    }
    answers.forEach((answer, i) => answer?.corrected && svg.append(make("circle", { class: "kept", cx: x(i), cy: height - 3, r: 2.5 })));
    const now = x(this.number - 1);
    svg.append(make("line", { class: "now", x1: now, x2: now, y1: 2, y2: height - 2 }));
    for (const [number, points] of lines) {
      const colour = `l${((number - 1) % 5) + 1}`;
      for (const run of runs(points)) {
        svg.append(make("polyline", { class: `line ${colour}`, points: run.map(([i, area]) => `${x(i)},${y(area)}`).join(" ") }));
      }
      if (n <= 150) for (const [i, area] of points) svg.append(make("circle", { class: `dot ${colour}`, cx: x(i), cy: y(area), r: i === this.number - 1 ? 4 : 2 }));
    }
    [...lines].slice(0, 5).forEach(([number], k) =>
      svg.append(make("text", { class: `name l${((number - 1) % 5) + 1}`, x: width + 10, y: top + 4 + 15 * k }, `lesion ${number}`)));
    svg.append(make("text", { x: width + 10, y: bottom + 3 }, `area, ${unit}`));
    place.replaceChildren(svg);
  }
}

// Parts of a line without a gap.
function runs(points) {
  const found = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last && last.at(-1)[0] === point[0] - 1) last.push(point);
    else found.push([point]);
  }
  return found;
}

function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((m) => m * power).find((one) => one >= value);
}

function told(lines, unit, n) {
  const each = [...lines].map(([number, points]) => {
    const areas = points.map(([, area]) => area);
    return `lesion ${number} in ${points.length} frames, ${Math.min(...areas).toPrecision(3)} to ${Math.max(...areas).toPrecision(3)} ${unit}`;
  });
  return `Area over ${n} frames: ${each.join("; ") || "no lesion"}`;
}
