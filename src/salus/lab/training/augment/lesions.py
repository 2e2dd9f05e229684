"""Paste lesions into images, and cover them: the same tissue with a tumour and without one.

Data sets often show tumour-free breasts in images of another kind (another depth, no calipers), and a network can then
recognise these by the kind of image. So lesions are pasted into tumour-free images and into those of other scanners
(Ghiasi et al. 2021, "Simple Copy-Paste is a Strong Data Augmentation Method"), and lesions are covered with tissue from
beside them. Both leave the same soft seam, so that a seam is no sign of a tumour.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

TRIES = 12
"""Random places that are tried."""

RIM = (0.02, 0.05)
"""Range of the rim that is moved with a lesion, and of the width over which it fades, as shares of the side."""

GAIN = (0.5, 2.0)
"""Limits of the gain that makes the rim as bright as its new place."""

MIN_TISSUE_GREY = 12
"""Mean grey below which a place holds no tissue."""


def cover_lesion(
    image: np.ndarray, mask: np.ndarray, donor: np.ndarray, donor_mask: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Cover the lesions of an image with tissue of the same depth.

    Args:
        image: (s, s) uint8.
        mask: (s, s) bool, with a lesion.
        donor: (s, s) uint8, the image that the tissue is taken from: the same or another.
        donor_mask: (s, s) bool, the donor's lesions.
        rng: source of all random choices.

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
    share, area = _soft_area(mask, rim, fade)
    columns = np.flatnonzero(area.any(axis=0))
    for _ in range(TRIES):
        step = 1 if rng.random() < 0.5 else -1
        shift = int(rng.integers(columns[-1] - side + 1, columns[0] + 1))
        tissue, free = (np.roll(array[:, ::step], shift, axis=1) for array in (donor, ~donor_mask))
        wrapped = np.arange(side) < shift if shift > 0 else np.arange(side) >= side + shift
        if area[:, wrapped].any() or not free[area].all():
            continue
        covered = _blend(image, tissue, share, area & ~mask)
        if covered is not None:
            return covered, np.zeros_like(mask)
    return None


def paste_lesion(
    image: np.ndarray, mask: np.ndarray, other: np.ndarray, lesion: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Paste the lesions of another image into an image, at about their depth.

    Args:
        image: (s, s) uint8.
        mask: (s, s) bool, its own lesions, if any; they stay.
        other: (s, s) uint8, the image that the lesions are taken from.
        lesion: (s, s) bool, their mask.
        rng: source of all random choices.

    Returns:
        (s, s) uint8 and its mask; None where no place was found.
    """
    side = len(image)
    rim, fade = rng.uniform(*RIM, 2) * side
    share, area = _soft_area(lesion, rim, fade)
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    for _ in range(TRIES):
        down = int(np.clip(round(rng.normal(0, 0.08) * side), -rows[0], side - 1 - rows[-1]))
        right = int(rng.integers(-columns[0], side - columns[-1]))
        moved, moved_share, moved_area, moved_lesion = (
            np.roll(array, (down, right), (0, 1)) for array in (other, share, area, lesion)
        )
        if (moved_area & mask).any():
            continue
        pasted = _blend(image, moved, moved_share, moved_area & ~moved_lesion)
        if pasted is not None:
            return pasted, mask | moved_lesion
    return None


def _soft_area(mask: np.ndarray, rim: float, fade: float) -> tuple[np.ndarray, np.ndarray]:
    """Soften a mask: the share of each pixel that is replaced, and where it is above 0.

    The share is 1 up to `rim` pixels from the mask, and falls to 0 over `fade` pixels more.
    """
    distance = distance_transform_edt(~mask)
    share = np.clip(1 - (distance - rim) / max(fade, 1.0), 0, 1)
    return share, share > 0


def _blend(image: np.ndarray, moved: np.ndarray, share: np.ndarray, rim: np.ndarray) -> np.ndarray | None:
    """Blend what was moved into the image, as bright on the rim; None where either has no tissue there."""
    image_grey, moved_grey = float(image[rim].mean()), float(moved[rim].mean())
    if min(image_grey, moved_grey) < MIN_TISSUE_GREY:
        return None
    gain = np.clip(image_grey / moved_grey, *GAIN)
    mixed = share * np.minimum(moved * gain, 255) + (1 - share) * image
    return np.rint(mixed).astype(np.uint8)
