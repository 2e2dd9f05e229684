"""What a step of the segmentation network's training sees: images with and without a tumour, found or made, augmented.

Each batch depends on the recipe's seed and the step's number alone, so that a resumed training is the unbroken one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from salus.lab.training.augment.compose import augment
from salus.lab.training.augment.lesions import cover_lesion, paste_lesion
from salus.preprocess import resize

if TYPE_CHECKING:
    from salus.lab.segmentation.recipe import SegmentRecipe

WINDOW = (0.4, 0.85)
"""Sides of a window that is cut beside the tumour, as shares of the image's."""


Drawn = tuple[np.ndarray, np.ndarray]
"""Images (b, s, s) uint8 and masks (b, s, s) bool."""


def draw_batch(images: np.ndarray, masks: np.ndarray, lesion: np.ndarray, recipe: SegmentRecipe, step: int) -> Drawn:
    """One step's images and masks, augmented: (b, s, s) uint8 and (b, s, s) bool.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        lesion: (n,) bool, which masks show a tumour.
        recipe: the settings.
        step: which; the same step gives the same batch.
    """
    rng = np.random.default_rng((recipe.seed, step))
    with_tumour, free = np.flatnonzero(lesion), np.flatnonzero(~lesion)
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    for _ in range(recipe.batch):
        if rng.random() < recipe.free_share:
            image, mask = draw_free(images, masks, with_tumour, free, rng)
        else:
            image, mask = draw_lesion(images, masks, with_tumour, free, recipe.pasted, rng)
        x_one, y_one = augment(image, mask, rng, recipe.augmentation)
        x.append(x_one)
        y.append(y_one)
    return np.stack(x), np.stack(y)


def as_inputs(images: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What a step takes: images (b, s, s, 1) float32 in [0, 1] and the truth of each output.

    Args:
        images: (b, s, s) uint8, s a multiple of 4.
        masks: (b, s, s) bool.
    """
    n, side = len(masks), masks.shape[1] // 4
    share = masks.reshape(n, side, 4, side, 4).mean(axis=(2, 4), dtype=np.float32)
    return images[..., None].astype(np.float32) / 255, {
        "probability": masks[..., None].astype(np.float32),
        "saliency": share[..., None],
        "presence": masks.reshape(n, -1).max(axis=1, keepdims=True).astype(np.float32),
    }


def draw_free(
    images: np.ndarray, masks: np.ndarray, with_tumour: np.ndarray, free: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An image (s, s) uint8 without a tumour, found or made, and its mask; one with a tumour where none can be had."""
    kind = rng.random() * 3
    i = int(rng.choice(with_tumour))
    made = None
    if kind < 1:
        made = cut_beside(images, masks, with_tumour, rng)
    elif kind < 2:
        donors = [i, *rng.choice(len(images), 3)]  # its own tissue looks best, but few have enough of it
        tried = (cover_lesion(images[i], masks[i], images[j], masks[j], rng) for j in donors)
        made = next((one for one in tried if one is not None), None)
    if made is None and len(free):
        i = int(rng.choice(free))
    return (images[i], masks[i]) if made is None else made


def draw_lesion(
    images: np.ndarray,
    masks: np.ndarray,
    with_tumour: np.ndarray,
    free: np.ndarray,
    pasted: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """An image (s, s) uint8 with a tumour, its own or a pasted one, and its mask."""
    i = int(rng.choice(with_tumour))
    if rng.random() >= pasted:
        return images[i], masks[i]
    ground = int(rng.choice(free)) if len(free) and rng.random() < 0.5 else int(rng.choice(with_tumour))
    made = paste_lesion(images[ground], masks[ground], images[i], masks[i], rng)
    return (images[i], masks[i]) if made is None else made


def cut_beside(
    images: np.ndarray, masks: np.ndarray, chosen: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """A window beside the tumour of some image, enlarged to the whole: tissue without a tumour, from any scanner.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        chosen: places of images that show a tumour.
        rng: the source of every choice.

    Returns:
        (s, s) uint8 and an empty mask; None where no window was found in ten tries.
    """
    side = images.shape[1]
    for _ in range(10):
        i = int(rng.choice(chosen))
        h, w = np.rint(rng.uniform(*WINDOW, 2) * side).astype(int).tolist()
        top, left = int(rng.integers(side - h + 1)), int(rng.integers(side - w + 1))
        if not masks[i, top : top + h, left : left + w].any():
            window = resize(images[i, top : top + h, left : left + w].astype(np.float32), (side, side))
            return np.clip(np.rint(window), 0, 255).astype(np.uint8), np.zeros((side, side), bool)
    return None
