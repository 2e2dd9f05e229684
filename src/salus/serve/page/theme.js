// The light or dark theme: the system's, until another is chosen here.

const STORAGE_KEY = "salus-theme";
const root = document.documentElement;

export function initTheme() {
  const stored = localStorage.getItem(STORAGE_KEY);
  if (stored) root.dataset.theme = stored;
}

export function toggleTheme() {
  const current = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  root.dataset.theme = current === "dark" ? "light" : "dark";
  localStorage.setItem(STORAGE_KEY, root.dataset.theme);
}
