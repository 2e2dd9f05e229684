"""Self-training: learn also from images without a mask, by the outlines that a network already gives them.

A teacher is trained on the images with masks, at the smaller size of the early steps; in a fine-tuning it is the
network as it was. Its outline of an image, where it is sure enough of it, is taken as the image's mask, and a new
network, the student, learns from all (pseudo-labels: Lee, "Pseudo-label: the simple and efficient semi-supervised
learning method for deep neural networks", 2013; Xie et al., "Self-training with noisy student improves ImageNet
classification", CVPR 2020). Scanners of which there are images, but no masks, so become part of what the network knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.atomic import write_whole
from salus.lab.training.progress import Log
from salus.preprocess import resize, to_uint8
from salus.segmentation.network import predict
from salus.segmentation.postprocess import MIN_THRESHOLD, best_threshold

if TYPE_CHECKING:
    import keras

PSEUDO_MASKS = "pseudo-masks.npz"
"""The teacher's outlines, in the folder of a training, so that a resumed one learns from the same."""

LEAST_EXPECTED_DICE = 0.7
"""An image is learned from where its outline's expected Dice, as the teacher's probabilities say, is this or more."""

UNLABELLED_SHARE = 0.25
"""Share of the images without a mask among the training images; a small number of them is repeated to that end."""

BATCH = 16
"""Images that are outlined at once."""


def add_unlabelled(
    images: np.ndarray,
    masks: np.ndarray,
    unlabelled: np.ndarray,
    teacher: keras.Model,
    folder: Path,
    log: Log,
) -> tuple[np.ndarray, np.ndarray]:
    """Add the images without a mask of which the teacher is sure to the training images.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        unlabelled: (m, s, s) uint8.
        teacher: a trained network of the same kind, also for another size of images.
        folder: of the training; its `PSEUDO_MASKS` are read where they are there, else written.
        log: called with a line that says how many are learned from.

    Returns:
        (k, s, s) uint8 and bool: the training images, then those without a mask, repeated until they are
        `UNLABELLED_SHARE` of all, and their outlines.
    """
    path = folder / PSEUDO_MASKS
    if not path.exists():
        outlines, confidence = outline_images(teacher, unlabelled)
        write_whole(path, lambda temporary: np.savez_compressed(temporary, masks=outlines, confidence=confidence))
    with np.load(path, allow_pickle=False) as file:
        outlines, sure = file["masks"], file["confidence"] >= LEAST_EXPECTED_DICE
    log(f"  {sure.sum()} of {len(sure)} images without a mask are learned from, by the network's own outlines")
    if not sure.any():
        return images, masks
    times = count_repetitions(len(images), int(sure.sum()))
    return np.concatenate([images, *[unlabelled[sure]] * times]), np.concatenate([masks, *[outlines[sure]] * times])


def count_repetitions(labelled: int, unlabelled: int) -> int:
    """Count how often each image without a mask is taken, so that they are about `UNLABELLED_SHARE` of all.

    Example:
        >>> count_repetitions(labelled=1800, unlabelled=300), count_repetitions(labelled=100, unlabelled=300)
        (2, 1)
    """
    return max(1, round(UNLABELLED_SHARE / (1 - UNLABELLED_SHARE) * labelled / unlabelled))


def outline_images(model: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outline images as the finished network would, by `salus.segmentation.network.predict` in all its passes.

    Args:
        model: for images of some size.
        images: (n, s, s) uint8, of any size s.

    Returns:
        Outlines, (n, s, s) bool, each cut where its expected Dice is largest; and that Dice, (n,) in [0, 1].
    """
    network, side = KerasNetwork(model), images.shape[1]
    size = model.inputs[0].shape[1]
    outlines, confidence = np.empty(images.shape, bool), np.empty(len(images), np.float32)
    for start in range(0, len(images), BATCH):
        batch = [to_uint8(resize(image / np.float32(255), (size, size))) for image in images[start : start + BATCH]]
        outputs = predict(network, np.stack(batch)[..., None] / np.float32(255), tta=True, refine=True)
        for i, probability in enumerate(outputs["probability"][..., 0], start):
            threshold, confidence[i] = best_threshold(probability)
            outlines[i] = resize(probability, (side, side)) >= max(threshold, MIN_THRESHOLD)
    return outlines, confidence


class KerasNetwork:
    """A network that is still a Keras model, as `salus.segmentation.network.predict` takes it; see `Network`."""

    engine, precision = "keras", "float32"

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.settings: dict[str, Any] = {}
        named = {"image": model.input} if len(model.inputs) == 1 else model.input
        self.inputs = {name: tuple(tensor.shape) for name, tensor in named.items()}
        self.outputs = tuple(model.output_names)

    def run(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs; the strangeness, which is fitted at the export, is 0."""
        inputs = values if len(values) > 1 else values["image"]
        outputs: dict[str, np.ndarray] = self.model.predict(inputs, batch_size=BATCH, verbose=0)
        return outputs | {"strangeness": np.zeros((len(values["image"]), 1), np.float32)}
