// The worklist of a folder: to do and done, one after another.

import * as api from "./api.js";
import { look } from "./intake.js";
import { element } from "./panel.js";
import { note } from "./say.js";
import { emit, makeCase, on, state } from "./state.js";

const by = (id) => document.getElementById(id);
let items = [];
let shown = "todo";

export async function showWork() {
  if (!state.info.worklist) return;
  by("work").hidden = false;
  document.querySelectorAll("[data-show]").forEach((button) =>
    button.addEventListener("click", () => {
      shown = button.dataset.show;
      render();
    }));
  on("cases", render);
  on("saved", async (one) => {
    if (one.work) await refresh();
  });
  await refresh();
  if (!state.current && items.length) await open(items.find((item) => !item.done) ?? items[0]);
}

async function refresh() {
  items = (await api.worklist()).items;
  render();
}

function render() {
  const done = items.filter((item) => item.done).length;
  by("work-count").textContent = `${done} of ${items.length} done`;
  by("work-bar").style.width = `${(100 * done) / Math.max(1, items.length)}%`;
  document.querySelectorAll("[data-show]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.show === shown)));
  by("work-items").replaceChildren(...items.filter((item) => item.done === (shown === "done")).map(line));
}

function line(item) {
  const button = element("button", { type: "button", title: item.name },
    element("span", {}, element("b", { textContent: item.name }), element("small", { textContent: item.done ? "done" : "to do" })));
  if (state.current?.work === item.number) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => open(item));
  return element("li", { className: item.done ? "saved" : "" }, button);
}

async function open(item) {
  try {
    emit("choose", await prepared(item));
    const after = items.find((one) => !one.done && one.number > item.number);
    if (after) prepared(after).catch(() => {}); // so that the next one is there at once
  } catch (error) {
    note(`${item.name}: ${error.message}`, true);
  }
}

async function prepared(item) {
  const known = state.cases.find((one) => one.work === item.number);
  if (known) return known;
  const told = await api.openItem(item.number);
  const one = state.cases.find((other) => other.work === item.number) ?? makeCase(told, item.name);
  if (!state.cases.includes(one)) state.cases.push(one);
  await look(one);
  emit("cases");
  return one;
}

// The next one to do, from the current one on, round the end.
export async function next() {
  const from = state.current?.work ?? 0;
  const open_ = items.filter((item) => !item.done && item.number !== from);
  const item = open_.find((one) => one.number > from) ?? open_[0];
  if (item) await open(item);
  else note("The worklist is done.");
}
