// This tab among those in which the page is open: each has a name, which a reload keeps, and holds a lock as long as it lives.
// Browsers have no locks where the page comes over plain HTTP from another computer; all other tabs then count as closed.

const STORAGE_KEY = "salus-tab";
const NAVIGATION_MS = 1000; // that the lock of the page which was in this tab before may take to end
const RELOAD_MS = 10000; // the same after a reload: there is no other tab of that name, so that only a slow computer needs it
const lockName = (tab) => `salus-tab-${tab}`;

let ownTab = null;

// The name of this tab, random.
export const tabName = () => (ownTab ??= nameTab());

async function nameTab() {
  const known = sessionStorage.getItem(STORAGE_KEY); // a duplicated tab has that of the other one, which holds the lock
  const tab = known && (await hold(known)) ? known : newName();
  if (tab !== known) await hold(tab);
  sessionStorage.setItem(STORAGE_KEY, tab);
  return tab;
}

const newName = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const isReload = () => performance.getEntriesByType("navigation")[0]?.type === "reload";

// Hold the lock of a tab until the page ends; false where another tab holds it.
function hold(tab) {
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    const held = () => (resolve(true), new Promise(() => {}));
    navigator.locks.request(lockName(tab), { signal: AbortSignal.timeout(isReload() ? RELOAD_MS : NAVIGATION_MS) }, held).catch(() => resolve(false));
  });
}

// The names of the other tabs that are open.
export async function otherTabs() {
  const own = await tabName(), prefix = lockName("");
  const names = ((await navigator.locks?.query())?.held ?? []).map(({ name }) => name);
  return new Set(names.filter((name) => name.startsWith(prefix) && name !== lockName(own)).map((name) => name.slice(prefix.length)));
}
