// Pictures as arrays of bytes, and masks as PNG.

export async function bytesOf(blob) {
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

export function pngOf(mask, width, height) {
  return painted(width, height, (colours) => {
    for (let i = 0; i < mask.length; i++) colours.fill(mask[i] ? 255 : 0, 4 * i, 4 * i + 3), (colours[4 * i + 3] = 255);
  }).convertToBlob({ type: "image/png" });
}

export function painted(width, height, paint) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  paint(image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

// A mask of a probability: 1 where it reaches the level, less connected parts (8 neighbours) of fewer pixels than `least`.
// The server cuts the same bytes by the same rule.
export function cut(probability, width, height, level, least) {
  const mask = new Uint8Array(probability.length);
  for (let i = 0; i < mask.length; i++) mask[i] = probability[i] >= level ? 1 : 0;
  const seen = new Uint8Array(mask.length);
  const part = new Int32Array(mask.length);
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || seen[start]) continue;
    let count = 1;
    part[0] = start;
    seen[start] = 1;
    for (let i = 0; i < count; i++) {
      const x = part[i] % width, y = (part[i] - x) / width;
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const near = v * width + u;
          if (mask[near] && !seen[near]) (seen[near] = 1), (part[count++] = near);
        }
      }
    }
    if (count < least) for (let i = 0; i < count; i++) mask[part[i]] = 0;
  }
  return mask;
}
