"""Batches for Keras, from arrays of bytes, in an order that only the seed and the epoch decide."""

from __future__ import annotations

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Images (and saliency maps) with their truth, in batches.

    The order of an epoch depends on (seed, epoch) alone, so a resumed training sees what an unbroken one would have.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        saliency: (n, s, s) uint8 for a network with two inputs, else None.
        batch: images a batch; the last may hold fewer.
        seed: shuffles; None keeps the order as it stands.
    """

    def __init__(
        self, images: np.ndarray, masks: np.ndarray, saliency: np.ndarray | None, batch: int, seed: int | None = None
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.images, self.masks, self.saliency = images, masks, saliency
        self.batch, self.seed, self.epoch = batch, seed, 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-len(self.images) // self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray | tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Batch `index` of the current epoch: inputs in [0, 1] and truth, each (b, s, s, 1) float32."""
        chosen = self._order()[index * self.batch : (index + 1) * self.batch]
        inputs = network_inputs(self.images[chosen], None if self.saliency is None else self.saliency[chosen])
        return inputs, self.masks[chosen][..., None].astype(np.float32)

    def _order(self) -> np.ndarray:
        if self.seed is None:
            return np.arange(len(self.images))
        return np.random.default_rng((self.seed, self.epoch)).permutation(len(self.images))


def network_inputs(
    images: np.ndarray, saliency: np.ndarray | None = None
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Bytes (n, s, s) to what a network takes: image, or (image, saliency), each (n, s, s, 1) float32 in [0, 1]."""
    image = images[..., None].astype(np.float32) / 255
    return image if saliency is None else (image, saliency[..., None].astype(np.float32) / 255)
