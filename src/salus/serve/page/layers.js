// Make the layers of the viewer: the grey image, and the maps in colour, each of the image's size.

import { paintCanvas } from "./pixels.js";

// Colours of 0, 1/4, 1/2, 3/4 and 1: probability in amber and white, saliency from violet to yellow (as salus saliency).
export const COLOUR_STOPS = {
  probability: [[60, 20, 0], [150, 60, 0], [225, 120, 0], [255, 190, 30], [255, 245, 190]],
  saliency: [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]],
};

// Grey values spread so that `level` is middle grey and `window` reaches from black to white, or the other way round.
export function greyLayer({ image, width, height }, { window, level, invert }) {
  const table = new Uint8ClampedArray(256);
  for (let v = 0; v < 256; v++) {
    table[v] = window >= 255 && level === 128 ? v : ((v - level) / window + 0.5) * 255;
    if (invert) table[v] = 255 - table[v];
  }
  return paintCanvas(width, height, (colours) => {
    for (let i = 0; i < image.length; i++) {
      const v = table[image[i]];
      colours[4 * i] = colours[4 * i + 1] = colours[4 * i + 2] = v;
      colours[4 * i + 3] = 255;
    }
  });
}

// A map in colour; its opacity rises with it, so that what is improbable stays grey.
export function heatLayer(values, width, height, kind) {
  const stops = COLOUR_STOPS[kind];
  const table = Array.from({ length: 256 }, (_, v) => {
    const position = (v / 255) * (stops.length - 1), low = Math.min(stops.length - 2, Math.floor(position)), fraction = position - low;
    return stops[low].map((c, k) => c + fraction * (stops[low + 1][k] - c));
  });
  return paintCanvas(width, height, (colours) => {
    for (let i = 0; i < values.length; i++) {
      const [r, g, b] = table[values[i]];
      colours[4 * i] = r;
      colours[4 * i + 1] = g;
      colours[4 * i + 2] = b;
      colours[4 * i + 3] = Math.min(255, values[i] * 1.6);
    }
  });
}
