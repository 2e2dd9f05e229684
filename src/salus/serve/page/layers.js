// The pictures that lie over one another in the viewer, each of the image's size.

import { painted } from "./raster.js";

// Colours of 0, 1/4, 1/2, 3/4 and 1: probability in amber and white, saliency from violet to yellow (as salus saliency).
export const COLOURS = {
  probability: [[60, 20, 0], [150, 60, 0], [225, 120, 0], [255, 190, 30], [255, 245, 190]],
  saliency: [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]],
};

// Grey values spread so that `level` is middle grey and `window` reaches from black to white.
export function greyLayer({ image, width, height }, window, level) {
  const shown = new Uint8ClampedArray(256);
  for (let v = 0; v < 256; v++) shown[v] = window >= 255 && level === 128 ? v : ((v - level) / window + 0.5) * 255;
  return painted(width, height, (colours) => {
    for (let i = 0; i < image.length; i++) {
      const v = shown[image[i]];
      colours[4 * i] = colours[4 * i + 1] = colours[4 * i + 2] = v;
      colours[4 * i + 3] = 255;
    }
  });
}

// A map in colour; its opacity rises with it, so that what is improbable stays grey.
export function heatLayer(values, width, height, kind) {
  const stops = COLOURS[kind];
  const shown = Array.from({ length: 256 }, (_, v) => {
    const place = (v / 255) * (stops.length - 1), low = Math.min(stops.length - 2, Math.floor(place)), part = place - low;
    return stops[low].map((c, k) => c + part * (stops[low + 1][k] - c));
  });
  return painted(width, height, (colours) => {
    for (let i = 0; i < values.length; i++) {
      const [r, g, b] = shown[values[i]];
      colours[4 * i] = r;
      colours[4 * i + 1] = g;
      colours[4 * i + 2] = b;
      colours[4 * i + 3] = Math.min(255, values[i] * 1.6);
    }
  });
}
