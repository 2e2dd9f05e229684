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
"""Larger side at which random walker and GrabCut run, pixels: at 384 GrabCut takes seconds an image."""

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
    """Outline by random walker from seeds inside and outside, none of them empty."""
    from skimage.segmentation import random_walker

    seeds = np.where(inside, 1, np.where(outside, 2, 0))
    mask: np.ndarray = random_walker(pixels, seeds, beta=200, mode="bf") == 1
    return mask


def grabcut_mask(pixels: np.ndarray, inside: np.ndarray, perhaps: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Outline by GrabCut from pixels surely and perhaps inside the lesion, and pixels surely outside, none empty."""
    import cv2

    colours = np.repeat(to_uint8(pixels)[..., None], 3, axis=2)
    labels = np.full(pixels.shape, cv2.GC_PR_BGD, np.uint8)
    labels[perhaps] = cv2.GC_PR_FGD
    labels[outside], labels[inside] = cv2.GC_BGD, cv2.GC_FGD
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
    small = shrink(pixels)
    shape, scale = (small.shape[0], small.shape[1]), small.shape[1] / pixels.shape[1]
    place = (place[0] * scale, place[1] * scale)
    border = border_of(shape)
    clicked, around = disc(shape, place, max(shape) / 40) & ~border, disc(shape, place, max(shape) / 10)
    clicked[min(int(place[1]), shape[0] - 1), min(int(place[0]), shape[1] - 1)] = True
    for name, values in (("", small), (", speckle smoothed", smooth_speckle(small))):
        yield f"random walker{name}", enlarge(random_walker_mask(values, clicked, border), pixels.shape)
        if find_spec("cv2"):
            yield f"GrabCut{name}", enlarge(grabcut_mask(values, clicked, around, border), pixels.shape)


def from_box(pixels: np.ndarray, box: Box) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the mask of each method, given a box around the lesion.

    Args:
        pixels: (height, width) in [0, 1].
        box: in pixels.
    """
    small = shrink(pixels)
    shape, scale = (small.shape[0], small.shape[1]), small.shape[1] / pixels.shape[1]
    x0, y0, x1, y1 = (side * scale for side in box)
    in_box = np.zeros(shape, bool)
    in_box[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    outside = ~in_box | border_of(shape)  # the box may be the whole image
    middle = disc(shape, ((x0 + x1) / 2, (y0 + y1) / 2), max(min(x1 - x0, y1 - y0) / 8, 1))
    for name, values in (("", small), (", speckle smoothed", smooth_speckle(small))):
        yield f"random walker{name}", enlarge(random_walker_mask(values, middle, outside), pixels.shape)
        if find_spec("cv2"):
            yield f"GrabCut{name}", enlarge(grabcut_mask(values, middle, in_box, outside), pixels.shape)
    yield "the ellipse in the box", ellipse_in_box((pixels.shape[0], pixels.shape[1]), box)


def border_of(shape: tuple[int, int]) -> np.ndarray:
    """Return the outermost pixels of an image."""
    return ~np.pad(np.ones((shape[0] - 2, shape[1] - 2), bool), 1)


def shrink(pixels: np.ndarray) -> np.ndarray:
    """Shrink an image so that its larger side is `SIDE`."""
    scale = SIDE / max(pixels.shape)
    return resize(pixels, (max(3, round(pixels.shape[0] * scale)), max(3, round(pixels.shape[1] * scale))))


def enlarge(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Enlarge a mask to an image's (height, width)."""
    enlarged: np.ndarray = resize(mask.astype(np.float32), (shape[0], shape[1])) >= 0.5
    return enlarged
