"""Train the network that `salus segment` uses.

Training survives `kill -9`: the whole state is written every `KEPT` steps, and what a step sees depends on the seed and
its number alone, so that a resumed training is the unbroken one.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus.errors import SalusError
from salus.lab.segmentation.loader import batches
from salus.lab.segmentation.recipe import SegmentRecipe
from salus.lab.training.process_group import ALONE, Crew
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import write_by_rename
from salus.preprocess import resize, to_bytes

if TYPE_CHECKING:
    import keras


KEPT = 100
"""Steps between two states on disk."""

FINISHED = "weights.weights.h5"
"""What a training ends with."""

EARLY_SEED = 1000
"""What is added to the seed of a first training, so that the second does not repeat its batches."""


def train_segmenter(
    images: np.ndarray,
    masks: np.ndarray,
    recipe: SegmentRecipe,
    folder: Path,
    log: Log = print,
    start_from: Path | None = None,
    crew: Crew = ALONE,
) -> keras.Model:
    """Train, resuming where an earlier call with the same folder was cut off.

    Args:
        images: (n, s, s) uint8, s the recipe's size.
        masks: (n, s, s) bool; images without a tumour belong among them.
        recipe: the settings.
        folder: gets the state while it trains, and weights.weights.h5.
        log: called with a line of progress every hundred steps.
        start_from: an .onnx file of the same network to begin with, in place of ImageNet's weights.
        crew: who trains together.

    Raises:
        SalusError: the images have another size, no mask shows a tumour, the recipe begins with a smaller size although
            there is a network to begin with, or the loss is no number.
    """
    import keras

    from salus.lab.networks.efficientnet_lite import IMAGENET
    from salus.lab.networks.segment_net import segment_net
    from salus.lab.onnx.weights import load_noted
    from salus.lab.training.backend import set_up

    if images.shape[1:] != (recipe.size, recipe.size):
        raise SalusError(f"images are {images.shape[1:]}, the recipe's size is {recipe.size}; prepare them at that")
    if not masks.any():
        raise SalusError("no mask shows a tumour; there is nothing to learn")
    if recipe.early_steps and start_from is not None:
        raise SalusError("fine-tuning begins at the network's own size; leave out --early-steps, or --start-from")
    folder = crew.mirror(folder)
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / FINISHED
    first = None if final.exists() else _train_small(images, masks, recipe, folder, log, crew)
    keras.utils.clear_session()
    set_up(recipe.seed, "float32")  # depthwise convolutions are slower in bfloat16
    encoder = IMAGENET if recipe.pretrained and start_from is None and first is None else None

    def build(encoder: Path | None = None) -> keras.Model:
        return segment_net(recipe.size, encoder, recipe.dropout, recipe.attention, recipe.folded)

    if final.exists():
        model = build()
        model.load_weights(final)
        return model
    with crew.scope():
        model = build(encoder)
        if first is not None:
            take_over(model, first)
        elif start_from is not None:
            load_noted(model, start_from)
        crew.share_out(model)
        _train(model, images, masks, recipe, folder, log)
    return crew.local(model, build)


def _train(
    model: keras.Model, images: np.ndarray, masks: np.ndarray, recipe: SegmentRecipe, folder: Path, log: Log
) -> None:
    """All steps of a training, or those that are left, on a network with its first weights."""
    import keras

    from salus.lab.training.backend import batch_makers, build_optimizer, compiles
    from salus.lab.training.losses import saliency_loss

    steps = count_steps(recipe, len(images))
    optimizer = keras.optimizers.AdamW(
        learning_rates(recipe, steps),
        weight_decay=recipe.decay,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=recipe.average,
    )
    loss = {"probability": saliency_loss, "saliency": saliency_loss, "presence": "binary_crossentropy"}
    model.compile(
        optimizer,
        loss={**loss, "features": None},
        loss_weights={**recipe.weights, "features": 0.0},
        jit_compile=compiles(),
    )
    build_optimizer(model)
    done = _restore(model, folder)
    if done:
        log(f"  resumes after step {done}")
    began, losses = time.monotonic(), []
    for step, (x, y) in enumerate(batches(images, masks, recipe, done, steps, batch_makers()), done + 1):
        found = model.train_on_batch(x, y, return_dict=True)
        losses.append(float(found["loss"]))
        if not np.isfinite(losses[-1]):
            raise SalusError(f"the loss is no number at step {step}; lower the learning rate")
        if step % KEPT == 0 or step == steps:
            spent = (time.monotonic() - began) / (step - done)
            log(f"  step {step}/{steps}  loss {np.mean(losses[-KEPT:]):.4f}  {spent * (steps - step):.0f} s left")
            write_by_rename(_state(folder, step), model.save_weights)
            _state(folder, step - KEPT).unlink(missing_ok=True)
    optimizer.finalize_variable_values(model.trainable_variables)
    write_by_rename(folder / FINISHED, model.save_weights)
    for path in folder.glob("step-*.weights.h5"):
        path.unlink()


def _train_small(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentRecipe, folder: Path, log: Log, crew: Crew
) -> list[np.ndarray] | None:
    """The weights that the first training, at a smaller size, ends with; None where the recipe has none."""
    if not recipe.early_steps:
        return None
    small = early_recipe(recipe)
    log(f"  first at {small.size} x {small.size}")
    model = train_segmenter(*shrink(images, masks, small.size), small, folder / "early", log, crew=crew)
    weights: list[np.ndarray] = model.get_weights()
    log(f"  then at {recipe.size} x {recipe.size}")
    return weights


def count_steps(recipe: SegmentRecipe, images: int) -> int:
    """How many steps a training on so many images takes."""
    return max(1, min(recipe.steps, recipe.passes * images // recipe.batch))


def learning_rates(recipe: SegmentRecipe, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate of each of so many steps."""
    import keras

    warm = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20, max(1, steps - warm), warmup_target=recipe.learning_rate, warmup_steps=warm
    )


def early_recipe(recipe: SegmentRecipe) -> SegmentRecipe:
    """The recipe of the first training, at a smaller size."""
    return replace(
        recipe,
        steps=recipe.early_steps,
        size=recipe.early_size,
        learning_rate=recipe.early_rate,
        early_steps=0,
        seed=recipe.seed + EARLY_SEED,
    )


def shrink(images: np.ndarray, masks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, s, s) uint8 and masks (n, s, s) bool, both to (n, size, size)."""
    shape = (size, size)
    fewer = np.stack([to_bytes(resize(image / np.float32(255), shape)) for image in images])
    return fewer, np.stack([resize(mask.astype(np.float32), shape) for mask in masks]) >= 0.5


def take_over(model: keras.Model, weights: list[np.ndarray]) -> None:
    """Give a network the weights of one for another size."""
    model.set_weights([_spread(own, new.shape) for own, new in zip(weights, model.weights, strict=True)])


def _spread(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A weight, and one that has a value for each place (h, w, k) at another size."""
    if values.shape == tuple(shape):
        return values
    return np.stack([resize(plane, (shape[0], shape[1])) for plane in np.moveaxis(values, -1, 0)], axis=-1)


def _state(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.weights.h5"


def _restore(model: keras.Model, folder: Path) -> int:
    """Load the newest state (weights, optimiser, running mean, dropout); the steps that are done."""
    from salus.lab.training.checkpoint import restore_draws

    states = sorted(folder.glob("step-*.weights.h5"))
    if not states:
        return 0
    model.load_weights(states[-1])
    done = int(states[-1].name[5:11])
    restore_draws(model, done)
    return done
