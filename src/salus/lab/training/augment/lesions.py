"""Lesions put in and taken out: the same tissue with a tumour and without one.

Where data sets show tumour-free breasts in images of another kind (another depth, no calipers), a network can tell
these by the kind of image. So lesions are pasted into tumour-free images and into those of other scanners (Ghiasi et
al. 2021, "Simple Copy-Paste is a Strong Data Augmentation Method"), and lesions are covered with tissue from beside
them. Both leave the same soft seam, so that a seam tells nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

TRIES = 12
RIM = (0.02, 0.05)
"""How much more than the lesion is moved, and over how much it fades, as shares of the side."""

GAIN = (0.5, 2.0)
"""Limits of the gain that makes what is pasted as bright around as its new place."""

DARK = 12
"""Mean grey below which a place holds no tissue."""


def cover_lesion(
    image: np.ndarray, mask: np.ndarray, donor: np.ndarray, taken: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """A copy of an image whose lesions are covered with tissue of the same depth.

    Args:
        image: (s, s) uint8.
        mask: (s, s) bool, with a lesion.
        donor: (s, s) uint8, where the tissue is from: the same image or another.
        taken: (s, s) bool, the donor's lesions.
        rng: the source of every choice.

    Returns:
        (s, s) uint8 and an empty mask; None where the donor has no room beside its lesions.

    Example:
        >>> import numpy as np
        >>> image, mask = np.full((64, 64), 90, np.uint8), np.zeros((64, 64), bool)
        >>> mask[20:30, 10:20] = True
        >>> image[mask] = 20
        >>> covered, empty = cover_lesion(image, mask, image, mask, np.random.default_rng(0))
        >>> int(covered.min()), bool(empty.any())
        (90, False)
    """
    side = len(image)
    rim, fade = rng.uniform(*RIM, 2) * side
    share, whole = _softly(mask, rim, fade)
    columns = np.flatnonzero(whole.any(axis=0))
    for _ in range(TRIES):
        step = 1 if rng.random() < 0.5 else -1
        shift = int(rng.integers(columns[-1] - side + 1, columns[0] + 1))
        moved, free = (np.roll(one[:, ::step], shift, axis=1) for one in (donor, ~taken))
        wrapped = np.arange(side) < shift if shift > 0 else np.arange(side) >= side + shift
        if whole[:, wrapped].any() or not free[whole].all():
            continue
        done = _blend(image, moved, share, whole & ~mask)
        if done is not None:
            return done, np.zeros_like(mask)
    return None


def paste_lesion(
    image: np.ndarray, mask: np.ndarray, other: np.ndarray, lesion: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """A copy of an image with another's lesions, at about their depth.

    Args:
        image: (s, s) uint8.
        mask: (s, s) bool, its own lesions, if any, which stay.
        other: (s, s) uint8, the image the lesions are taken from.
        lesion: (s, s) bool, their mask.
        rng: the source of every choice.

    Returns:
        (s, s) uint8 and bool; None where no place was found.
    """
    side = len(image)
    rim, fade = rng.uniform(*RIM, 2) * side
    share, whole = _softly(lesion, rim, fade)
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    for _ in range(TRIES):
        down = int(np.clip(round(rng.normal(0, 0.08) * side), -rows[0], side - 1 - rows[-1]))
        right = int(rng.integers(-columns[0], side - columns[-1]))
        moved, at, where, body = (np.roll(one, (down, right), (0, 1)) for one in (other, share, whole, lesion))
        if (where & mask).any():
            continue
        done = _blend(image, moved, at, where & ~body)
        if done is not None:
            return done, mask | body
    return None


def _softly(mask: np.ndarray, rim: float, fade: float) -> tuple[np.ndarray, np.ndarray]:
    """The share (s, s) in [0, 1] that is replaced: all up to `rim` pixels from a mask, less over `fade` more; where."""
    away = distance_transform_edt(~mask)
    share = np.clip(1 - (away - rim) / max(fade, 1.0), 0, 1)
    return share, share > 0


def _blend(image: np.ndarray, moved: np.ndarray, share: np.ndarray, rim: np.ndarray) -> np.ndarray | None:
    """What was moved over the image, made as bright on the rim; None where either holds no tissue there."""
    here, there = float(image[rim].mean()), float(moved[rim].mean())
    if min(here, there) < DARK:
        return None
    gain = np.clip(here / there, *GAIN)
    mixed = share * np.minimum(moved * gain, 255) + (1 - share) * image
    return np.rint(mixed).astype(np.uint8)
