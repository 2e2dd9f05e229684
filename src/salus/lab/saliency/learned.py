"""Train the learned saliency estimator: `salus.lab.networks.saliency_net` on augmented images."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus.errors import SalusError
from salus.lab.training.augment.compose import augment_batch
from salus.lab.training.augment.settings import STRONG, Augmentation
from salus.lab.training.progress import Log
from salus.preprocess import resize
from salus.saliency.methods.learned import LearnedSaliency
from salus.saliency.methods.prior import PriorSaliency
from salus.saliency.registry import prior_map

if TYPE_CHECKING:
    import keras


PARITY = 1e-4
"""Largest difference allowed between a network's map and its ONNX file's."""


@dataclass(frozen=True)
class Recipe:
    """How the network is trained.

    Attributes:
        steps: of the optimiser at most.
        passes: over the training images at most; small sets take fewer steps.
        batch: images a step.
        learning_rate: of AdamW at its height; it rises over the first tenth and falls as a cosine.
        decay: AdamW's weight decay.
        average: share of the old in the running mean of the weights, which is what is kept.
        prior_weight: v of the location prior in the finished map, see `salus.lab.networks.saliency_net.join_prior`.
        lesion_share: part of every batch that shows a tumour; the rest is tumour-free where the data have such images.
        augmentation: what is done to every image.
        pretrained: start the encoder from its ImageNet weights.
        seed: of weights, order and augmentation.
    """

    steps: int = 1200
    passes: int = 40
    batch: int = 16
    learning_rate: float = 1e-3
    decay: float = 1e-3
    average: float = 0.99
    prior_weight: float = 0.5
    lesion_share: float = 0.8
    augmentation: Augmentation = STRONG
    pretrained: bool = True
    seed: int = 1


class LearnedEstimator:
    """`salus.saliency.methods.learned` before it is fitted.

    Args:
        recipe: how to train.
        log: gets a line of progress now and then; None is silent.
    """

    inner_folds = 3
    """It looks better on images that it was fitted on: networks that train on its maps get them out of fold."""

    def __init__(self, recipe: Recipe | None = None, log: Log | None = None) -> None:
        self.recipe, self.log, self.model = recipe or Recipe(), log, None

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Train from (n, s, s) uint8 images and (n, s, s) bool masks; tumour-free images belong among them."""
        self.model = train_saliency(images, masks, self.recipe, self.log)

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Maps (n, s, s) float32 in [0, 1] for images (n, s, s) uint8."""
        if self.model is None:
            raise RuntimeError("call fit first")
        size = self.model.input_shape[1]
        small = np.stack([resize(image, (size, size)) for image in images])[..., None] / np.float32(255)
        found = self.model.predict(small, batch_size=32, verbose=0)[..., 0].astype(np.float32)
        return np.clip(np.stack([resize(one, images.shape[1:]) for one in found]), 0, 1)

    def for_use(self) -> LearnedEstimator | LearnedSaliency:
        """The estimator as it is shipped, an ONNX file on one thread; itself where Keras cannot write one."""
        import keras

        if self.model is None or keras.backend.backend() != "tensorflow":
            return self
        with tempfile.TemporaryDirectory() as folder:
            export_saliency(self.model, Path(folder) / "saliency.onnx", {})
            return LearnedSaliency(Path(folder) / "saliency.onnx")


def train_saliency(images: np.ndarray, masks: np.ndarray, recipe: Recipe, log: Log | None = None) -> keras.Model:
    """Train a saliency network.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        recipe: the settings.
        log: called with a line of progress every hundred steps.
    """
    import keras

    from salus.lab.networks.efficientnet_lite import IMAGENET
    from salus.lab.networks.saliency_net import SIZE, join_prior, saliency_net
    from salus.lab.training.backend import build_optimizer, compiles, set_up
    from salus.lab.training.losses import saliency_loss

    keras.utils.clear_session()
    set_up(recipe.seed, "float32")  # depthwise convolutions are slower in bfloat16
    small = np.stack([np.rint(resize(i, (SIZE, SIZE))).astype(np.uint8) for i in images])
    truth = np.stack([resize(m.astype(np.float32), (SIZE, SIZE)) >= 0.5 for m in masks])
    steps = max(1, min(recipe.steps, recipe.passes * len(images) // recipe.batch))
    model = saliency_net(SIZE, weights=IMAGENET if recipe.pretrained else None)
    side = model.output_shape[1]
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20, steps - steps // 10, warmup_target=recipe.learning_rate, warmup_steps=steps // 10
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=recipe.decay, clipnorm=1.0, use_ema=True, ema_momentum=recipe.average
    )
    model.compile(optimizer, loss=saliency_loss, jit_compile=compiles())
    build_optimizer(model)
    began, losses = time.monotonic(), []
    for step, (x, y) in enumerate(_batches(small, truth, side, recipe, steps), 1):
        losses.append(float(model.train_on_batch(x, y)))
        if log and (step % 100 == 0 or step == steps):
            spent = time.monotonic() - began
            log(f"  step {step}/{steps}  loss {np.mean(losses[-100:]):.4f}  {spent * (steps / step - 1):.0f} s left")
    optimizer.finalize_variable_values(model.trainable_variables)
    prior = PriorSaliency()
    prior.fit(small, truth)
    return join_prior(model, prior_map(prior, (side, side)), recipe.prior_weight)


def _batches(
    images: np.ndarray, masks: np.ndarray, side: int, recipe: Recipe, steps: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Augmented batches: images (b, s, s, 1) float32 in [0, 1], truth (b, side, side, 1) float32, the mask's share."""
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
    """Write the network as the ONNX file that `salus.saliency.methods.learned` reads; the largest difference of a map.

    Args:
        model: of `train_saliency`.
        path: the .onnx file.
        card: what is said inside the file under "salus": data, recipe, scores, licence.

    Raises:
        SalusError: the file's maps differ from the network's by more than 1e-4.
    """
    import onnx

    from salus.lab.onnx.graph import finish

    side = model.input_shape[1]
    model(np.zeros((1, side, side, 1), np.float32))  # Keras exports what has been called
    model.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    finish(graph, ["saliency"], card)
    onnx.save(graph, path)
    images = np.random.default_rng(0).integers(0, 256, (4, side, side), dtype=np.uint8)
    found = model.predict(images[..., None] / np.float32(255), verbose=0)[..., 0]
    wanted = np.stack([resize(one, (side, side)) for one in found])
    difference = float(np.abs(LearnedSaliency(path).estimate(images) - wanted).max())
    if difference > PARITY:
        raise SalusError(f"{path}: differs from the network by {difference:.1e}, more than {PARITY:.0e}; not usable")
    return difference
