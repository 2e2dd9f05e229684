// Downloads, named in the browser after the image; the data set of what was saved.

import * as api from "./api.js";
import { note } from "./say.js";
import { emit, on, state } from "./state.js";

export function showFiles() {
  const exported = document.getElementById("export");
  const count = async () => {
    const { saved } = await api.session().catch(() => ({ saved: 0 }));
    exported.disabled = !saved;
    exported.textContent = saved ? `Export data set (${saved})` : "Export data set";
  };
  on("saved", count);
  on("closed", count);
  exported.addEventListener("click", () => get("/v1/export.zip", "salus-corrected.zip"));
  document.getElementById("downloads").addEventListener("click", (event) => {
    const kind = event.target.closest("button")?.dataset.get;
    if (kind) part(kind);
  });
}

function part(kind) {
  const { current, frame } = state;
  if (frame.edited) return note("Save the outline first; downloads hold what is saved.");
  const stem = current.label.replace(/\.(nii\.gz|[^.]+)$/, ""), at = `/v1/cases/${current.key}`;
  const one = current.frames > 1 ? `${stem}-${String(frame.number).padStart(4, "0")}` : stem;
  const [path, name] = {
    mask: [`${at}/frames/${frame.number}/mask.png`, `${one}-mask.png`],
    overlay: [`${at}/frames/${frame.number}/overlay.jpg`, `${one}-overlay.jpg`],
    json: [`${at}/lesions.json`, `${stem}-lesions.json`],
    seg: current.frames > 1 ? [`${at}/seg.zip`, `${stem}-seg.zip`] : [`${at}/seg.dcm`, `${stem}-seg.dcm`],
    sr: [`${at}/sr.dcm`, `${stem}-sr.dcm`],
  }[kind];
  get(path, name);
}

async function get(path, name) {
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await api.download(path));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    emit("downloaded", name);
  } catch (error) {
    note(error.message, true);
  }
}
