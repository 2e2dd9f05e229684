"""Train the network of `salus segment`, at two sizes where the recipe says so; resume an interrupted training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus.errors import SalusError
from salus.lab.segmentation.loader import load_batches
from salus.lab.segmentation.recipe import SegmentationRecipe
from salus.lab.segmentation.self_training import add_unlabelled
from salus.lab.training.devices import ONE_DEVICE, DeviceGroup
from salus.lab.training.loop import FINAL_WEIGHTS, compile_model, count_steps, train_steps
from salus.lab.training.progress import Log
from salus.preprocess import resize, to_uint8

if TYPE_CHECKING:
    import keras

EARLY, TEACHER = "early", "teacher"
"""Folders, in that of a training, of the first steps at a smaller size and of the teacher, which is trained alike."""

EARLY_SEED_OFFSET = 1000
"""Added to the seed of the first training, so that the second does not repeat its batches."""


def train_segmenter(
    images: np.ndarray,
    masks: np.ndarray,
    recipe: SegmentationRecipe,
    folder: Path,
    log: Log = print,
    start_from: Path | None = None,
    devices: DeviceGroup = ONE_DEVICE,
    unlabelled: np.ndarray | None = None,
) -> keras.Model:
    """Train the network, resuming where an earlier call with the same folder was interrupted.

    Args:
        images: (n, s, s) uint8, s the recipe's size.
        masks: (n, s, s) bool; images without a tumour belong among them.
        recipe: the settings.
        folder: gets the state while the network trains, then weights.weights.h5.
        log: called with a line of progress every hundred steps.
        start_from: an .onnx file of the same network to start from, in place of ImageNet's weights.
        devices: that train together.
        unlabelled: (m, s, s) uint8, images without a mask, which are learned from by the outlines of the network that
            this training starts from, else of a teacher that is trained first at the smaller size (`self_training`).

    Raises:
        SalusError: the images have another size, no mask shows a tumour, the recipe begins at a smaller size although
            there is a network to start from, or the loss is no number.
    """
    import keras

    from salus.lab.networks.efficientnet_lite import IMAGENET
    from salus.lab.networks.promptable_net import promptable_net
    from salus.lab.networks.segment_net import in_file_order, segment_net
    from salus.lab.onnx.weights import load_onnx_weights
    from salus.lab.training.backend import set_up

    if images.shape[1:] != (recipe.size, recipe.size):
        raise SalusError(f"images are {images.shape[1:]}, the recipe's size is {recipe.size}; prepare them at that")
    if not masks.any():
        raise SalusError("no mask shows a tumour; there is nothing to learn")
    if recipe.early_steps and start_from is not None:
        raise SalusError("fine-tuning begins at the network's own size; leave out --early-steps, or --start-from")
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / FINAL_WEIGHTS
    early_weights = None
    if recipe.early_steps and not final.exists():
        if unlabelled is not None:
            log("  first a teacher, which outlines the images without a mask")
            teacher = train_early(images, masks, recipe, folder / TEACHER, log, devices)
            images, masks = add_unlabelled(images, masks, unlabelled, teacher, folder, log)
        log(f"  first at {recipe.early_size} x {recipe.early_size}")
        early_weights = train_early(images, masks, recipe, folder / EARLY, log, devices).get_weights()
        log(f"  then at {recipe.size} x {recipe.size}")
    keras.utils.clear_session()
    set_up(recipe.seed, "float32")  # depthwise convolutions are slower in bfloat16
    encoder = IMAGENET if recipe.pretrained and start_from is None and early_weights is None else None

    def build(encoder: Path | None = None) -> keras.Model:
        if recipe.prompted:
            return promptable_net(recipe.size, encoder, recipe.dropout)
        return segment_net(recipe.size, encoder, recipe.dropout)

    if final.exists():
        model = build()
        model.load_weights(final)
        return model
    with devices.scope():
        model = build(encoder)
        if early_weights is not None:
            set_resized_weights(model, early_weights)
        elif start_from is not None:
            load_onnx_weights(in_file_order(model), start_from)
            if unlabelled is not None:
                images, masks = add_unlabelled(images, masks, unlabelled, model, folder, log)
        devices.shard_batches(model)
        _train(model, images, masks, recipe, folder, log)
    return devices.local_copy(model, build)


def _train(
    model: keras.Model, images: np.ndarray, masks: np.ndarray, recipe: SegmentationRecipe, folder: Path, log: Log
) -> None:
    """Run the steps that are left, on a network with its first weights."""
    from salus.lab.training.backend import batch_processes

    steps = count_steps(recipe, len(images))
    compile_segmenter(model, recipe, steps)
    train_steps(
        model,
        lambda finished: load_batches(images, masks, recipe, finished, steps, batch_processes()),
        steps,
        log,
        folder,
    )


def compile_segmenter(model: keras.Model, recipe: SegmentationRecipe, steps: int) -> None:
    """Compile a network with the losses and the optimiser of a recipe, for so many steps."""
    from salus.lab.training.losses import outline_loss, saliency_loss

    loss = {"probability": outline_loss, "saliency": saliency_loss, "presence": "binary_crossentropy"}
    compile_model(
        model, recipe, steps, loss={**loss, "features": None}, loss_weights={**recipe.weights, "features": 0.0}
    )


def train_early(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentationRecipe, folder: Path, log: Log, devices: DeviceGroup
) -> keras.Model:
    """Train at the smaller size; the arguments are those of `train_segmenter`."""
    early = early_recipe(recipe)
    return train_segmenter(*resize_pairs(images, masks, early.size), early, folder, log, devices=devices)


def early_recipe(recipe: SegmentationRecipe) -> SegmentationRecipe:
    """Make the recipe of the first training, at a smaller size and without pairs of scans.

    The network first learns what a tumour is, and then to follow the prompt: with pairs from the beginning it finds
    tumours less well without a prompt.
    """
    return replace(
        recipe,
        steps=recipe.early_steps,
        size=recipe.early_size,
        learning_rate=recipe.early_rate,
        early_steps=0,
        paired=0.0,
        seed=recipe.seed + EARLY_SEED_OFFSET,
    )


def resize_pairs(images: np.ndarray, masks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Resize images (n, s, s) uint8 and masks (n, s, s) bool to (n, size, size)."""
    shape = (size, size)
    resized = np.stack([to_uint8(resize(image / np.float32(255), shape)) for image in images])
    return resized, np.stack([resize(mask.astype(np.float32), shape) for mask in masks]) >= 0.5


def set_resized_weights(model: keras.Model, weights: list[np.ndarray]) -> None:
    """Give a network the weights of the same network for another size of image.

    A weight that has a value for each position (h, w, k) is resized; all others fit as they are.
    """
    model.set_weights([_fit(values, new.shape) for values, new in zip(weights, model.weights, strict=True)])


def _fit(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if values.shape == tuple(shape):
        return values
    return np.stack([resize(plane, (shape[0], shape[1])) for plane in np.moveaxis(values, -1, 0)], axis=-1)
