"""Sample the training batches of the segmentation network: images with and without a tumour, augmented.

A batch depends on the recipe's seed and the number of its step alone, so that a resumed training sees the batches of an
uninterrupted one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from salus.lab.training.augment.compose import augment
from salus.lab.training.simulated_prompts import DEFAULT_SIMULATION, draw_simulated, simulate_prompt
from salus.prompts.prompt import NO_PROMPT

if TYPE_CHECKING:
    from salus.lab.segmentation.recipe import SegmentationRecipe

ALWAYS = replace(DEFAULT_SIMULATION, none=0.0)
"""How prompts are simulated for the images that were chosen to have one."""


class Batch(NamedTuple):
    """The images of one step.

    Attributes:
        images: (b, s, s) uint8.
        masks: (b, s, s) bool, every lesion.
        prompts: (b, s, s) float16 in [-1, 1], see `salus.lab.networks.promptable_net`; None without prompts.
        targets: (b, s, s) bool, the lesion that each prompt means; the masks themselves without prompts.
    """

    images: np.ndarray
    masks: np.ndarray
    prompts: np.ndarray | None
    targets: np.ndarray


def sample_batch(
    images: np.ndarray, masks: np.ndarray, lesion: np.ndarray, recipe: SegmentationRecipe, step: int
) -> Batch:
    """Sample and augment the images and masks of one step.

    With prompts, some images are halves of two scans side by side, as of two views on one screen: there the prompt
    alone tells which lesion is meant, so that the network learns to follow it.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        lesion: (n,) bool, which masks show a tumour.
        recipe: the settings.
        step: its number; the same step gives the same batch.
    """
    rng = np.random.default_rng((recipe.seed, step))
    with_tumour, free = np.flatnonzero(lesion), np.flatnonzero(~lesion)

    def sample(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        i = int(rng.choice(indices))
        return augment(images[i], masks[i], rng, recipe.augmentation)

    x, y, prompts, targets = [], [], [], []
    for _ in range(recipe.batch):
        prompted = rng.random() < recipe.prompted
        image, mask = sample(free if len(free) and rng.random() < recipe.free_share else with_tumour)
        if prompted and rng.random() < recipe.paired:
            image, mask = join_halves((image, mask), sample(with_tumour), rng)
        prompt, target = simulate_prompt(mask, rng, ALWAYS) if prompted else (NO_PROMPT, mask)
        x.append(image)
        y.append(mask)
        targets.append(target)
        if recipe.prompted:
            prompts.append(draw_simulated(prompt, len(image))[..., 0].astype(np.float16))
    return Batch(np.stack(x), np.stack(y), np.stack(prompts) if prompts else None, np.stack(targets))


def to_inputs_and_targets(batch: Batch) -> tuple[np.ndarray | dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Convert a batch to the network's inputs and the target of each output.

    Args:
        batch: of `sample_batch`, its side s a multiple of 4.

    Returns:
        Images (b, s, s, 1) float32 in [0, 1], with prompts a dict of "image" and "prompt" (b, s, s, 1); and the
        targets: "probability" (b, s, s, 1), the lesion meant; "saliency" (b, s/4, s/4, 1), the share of it in each
        4 x 4 pixels; "presence" (b, 1), whether the image shows a tumour at all.
    """
    n, side = len(batch.masks), batch.masks.shape[1] // 4
    share = batch.targets.reshape(n, side, 4, side, 4).mean(axis=(2, 4), dtype=np.float32)
    image = batch.images[..., None].astype(np.float32) / 255
    targets = {
        "probability": batch.targets[..., None].astype(np.float32),
        "saliency": share[..., None],
        "presence": batch.masks.reshape(n, -1).max(axis=1, keepdims=True).astype(np.float32),
    }
    if batch.prompts is None:
        return image, targets
    return {"image": image, "prompt": batch.prompts[..., None].astype(np.float32)}, targets


def join_halves(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Put one half of each of two images side by side, each with its lesion where that fits into a half.

    Args:
        one: image, (s, s) uint8, and its mask, (s, s) bool; its half is on the left.
        other: the same.
        rng: source of all random choices.

    Returns:
        (s, s) uint8 and (s, s) bool.
    """
    side = one[0].shape[1]
    widths = (side // 2, side - side // 2)
    halves = [crop_columns(*pair, width, rng) for pair, width in zip((one, other), widths, strict=True)]
    images, masks = zip(*halves, strict=True)
    return np.concatenate(images, axis=1), np.concatenate(masks, axis=1)


def crop_columns(
    image: np.ndarray, mask: np.ndarray, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Crop some columns at a random place: with all of the lesion where it fits, else with the middle of it.

    Args:
        image: (s, s) uint8.
        mask: (s, s) bool.
        width: number of columns to keep.
        rng: source of all random choices.

    Returns:
        (s, width) uint8 and bool.
    """
    last = image.shape[1] - width
    lowest, highest = 0, last
    columns = np.flatnonzero(mask.any(axis=0))
    if len(columns):
        lowest, highest = int(columns[-1]) + 1 - width, int(columns[0])
        if lowest > highest:  # wider than the crop
            lowest = highest = (lowest + highest) // 2
    left = int(rng.integers(min(max(lowest, 0), last), min(max(highest, 0), last) + 1))
    return image[:, left : left + width], mask[:, left : left + width]
