"""Train the learned saliency estimator: `salus.lab.networks.saliency_net` on augmented images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus.lab.onnx.export import export_onnx
from salus.lab.training.augment.compose import augment_batch
from salus.lab.training.augment.settings import STRONG, Augmentation
from salus.lab.training.loop import StepRecipe, compile_model, count_steps, train_steps
from salus.lab.training.progress import Log
from salus.preprocess import resize
from salus.saliency.methods.learned import LearnedSaliency
from salus.saliency.methods.prior import PriorSaliency

if TYPE_CHECKING:
    import keras


TOLERANCE = 1e-4
"""Largest difference allowed between a network's map and its ONNX file's."""


@dataclass(frozen=True)
class SaliencyRecipe(StepRecipe):
    """The settings of a training, beside those of `StepRecipe`.

    Attributes:
        prior_weight: v of the location prior in the finished map, see `salus.lab.networks.saliency_net.join_prior`.
        lesion_share: share of the images of every batch that show a tumour; the others are tumour-free, where the data
            have such images.
        augmentation: settings of the augmentation of every image.
    """

    steps: int = 1200
    passes: int = 40
    learning_rate: float = 1e-3
    prior_weight: float = 0.5
    lesion_share: float = 0.8
    augmentation: Augmentation = STRONG


class LearnedEstimator:
    """The learned method before it is fitted; see `salus.saliency.methods.learned` for its form after export.

    Args:
        recipe: settings of the training; None takes the defaults.
        log: called with lines of progress; None is silent.
    """

    inner_folds = 3
    """Its maps of the images it was fitted on look better than others: networks train on maps of inner folds."""

    def __init__(self, recipe: SaliencyRecipe | None = None, log: Log | None = None) -> None:
        self.recipe, self.log = recipe or SaliencyRecipe(), log
        self.model: keras.Model | None = None

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Train on (n, s, s) uint8 images and (n, s, s) bool masks; tumour-free images belong among them."""
        self.model = train_saliency(images, masks, self.recipe, self.log)

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Estimate maps (n, s, s) float32 in [0, 1] of images (n, s, s) uint8."""
        if self.model is None:
            raise RuntimeError("call fit first")
        size = self.model.input_shape[1]
        inputs = np.stack([resize(image, (size, size)) for image in images])[..., None] / np.float32(255)
        outputs = self.model.predict(inputs, batch_size=32, verbose=0)[..., 0].astype(np.float32)
        return np.clip(np.stack([resize(output, images.shape[1:]) for output in outputs]), 0, 1)

    def for_use(self) -> LearnedEstimator | LearnedSaliency:
        """Return the estimator as it is shipped, an ONNX file on one thread; itself where Keras cannot write one."""
        import keras

        if self.model is None or keras.backend.backend() != "tensorflow":
            return self
        with tempfile.TemporaryDirectory() as folder:
            export_saliency(self.model, Path(folder) / "saliency.onnx", {})
            return LearnedSaliency(Path(folder) / "saliency.onnx")


def train_saliency(
    images: np.ndarray, masks: np.ndarray, recipe: SaliencyRecipe, log: Log | None = None
) -> keras.Model:
    """Train a saliency network.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        recipe: the settings.
        log: called with a line of progress every hundred steps; None is silent.

    Raises:
        SalusError: the loss is no number.
    """
    import keras

    from salus.lab.networks.efficientnet_lite import IMAGENET
    from salus.lab.networks.saliency_net import SIZE, join_prior, saliency_net
    from salus.lab.training.backend import set_up
    from salus.lab.training.losses import saliency_loss

    keras.utils.clear_session()
    set_up(recipe.seed, "float32")  # depthwise convolutions are slower in bfloat16
    small = np.stack([np.rint(resize(image, (SIZE, SIZE))).astype(np.uint8) for image in images])
    truth = np.stack([resize(mask.astype(np.float32), (SIZE, SIZE)) >= 0.5 for mask in masks])
    steps = count_steps(recipe, len(images))
    model = saliency_net(SIZE, weights=IMAGENET if recipe.pretrained else None)
    side = model.output_shape[1]
    compile_model(model, recipe, steps, loss=saliency_loss)
    train_steps(
        model,
        lambda finished: make_batches(small, truth, side, recipe, steps - finished),
        steps,
        log or (lambda line: None),
    )
    prior = PriorSaliency()
    prior.fit(small, truth)
    return join_prior(model, prior.resized((side, side)), recipe.prior_weight)


def make_batches(
    images: np.ndarray, masks: np.ndarray, side: int, recipe: SaliencyRecipe, steps: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw and augment the batches of a training.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        side: height and width of the network's map, a divisor of s.
        recipe: batch size b, share of tumours, augmentation and seed.
        steps: number of batches.

    Yields:
        Images (b, s, s, 1) float32 in [0, 1], and the share of tumour in each pixel of the map (b, side, side, 1)
        float32.
    """
    rng = np.random.default_rng(recipe.seed)
    lesion = masks.any(axis=(1, 2))
    free_share = 0.0 if lesion.all() else (1.0 if not lesion.any() else 1 - recipe.lesion_share)
    weights = np.where(lesion, (1 - free_share) / max(lesion.sum(), 1), free_share / max((~lesion).sum(), 1))
    block = masks.shape[1] // side
    for _ in range(steps):
        chosen = rng.choice(len(images), recipe.batch, p=weights / weights.sum())
        x, y = augment_batch(images[chosen], masks[chosen], rng, recipe.augmentation)
        share = y.reshape(len(y), side, block, side, block).mean(axis=(2, 4), dtype=np.float32)
        yield x[..., None].astype(np.float32) / 255, share[..., None]


def export_saliency(model: keras.Model, path: Path, card: dict[str, object]) -> float:
    """Write the network as the ONNX file that `salus.saliency.methods.learned` reads.

    Args:
        model: of `train_saliency`.
        path: the .onnx file.
        card: stored in the file under the metadata key "salus": data, recipe, scores, licence.

    Returns:
        The largest difference between the maps of the network and of the file.

    Raises:
        SalusError: the difference exceeds `TOLERANCE`.
    """
    return export_onnx(model, path, ["saliency"], card, TOLERANCE)
