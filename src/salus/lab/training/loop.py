"""Train a network for a fixed number of optimiser steps: AdamW, warm-up and cosine, a running mean of the weights.

Training survives `kill -9`: the whole state is written every `STATE_INTERVAL` steps. The batches of a resumed training
must depend on the seed and the number of their step alone; it then ends with the weights of an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.lab.training.progress import Log, format_duration

if TYPE_CHECKING:
    import keras

STATE_INTERVAL = 100
"""Steps between two lines of progress, and between two states on disk."""

FINAL_WEIGHTS = "weights.weights.h5"
"""The file with the weights of a finished training."""


@dataclass(frozen=True)
class StepRecipe:
    """The settings of a training that is counted in steps; recipes of networks derive from it.

    Attributes:
        steps: largest number of optimiser steps.
        passes: largest number of passes over the training images; small sets take fewer steps.
        learning_rate: peak learning rate, see `learning_rates`.
        batch: images per step.
        decay: weight decay of AdamW.
        average: momentum of the running mean of the weights; the mean is what is kept.
        pretrained: start the encoder from its ImageNet weights.
        seed: of weights, order of the images and augmentation.
    """

    steps: int
    passes: int
    learning_rate: float
    batch: int = 16
    decay: float = 1e-3
    average: float = 0.99
    pretrained: bool = True
    seed: int = 1


def count_steps(recipe: StepRecipe, images: int) -> int:
    """Count the optimiser steps of a training on so many images.

    Example:
        >>> from salus.lab.segmentation.recipe import SegmentationRecipe
        >>> count_steps(SegmentationRecipe(steps=1500, passes=60, batch=16), images=80)
        300
    """
    return max(1, min(recipe.steps, recipe.passes * images // recipe.batch))


def learning_rates(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Make the schedule: up from a twentieth of the peak over the first tenth, then down to 0 as a cosine.

    Args:
        peak: the largest learning rate.
        steps: of the whole training.
    """
    import keras

    warm_up = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        peak / 20, max(1, steps - warm_up), warmup_target=peak, warmup_steps=warm_up
    )


def compile_model(model: keras.Model, recipe: StepRecipe, steps: int, **losses: Any) -> None:
    """Compile a network with AdamW, gradients clipped to norm 1 for each weight, and a running mean of the weights.

    Args:
        model: compiled in place; its optimiser's variables are made too.
        recipe: learning rate, weight decay and momentum of the mean.
        steps: of the whole training.
        losses: `loss` and `loss_weights` of `keras.Model.compile`.
    """
    import keras

    from salus.lab.training.backend import build_optimizer, use_jit

    optimizer = keras.optimizers.AdamW(
        learning_rates(recipe.learning_rate, steps),
        weight_decay=recipe.decay,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=recipe.average,
    )
    model.compile(optimizer, jit_compile=use_jit(), **losses)
    build_optimizer(model)


def train_steps(
    model: keras.Model,
    batches: Callable[[int], Iterable[tuple[Any, Any]]],
    steps: int,
    log: Log,
    folder: Path | None = None,
) -> None:
    """Run the steps of a training, or those that an interrupted one left; the model ends with the mean weights.

    Args:
        model: of `compile_model`, with its first weights.
        batches: makes the batches (inputs, truth) of the steps after a given number of finished ones.
        steps: of the whole training.
        log: called with a line of progress every `STATE_INTERVAL` steps.
        folder: gets the states while the network trains, then `FINAL_WEIGHTS`; None writes nothing.

    Raises:
        SalusError: the loss is no number.
        OSError: a state cannot be written.
    """
    from salus.lab.training.backend import seed_each_step

    seed_step = seed_each_step()
    finished = 0 if folder is None else _restore(model, folder)
    if finished:
        log(f"  resumes after step {finished}")
    start, losses = time.monotonic(), []
    for step, (inputs, truth) in enumerate(batches(finished), finished + 1):
        seed_step(step)
        losses.append(float(model.train_on_batch(inputs, truth, return_dict=True)["loss"]))
        if not np.isfinite(losses[-1]):
            raise SalusError(f"the loss is no number at step {step}; lower the learning rate")
        if step % STATE_INTERVAL == 0 or step == steps:
            left = (time.monotonic() - start) / (step - finished) * (steps - step)
            log(f"  step {step}/{steps}  loss {np.mean(losses[-STATE_INTERVAL:]):.4f}  {format_duration(left)} left")
            if folder is not None:
                write_whole(_state_file(folder, step), model.save_weights)
                _state_file(folder, step - STATE_INTERVAL).unlink(missing_ok=True)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    if folder is not None:
        write_whole(folder / FINAL_WEIGHTS, model.save_weights)
        for path in folder.glob("step-*.weights.h5"):
            path.unlink()


def _state_file(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.weights.h5"


def _restore(model: keras.Model, folder: Path) -> int:
    """Load the newest state (weights, optimiser, running mean, dropout); return the number of finished steps."""
    from salus.lab.training.checkpoint import advance_dropout

    states = sorted(folder.glob("step-*.weights.h5"))
    if not states:
        return 0
    model.load_weights(states[-1])
    finished = int(states[-1].name.removeprefix("step-").partition(".")[0])
    advance_dropout(model, finished)
    return finished
