// Convert between PNG pictures and arrays of grey values, and threshold probabilities.

// The grey values of a picture, one byte a pixel.
export async function decodeGrey(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { width, height } = bitmap;
  bitmap.close();
  const colours = context.getImageData(0, 0, width, height).data;
  const values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i++) values[i] = colours[4 * i];
  return { values, width, height };
}

// The grey values of a PNG in base64.
export async function decodeBase64(text) {
  const { values } = await decodeGrey(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: "image/png" }));
  return values;
}

// A mask of 0 and 1 as PNG, white where it is 1.
export function encodeMask(mask, width, height) {
  return paintCanvas(width, height, (colours) => {
    const words = new Uint32Array(colours.buffer); // a pixel each: alpha, blue, green, red
    for (let i = 0; i < mask.length; i++) words[i] = mask[i] ? 0xffffffff : 0xff000000;
  }).convertToBlob({ type: "image/png" });
}

// A canvas whose pixels a function has filled in, four bytes each.
export function paintCanvas(width, height, paint) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  paint(image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

// Call `visit` with the pixels (indices, in any order) of each connected part (8 neighbours) of a mask.
export function eachComponent(mask, width, height, visit) {
  const visited = new Uint8Array(mask.length);
  const part = new Int32Array(mask.length);
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || visited[start]) continue;
    let count = 1;
    part[0] = start;
    visited[start] = 1;
    for (let i = 0; i < count; i++) {
      const x = part[i] % width, y = (part[i] - x) / width;
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const neighbour = v * width + u;
          if (mask[neighbour] && !visited[neighbour]) (visited[neighbour] = 1), (part[count++] = neighbour);
        }
      }
    }
    visit(part.subarray(0, count));
  }
}

// A mask of 1 where a probability reaches `level`, without connected parts of fewer pixels than `minPixels`.
// The server thresholds the same bytes by the same rule.
export function thresholdMask(probability, width, height, level, minPixels) {
  const mask = new Uint8Array(probability.length), small = [];
  for (let i = 0; i < mask.length; i++) mask[i] = probability[i] >= level ? 1 : 0;
  eachComponent(mask, width, height, (pixels) => pixels.length < minPixels && small.push(pixels.slice()));
  for (const pixels of small) for (const pixel of pixels) mask[pixel] = 0;
  return mask;
}
