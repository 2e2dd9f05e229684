// Show a cine: the frame slider, playing, and the chart that fills as frames are segmented.

import * as api from "./api.js";
import { AreaChart } from "./area_chart.js";
import { updateStatus } from "./case_list.js";
import { byId } from "./dom.js";
import { loadFrame, withNumbers } from "./frames.js";
import { announce, showToast } from "./messages.js";
import { emit, on, state } from "./state.js";

const DEFAULT_SECONDS = 0.1; // a frame, where the file does not say
let chart, playing = null;

export function initCine() {
  chart = new AreaChart(byId("chart"), (number) => emit("show-frame", number));
  byId("frame").addEventListener("input", (event) => emit("show-frame", Number(event.target.value)));
  byId("play").addEventListener("click", () => (playing ? stop() : play()));
  on("select-case", stop);
  on("drag-begun", stop);
  on("frame-changed", render);
  on("answer-changed", render);
  on("calipers-changed", render);
}

function render() {
  const { current, number } = state, cine = current?.frames > 1;
  byId("cine").hidden = !cine;
  if (!cine) return;
  const done = current.answers.filter(Boolean).length;
  byId("frame").max = current.frames;
  byId("frame").value = number;
  byId("frame-value").textContent = done < current.frames ? `${number} of ${current.frames} (${done} done)` : `${number} of ${current.frames}`;
  byId("frame").setAttribute("aria-valuetext", `frame ${number} of ${current.frames}`);
  chart.show(current.answers, number);
  if (!current.streaming) streamAnswers(current);
}

// Have every frame segmented, and show answers as they arrive.
async function streamAnswers(openCase) {
  openCase.streaming = true;
  try {
    await api.eachFrame(openCase.key, (line) => {
      if (line.numbers) {
        openCase.numbers = line.numbers;
        openCase.answers = openCase.answers.map((answer, i) => answer && withNumbers(answer, line.numbers[i]));
        for (const [number, frame] of openCase.loaded) frame.answer = withNumbers(frame.answer, line.numbers[number - 1]);
        announce(`All ${openCase.frames} frames are done.`);
      } else if (!line.error && !openCase.loaded.get(line.frame)?.edited) openCase.answers[line.frame - 1] = line;
      if (openCase === state.current) emit("answer-changed");
    });
    updateStatus(openCase);
  } catch (error) {
    openCase.streaming = false;
    if (state.cases.includes(openCase)) showToast(`${openCase.label}: ${error.message}`, true);
  }
  emit("cases-changed");
}

export function play() {
  const { current } = state;
  if (playing || !(current?.frames > 1)) return;
  playing = { current };
  setButton("Pause", "#i-pause");
  const session = playing, step = 1000 * (current.seconds || DEFAULT_SECONDS);
  const showNext = async () => {
    if (playing !== session) return;
    const started = performance.now(), next = (state.number % current.frames) + 1;
    try {
      await loadFrame(current, next);
    } catch {
      return stop();
    }
    if (playing !== session) return;
    emit("show-frame", next);
    setTimeout(showNext, Math.max(15, step - (performance.now() - started)));
  };
  showNext();
}

export function stop() {
  if (!playing) return;
  playing = null;
  setButton("Play", "#i-play");
}

export const toggle = () => (playing ? stop() : play());

function setButton(label, icon) {
  byId("play").setAttribute("aria-label", label);
  byId("play").querySelector("use").setAttribute("href", icon);
}
