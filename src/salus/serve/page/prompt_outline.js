// The outline for what a reader points at, joined with the parts of the earlier outline that this does not concern.
//
// `prompted` of a frame: { prompts, mask, probability, threshold, base }, null where nothing was pointed at yet.
//   prompts      in the order in which they were made, each { points: [[x, y]] }, { not_points: [[x, y]] } or { box: [x0, y0, x1, y1] }
//   mask, probability, threshold  of the network for all of them; null where only the prompts are known (of a saved outline)
//   base         the outline from before the first of them
//   from         number of the frame whose outline was propagated to this one; undefined where none was
//   carried      the mask that the propagation gave

import { eachComponent } from "./pixels.js";

// Lay an outline for prompts beside those parts of the base in which nothing was pointed at, and which it does not touch.
export function joinWithBase(mask, { prompts, base }, width, height) {
  const joined = mask.slice(), places = pixelsOf(prompts, width), boxes = prompts.flatMap(({ box }) => (box ? [box] : []));
  eachComponent(base, width, height, (pixels) => {
    const inBox = ([x0, y0, x1, y1]) => pixels.filter((i) => i % width >= x0 - 1 && i % width < x1 && i / width >= y0 - 1 && i / width < y1 + 1).length > pixels.length / 2;
    if (pixels.some((i) => mask[i] || places.has(i)) || boxes.some(inBox)) return;
    for (const i of pixels) joined[i] = 1;
  });
  return joined;
}

// Keep in `moved` what was drawn by hand: where `mask` differs from the outline `reference` that was made without a hand.
// A lesion that was deleted stays away, also where `moved` outlines it larger. A stroke or deletion at which the reader points is
// given up. True where something was kept.
export function keepDrawn(moved, mask, reference, width, height, prompts = []) {
  const drawn = mask.map((value, i) => (value !== reference[i] ? 1 : 0)), places = pixelsOf(prompts, width);
  const deleted = new Uint8Array(mask.length);
  eachComponent(reference, width, height, (pixels) => {
    if (!pixels.some((i) => mask[i])) for (const i of pixels) deleted[i] = 1;
  });
  let kept = false;
  eachComponent(moved, width, height, (pixels) => {
    if (!pixels.some((i) => deleted[i]) || pixels.some((i) => mask[i] || places.has(i))) return;
    kept = true;
    for (const i of pixels) moved[i] = 0;
  });
  eachComponent(drawn, width, height, (pixels) => {
    if (pixels.some((i) => places.has(i))) return;
    kept = true;
    for (const i of pixels) moved[i] = mask[i];
  });
  return kept;
}

// The pixels at which prompts point.
function pixelsOf(prompts, width) {
  const places = prompts.flatMap(({ points = [], not_points = [] }) => [...points, ...not_points]);
  return new Set(places.map(([x, y]) => Math.floor(y) * width + Math.floor(x)));
}
