// Frames of an open image: fetched when they are looked at, a few of them kept.

import * as api from "./api.js";
import { History } from "./history.js";
import { bytesOf } from "./raster.js";
import { state } from "./state.js";

const KEPT = 24; // frames of one image in memory; those with unsaved drawing stay in any case

export async function loadFrame(one, number) {
  const kept = one.loaded.get(number);
  if (kept) {
    one.loaded.delete(number);
    one.loaded.set(number, kept); // the last one used is the last to go
    return kept;
  }
  const answer = await api.answer(one.key, number);
  const parts = ["image", "mask", "probability", "saliency"];
  const pictures = await Promise.all(parts.map(async (part) => bytesOf(await api.picture(one.key, number, part))));
  const [image, mask, probability, saliency] = pictures.map((picture) => picture.values);
  for (let i = 0; i < mask.length; i++) mask[i] = mask[i] > 127 ? 1 : 0;
  const { width, height } = pictures[0];
  const numbers = one.numbers?.[number - 1];
  const frame = {
    number, width, height, image, mask, probability, saliency,
    answer: numbers ? numbered(answer, numbers) : answer,
    threshold: answer.threshold,
    history: new History(),
    edited: false, // what is shown is not what the server holds
    stale: false,  // what is measured is not what is shown
  };
  one.loaded.set(number, frame);
  one.answers[number - 1] = frame.answer;
  for (const [key, old] of one.loaded) {
    if (one.loaded.size <= KEPT) break;
    if (!old.edited && old !== state.frame) one.loaded.delete(key);
  }
  return frame;
}

// Lesions with the numbers that they keep through a cine.
export function numbered(answer, numbers) {
  if (numbers.length !== answer.lesions.length) return answer;
  return { ...answer, lesions: answer.lesions.map((lesion, i) => ({ ...lesion, number: numbers[i] })) };
}

// Pixels below which a part is dropped: the network's share of the smallest region.
export function leastPixels({ answer, width, height }) {
  const areas = answer.regions.map((region) => region.height * region.width);
  return state.info.smallest * Math.min(...(areas.length ? areas : [width * height]));
}
