// Ask what to do where someone else saved a newer outline of the image.

import { createElement } from "./dom.js";

// Show who saved it; gives "mine" (replace theirs), "theirs" (load it) or "" (do nothing yet).
export function askAboutConflict({ reader, saved, version }) {
  const who = reader || "Another reader or program", when = saved ? ` on ${new Date(saved).toLocaleString()}` : "";
  const text = version ? `${who} saved another outline of this image${when}.` : "Its saved outline was taken back meanwhile.";
  const title = createElement("h2", { id: "conflict-title", textContent: "This outline has changed" });
  const choices = [["theirs", version ? "Load theirs" : "Load the network’s", "primary"], ["mine", "Replace it by mine", "quiet"], ["", "Not now", "quiet"]];
  const buttons = choices.map(([value, label, className]) => createElement("button", { value, className, textContent: label }));
  const dialog = createElement("dialog", { id: "conflict" }, createElement("form", { method: "dialog" },
    title,
    createElement("p", { textContent: `${text} Nothing is lost: the outline that is replaced stays among the versions, and yours can be undone to.` }),
    createElement("div", { className: "row" }, ...buttons)));
  dialog.setAttribute("aria-labelledby", title.id);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(dialog.returnValue);
  }));
}
