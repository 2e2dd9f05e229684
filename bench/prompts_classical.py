"""Outline a lesion from a click or a box without a network that takes it: what a user would have otherwise.

Random walker (Grady 2006), GrabCut (Rother et al. 2004; needs OpenCV, `pip install opencv-python-headless`) on the
speckle as it is and smoothed by a median first, the ellipse that fills a box, and the probability that the network
gives without a prompt, cut at the place of the click.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
from scipy.ndimage import label

from salus.preprocess import resize, to_uint8
from salus.prompts.prompt import Box, Point

SIDE = 160
"""Larger side at which random walker runs, pixels."""

SPECKLE = 1 / 80
"""Radius of the disc over which the median smooths speckle, as a share of the image's larger side."""


def ellipse_in_box(shape: tuple[int, int], box: Box) -> np.ndarray:
    """Fill the ellipse that touches the four sides of a box."""
    x0, y0, x1, y1 = box
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside: np.ndarray = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1
    return inside


def disc(shape: tuple[int, int], place: Point, radius: float) -> np.ndarray:
    """Fill a disc."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside: np.ndarray = (columns - place[0]) ** 2 + (rows - place[1]) ** 2 <= radius**2
    return inside


def smooth_speckle(pixels: np.ndarray) -> np.ndarray:
    """Smooth speckle by the median over a disc, see `SPECKLE`: (height, width) float32 in [0, 1]."""
    from skimage.filters.rank import median
    from skimage.morphology import disk

    smoothed = median(to_uint8(pixels), disk(max(1, round(SPECKLE * max(pixels.shape)))))
    return smoothed.astype(np.float32) / 255


def region_at(mask: np.ndarray, place: Point) -> np.ndarray:
    """Return the 8-connected component of a mask that holds a place (x, y); nothing where the place is not in the mask.

    Example:
        >>> region_at(np.array([[1, 0, 1], [0, 0, 1]], bool), (2.5, 0.5)).astype(int).tolist()
        [[0, 0, 1], [0, 0, 1]]
    """
    labels, _ = label(mask, np.ones((3, 3), int))
    number = labels[int(place[1]), int(place[0])]
    region: np.ndarray = (labels == number) & mask
    return region


def random_walker_mask(pixels: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Outline by random walker from seeds inside and outside, at a smaller size."""
    from skimage.segmentation import random_walker

    scale = SIDE / max(pixels.shape)
    shape = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
    small = resize(pixels, shape)
    seeds = np.zeros(shape, int)
    seeds[resize(outside.astype(np.float32), shape) > 0.5] = 2
    seeds[resize(inside.astype(np.float32), shape) > 0.3] = 1
    if not (seeds == 1).any() or not (seeds == 2).any():
        return inside
    labels = random_walker(small, seeds, beta=200, mode="cg_j", tol=1e-3)
    mask: np.ndarray = resize((labels == 1).astype(np.float32), (pixels.shape[0], pixels.shape[1])) >= 0.5
    return mask


def grabcut_mask(pixels: np.ndarray, inside: np.ndarray, perhaps: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Outline by GrabCut from pixels surely and perhaps inside the lesion, and pixels surely outside."""
    import cv2

    colours = np.repeat(to_uint8(pixels)[..., None], 3, axis=2)
    labels = np.full(pixels.shape, cv2.GC_PR_BGD, np.uint8)
    labels[perhaps] = cv2.GC_PR_FGD
    labels[outside], labels[inside] = cv2.GC_BGD, cv2.GC_FGD
    if not outside.any() or not (inside | perhaps).any():  # GrabCut needs pixels of both
        return inside | perhaps
    models = np.zeros((2, 1, 65))
    cv2.setRNGSeed(0)  # it starts from a random clustering of the grey values
    cv2.grabCut(colours, labels, None, models[0], models[1], 5, cv2.GC_INIT_WITH_MASK)
    mask: np.ndarray = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return mask


def from_click(pixels: np.ndarray, place: Point) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the mask of each method, given a click inside the lesion.

    Args:
        pixels: (height, width) in [0, 1].
        place: of the click.
    """
    shape = (pixels.shape[0], pixels.shape[1])
    border = ~np.pad(np.ones((shape[0] - 2, shape[1] - 2), bool), 1)
    clicked, around = disc(shape, place, max(shape) / 40), disc(shape, place, max(shape) / 10)
    smoothed = smooth_speckle(pixels)
    yield "random walker", random_walker_mask(pixels, clicked, border)
    yield "random walker, speckle smoothed", random_walker_mask(smoothed, clicked, border)
    if find_spec("cv2"):
        yield "GrabCut", grabcut_mask(pixels, clicked, around, border)
        mask = grabcut_mask(smoothed, clicked, around, border)
        yield "GrabCut, speckle smoothed", mask
        yield "GrabCut, speckle smoothed, the region clicked", region_at(mask, place)


def from_box(pixels: np.ndarray, box: Box) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the mask of each method, given a box around the lesion.

    Args:
        pixels: (height, width) in [0, 1].
        box: in pixels.
    """
    shape = (pixels.shape[0], pixels.shape[1])
    x0, y0, x1, y1 = box
    in_box = np.zeros(shape, bool)
    in_box[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    middle = disc(shape, centre, min(x1 - x0, y1 - y0) / 8)
    smoothed = smooth_speckle(pixels)
    yield "random walker", random_walker_mask(pixels, middle, ~in_box)
    yield "random walker, speckle smoothed", random_walker_mask(smoothed, middle, ~in_box)
    if find_spec("cv2"):
        yield "GrabCut", grabcut_mask(pixels, middle, in_box, ~in_box)
        yield "GrabCut, speckle smoothed", grabcut_mask(smoothed, middle, in_box, ~in_box)
    yield "the ellipse in the box", ellipse_in_box(shape, box)
