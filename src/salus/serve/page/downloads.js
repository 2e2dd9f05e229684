// Downloads, named in the browser after the image, and the export of saved outlines as a data set.

import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { showToast } from "./messages.js";
import { emit, on, state } from "./state.js";

export function initDownloads() {
  const exportButton = byId("export");
  const updateCount = async () => {
    const { saved } = await api.session().catch(() => ({ saved: 0 }));
    exportButton.disabled = !saved;
    exportButton.textContent = saved ? `Export data set (${saved})` : "Export data set";
  };
  on("outline-saved", updateCount);
  on("case-closed", updateCount);
  exportButton.addEventListener("click", () => download("/v1/export.zip", "salus-corrected.zip"));
  byId("downloads").addEventListener("click", (event) => {
    const kind = event.target.closest("button")?.dataset.get;
    if (kind) downloadPart(kind);
  });
}

// The start of the names of an image's files: its own without suffix, and without folders.
export const stemOf = ({ label }) => label.replace(/\.(nii\.gz|[^./]+)$/, "").replaceAll("/", "_");

// Download a mask, overlay, table or DICOM object of the current image.
function downloadPart(kind) {
  const { current, frame } = state;
  if (frame.edited) return showToast("Save the outline first; downloads hold what is saved.");
  const stem = stemOf(current), casePath = `/v1/cases/${current.key}`;
  const frameStem = current.frames > 1 ? `${stem}-${String(frame.number).padStart(4, "0")}` : stem;
  const [path, name] = {
    mask: [`${casePath}/frames/${frame.number}/mask.png`, `${frameStem}-mask.png`],
    overlay: [`${casePath}/frames/${frame.number}/overlay.jpg`, `${frameStem}-overlay.jpg`],
    json: [`${casePath}/lesions.json`, `${stem}-lesions.json`],
    seg: current.frames > 1 ? [`${casePath}/seg.zip`, `${stem}-seg.zip`] : [`${casePath}/seg.dcm`, `${stem}-seg.dcm`],
    sr: [`${casePath}/sr.dcm`, `${stem}-sr.dcm`],
  }[kind];
  download(path, name);
}

export async function download(path, name) {
  try {
    const link = createElement("a", { href: URL.createObjectURL(await api.download(path)), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    showToast(error.message, true);
  }
}
