"""Learned saliency: a small network, read from an ONNX file and run without any training framework.

The file's contract, which training writes and this checks:

    input   "image"     (n, S, S, 1) float32 in [0, 1], S fixed
    output  "saliency"  (n, T, T, 1) float32, the probability of tumour, T = S or less
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.engine import open_network
from salus.errors import SalusError
from salus.preprocess import resize

BATCH = 16
"""Images that pass through the network at once, which bounds memory."""


class LearnedSaliency:
    """Maps of a network in an ONNX file, which is loaded once.

    Args:
        path: the .onnx file.
        threads: processor threads of one inference.
        device: see `salus.engine.open_network`.

    Raises:
        SalusError: no engine is installed, or the file is missing, damaged or of another contract.
    """

    def __init__(self, path: Path | str, threads: int = 1, device: str = "cpu") -> None:
        self.network = open_network(path, threads=threads, device=device)
        shape = self.network.inputs.get("image", ())
        side = shape[1] if len(shape) == 4 else None
        fits = len(self.network.inputs) == 1 and "saliency" in self.network.outputs
        if not fits or side is None or shape[1:] != (side, side, 1) or shape[0] not in (None, 1):
            raise SalusError(
                f'{path}: no saliency network; it needs the input "image" (n, S, S, 1) with S fixed, and "saliency" out'
            )
        self.size = side
        """Height and width of the network's input."""
        self.batch = 1 if shape[0] == 1 else BATCH

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Estimate the map of each image.

        Args:
            images: (n, s, s) uint8, any s.

        Returns:
            (n, s, s) float32 in [0, 1].
        """
        maps = np.empty(images.shape, np.float32)
        for start in range(0, len(images), self.batch):
            batch = images[start : start + self.batch]
            inputs = np.stack([resize(image, (self.size, self.size)) for image in batch]) / np.float32(255)
            outputs = self.network.run({"image": inputs[..., None]})["saliency"][..., 0]
            for index, output in enumerate(outputs, start):
                maps[index] = resize(output, images.shape[1:])
        return np.clip(maps, 0, 1, out=maps)
