"""Sample the training batches of the segmentation network: images with and without a tumour, real or made, augmented.

A batch depends on the recipe's seed and the number of its step alone, so that a resumed training sees the batches of an
uninterrupted one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from salus.lab.training.augment.compose import augment
from salus.lab.training.augment.lesions import cover_lesion, paste_lesion
from salus.lab.training.simulated_prompts import DEFAULT_SIMULATION, draw_simulated, simulate_prompt
from salus.preprocess import resize

if TYPE_CHECKING:
    from salus.lab.segmentation.recipe import SegmentationRecipe

WINDOW = (0.4, 0.85)
"""Smallest and largest side of a window beside a tumour, as shares of the image's side."""


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

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        lesion: (n,) bool, which masks show a tumour.
        recipe: the settings.
        step: its number; the same step gives the same batch.
    """
    rng = np.random.default_rng((recipe.seed, step))
    with_tumour, free = np.flatnonzero(lesion), np.flatnonzero(~lesion)
    pairs = []
    for _ in range(recipe.batch):
        if rng.random() < recipe.free_share and (recipe.synthetic_free or len(free)):
            image, mask = sample_tumour_free(images, masks, with_tumour, free, recipe.synthetic_free, rng)
        else:
            image, mask = sample_tumour(images, masks, with_tumour, free, recipe.pasted, rng)
        pairs.append(augment(image, mask, rng, recipe.augmentation))
    x, y = np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])
    if not recipe.prompted:
        return Batch(x, y, None, y)
    simulation = replace(DEFAULT_SIMULATION, none=1 - recipe.prompted)
    prompted = [simulate_prompt(mask, rng, simulation) for mask in y]
    prompts = [draw_simulated(prompt, y.shape[1])[..., 0] for prompt, _ in prompted]
    return Batch(x, y, np.stack(prompts).astype(np.float16), np.stack([target for _, target in prompted]))


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


def sample_tumour_free(
    images: np.ndarray,
    masks: np.ndarray,
    with_tumour: np.ndarray,
    free: np.ndarray,
    synthetic: bool,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample a tumour-free image: with equal probability a window beside a tumour, a covered tumour, or a normal image.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        with_tumour: indices of images with a tumour.
        free: indices of images without one.
        synthetic: whether windows and covered tumours are made; else a normal image is taken.
        rng: source of all random choices.

    Returns:
        (s, s) uint8 and its mask; with a tumour where no tumour-free image can be had.
    """
    kind = rng.random() * 3 if synthetic else 3.0
    i = int(rng.choice(with_tumour))
    pair = None
    if kind < 1:
        pair = crop_beside_tumour(images, masks, with_tumour, rng)
    elif kind < 2:
        donors = [i, *rng.choice(len(images), 3)]  # its own tissue looks best, but few images have enough of it
        covered = (cover_lesion(images[i], masks[i], images[j], masks[j], rng) for j in donors)
        pair = next((pair for pair in covered if pair is not None), None)
    if pair is None and len(free):
        i = int(rng.choice(free))
    return (images[i], masks[i]) if pair is None else pair


def sample_tumour(
    images: np.ndarray,
    masks: np.ndarray,
    with_tumour: np.ndarray,
    free: np.ndarray,
    pasted: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample an image with a tumour, its own, or with probability `pasted` one from another image.

    The other arguments are those of `sample_tumour_free`.

    Returns:
        (s, s) uint8 and its mask.
    """
    i = int(rng.choice(with_tumour))
    if rng.random() >= pasted:
        return images[i], masks[i]
    background = int(rng.choice(free)) if len(free) and rng.random() < 0.5 else int(rng.choice(with_tumour))
    pair = paste_lesion(images[background], masks[background], images[i], masks[i], rng)
    return (images[i], masks[i]) if pair is None else pair


def crop_beside_tumour(
    images: np.ndarray, masks: np.ndarray, with_tumour: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Crop a window beside the tumour of a random image and enlarge it to full size.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        with_tumour: indices of images with a tumour.
        rng: source of all random choices.

    Returns:
        (s, s) uint8 and an empty mask; None where no window was found in ten tries.
    """
    side = images.shape[1]
    for _ in range(10):
        i = int(rng.choice(with_tumour))
        h, w = np.rint(rng.uniform(*WINDOW, 2) * side).astype(int).tolist()
        top, left = int(rng.integers(side - h + 1)), int(rng.integers(side - w + 1))
        if not masks[i, top : top + h, left : left + w].any():
            window = resize(images[i, top : top + h, left : left + w].astype(np.float32), (side, side))
            return np.clip(np.rint(window), 0, 255).astype(np.uint8), np.zeros((side, side), bool)
    return None
