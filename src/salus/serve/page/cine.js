// A cine: scrubber, play, and the chart that fills as frames are done.

import * as api from "./api.js";
import { Chart } from "./chart.js";
import { judge } from "./list.js";
import { loadFrame, numbered } from "./load.js";
import { note, say } from "./say.js";
import { emit, on, state } from "./state.js";

const by = (id) => document.getElementById(id);
const STEP = 0.1; // seconds a frame, where the file does not say
let chart, playing = null;

export function showCine() {
  chart = new Chart(by("chart"), (number) => emit("go", number));
  by("frame").addEventListener("input", (event) => emit("go", Number(event.target.value)));
  by("play").addEventListener("click", () => (playing ? stop() : play()));
  on("choose", stop);
  on("frame", render);
  on("answer", render);
}

function render() {
  const { current, number } = state, cine = current?.frames > 1;
  by("cine").hidden = !cine;
  if (!cine) return;
  const done = current.answers.filter(Boolean).length;
  by("frame").max = current.frames;
  by("frame").value = number;
  by("frame-told").textContent = done < current.frames ? `${number} of ${current.frames} (${done} done)` : `${number} of ${current.frames}`;
  by("frame").setAttribute("aria-valuetext", `frame ${number} of ${current.frames}`);
  chart.show(current.answers, number);
  if (!current.streaming) stream(current);
}

async function stream(one) {
  one.streaming = true;
  try {
    await api.eachFrame(one.key, (line) => {
      if (line.numbers) {
        one.numbers = line.numbers;
        one.answers = one.answers.map((answer, i) => answer && numbered(answer, line.numbers[i]));
        for (const [number, frame] of one.loaded) frame.answer = numbered(frame.answer, line.numbers[number - 1]);
        say(`All ${one.frames} frames are done.`);
      } else if (!line.error && !one.loaded.get(line.frame)?.edited) one.answers[line.frame - 1] = line;
      if (one === state.current) emit("answer");
    });
    judge(one);
  } catch (error) {
    one.streaming = false;
    if (state.cases.includes(one)) note(`${one.label}: ${error.message}`, true);
  }
  emit("cases");
}

export function play() {
  const { current } = state;
  if (playing || !(current?.frames > 1)) return;
  playing = { current };
  dress("Pause", "#i-pause");
  const mine = playing, step = 1000 * (current.seconds || STEP);
  const turn = async () => {
    if (playing !== mine) return;
    const began = performance.now(), next = (state.number % current.frames) + 1;
    try {
      await loadFrame(current, next);
    } catch {
      return stop();
    }
    if (playing !== mine) return;
    emit("go", next);
    setTimeout(turn, Math.max(15, step - (performance.now() - began)));
  };
  turn();
}

export function stop() {
  if (!playing) return;
  playing = null;
  dress("Play", "#i-play");
}

export const toggle = () => (playing ? stop() : play());

function dress(label, icon) {
  by("play").setAttribute("aria-label", label);
  by("play").querySelector("use").setAttribute("href", icon);
}
