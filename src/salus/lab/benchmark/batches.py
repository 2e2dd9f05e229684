"""Training and test batches for Keras, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Batches of images (and saliency maps) with their masks.

    The order depends on (seed, epoch) alone, so that a resumed training sees the same batches as an uninterrupted one.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        saliency: (n, s, s) uint8 for a network with two inputs, else None.
        batch: images in a batch; the last batch may hold fewer.
        seed: seed of the shuffling; None keeps the order of `images`.
    """

    def __init__(
        self, images: np.ndarray, masks: np.ndarray, saliency: np.ndarray | None, batch: int, seed: int | None = None
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.images, self.masks, self.saliency = images, masks, saliency
        self.batch, self.seed, self.epoch = batch, seed, 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.images) // self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray | tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Return batch `index` of the current epoch: inputs in [0, 1] and masks, each (b, s, s, 1) float32."""
        indices = self._order()[index * self.batch : (index + 1) * self.batch]
        inputs = network_inputs(self.images[indices], None if self.saliency is None else self.saliency[indices])
        return inputs, self.masks[indices][..., None].astype(np.float32)

    def _order(self) -> np.ndarray:
        if self.seed is None:
            return np.arange(len(self.images))
        return np.random.default_rng((self.seed, self.epoch)).permutation(len(self.images))


def network_inputs(
    images: np.ndarray, saliency: np.ndarray | None = None
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Convert uint8 (n, s, s) to a network's input: image, or (image, saliency), (n, s, s, 1) float32 in [0, 1]."""
    image = images[..., None].astype(np.float32) / 255
    return image if saliency is None else (image, saliency[..., None].astype(np.float32) / 255)
