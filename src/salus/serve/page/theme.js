// Light or dark: as the system has it, until it is chosen here.

const KEPT = "salus-theme";
const root = document.documentElement;

export function showTheme() {
  const kept = localStorage.getItem(KEPT);
  if (kept) root.dataset.theme = kept;
}

export function switchTheme() {
  const now = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem(KEPT, root.dataset.theme);
}
