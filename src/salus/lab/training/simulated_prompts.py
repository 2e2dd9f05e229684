"""Simulate what a person points at, from the ground truth, to train a network that takes prompts.

Per image one kind of prompt is drawn: clicks inside, drawn by their distance to the lesion's edge or anywhere in it;
a click outside near the lesion; a loose box; a scribble; the truth itself, blurred and shifted, as a map of where a
reader looked; or nothing. Now and then a click is wrong, and the target stays the whole truth. Where there are several
lesions, the target is the one pointed at. On an image without a tumour a click has an empty target. `add_correction`
then places a click in the largest error of a prediction.

Masks are of the network's square; prompts are in its pixels, and `salus.prompts.render` draws them as at run time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, shift

from salus.measure.lesions import EIGHT_CONNECTED
from salus.prompts.prompt import Box, Point, Prompt
from salus.prompts.render import render_prompt
from salus.scan import Region


@dataclass(frozen=True)
class PromptSimulation:
    """How prompts are simulated. Shares are probabilities; sizes are shares of the square's side unless said otherwise.

    Attributes:
        none: share of images without a prompt.
        kinds: weights of the kinds of prompt: points inside, a box, a scribble, a map, and a click outside alone.
        max_points: largest number of clicks inside; every number from 1 is as likely.
        off_centre: share of clicks that may lie anywhere in the lesion; the others are drawn by distance to its edge.
        outside: share of prompts with a click outside near the lesion added to them.
        near: largest distance of such a click from the lesion.
        loose: smallest and largest distance by which each side of a box is off, as shares of the box's own side.
        inward: share of a box's sides that cut into the lesion, by a fifth of that at most.
        blur: smallest and largest standard deviation of the blurred truth.
        drift: largest distance by which it is shifted, in rows and in columns.
        wrong: share of prompts that point beside every lesion; the target stays the whole truth.
        free: share of images without a tumour that get a click or a box.
    """

    none: float = 0.3
    kinds: tuple[float, float, float, float, float] = (0.5, 0.2, 0.1, 0.1, 0.1)
    max_points: int = 3
    off_centre: float = 0.4
    outside: float = 0.2
    near: float = 0.1
    loose: tuple[float, float] = (0.05, 0.25)
    inward: float = 0.1
    blur: tuple[float, float] = (0.01, 0.06)
    drift: float = 0.03
    wrong: float = 0.03
    free: float = 0.5


DEFAULT_SIMULATION = PromptSimulation()
"""The settings above."""

POINTS, BOX, SCRIBBLE, MAP, OUTSIDE = range(5)
"""Kinds of prompt, in the order of `PromptSimulation.kinds`."""


def simulate_prompt(
    mask: np.ndarray, rng: np.random.Generator, settings: PromptSimulation = DEFAULT_SIMULATION
) -> tuple[Prompt, np.ndarray]:
    """Draw a prompt for an image, and the target that a network should outline for it.

    Args:
        mask: (s, s) bool, the truth.
        rng: source of all random choices.
        settings: what is drawn, and how often.

    Returns:
        The prompt, in pixels of the mask; and the target, (s, s) bool: the lesion pointed at, or the whole truth where
        nothing is pointed at, or where the prompt is wrong.

    Example:
        >>> mask = np.zeros((64, 64), bool)
        >>> mask[10:20, 10:20] = mask[40:50, 40:50] = True
        >>> prompt, target = simulate_prompt(mask, np.random.default_rng(1), PromptSimulation(none=0, wrong=0))
        >>> bool(prompt), int(target.sum()), int(mask.sum())
        (True, 100, 200)
    """
    if not mask.any():
        return (_point_at_nothing(mask, rng) if rng.random() < settings.free else Prompt()), mask
    if rng.random() < settings.none:
        return Prompt(), mask
    if rng.random() < settings.wrong:
        return _point_at_nothing(mask, rng), mask
    kind = int(rng.choice(5, p=np.divide(settings.kinds, sum(settings.kinds))))
    if kind == OUTSIDE:
        return Prompt(not_points=(sample_point_near(mask, mask, rng, settings.near),)), mask
    lesion = choose_lesion(mask, rng)
    if kind == POINTS:
        count = int(rng.integers(1, settings.max_points + 1))
        prompt = Prompt(tuple(sample_point(lesion, rng, rng.random() >= settings.off_centre) for _ in range(count)))
    elif kind == BOX:
        prompt = Prompt(boxes=(sample_loose_box(lesion, rng, settings.loose, settings.inward),))
    elif kind == SCRIBBLE:
        prompt = Prompt(scribbles=(sample_scribble(lesion, rng),))
    else:
        prompt = Prompt(map=degrade_truth(lesion, rng, settings.blur, settings.drift))
    if rng.random() < settings.outside:
        prompt += Prompt(not_points=(sample_point_near(lesion, mask, rng, settings.near),))
    return prompt, lesion


def draw_simulated(prompt: Prompt, size: int) -> np.ndarray:
    """Draw a simulated prompt as a network takes it: (size, size, 1) float32 in [-1, 1]."""
    return render_prompt(prompt, Region(0, 0, size, size), size)


def sample_clicks(mask: np.ndarray, rng: np.random.Generator) -> Prompt:
    """Draw a click in every lesion of a mask (h, w) bool, by distance to its edge; without one, a click anywhere."""
    labels, count = label(mask, EIGHT_CONNECTED)
    areas = [labels == number for number in range(1, count + 1)] or [~mask]
    return Prompt(tuple(sample_point(area, rng, by_distance=bool(count)) for area in areas))


def choose_lesion(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose one of the lesions of a mask, each as likely: (h, w) bool.

    Example:
        >>> mask = np.eye(5, dtype=bool)  # one lesion, for pixels that touch at a corner belong together
        >>> bool((choose_lesion(mask, np.random.default_rng(0)) == mask).all())
        True
    """
    labels, count = label(mask, EIGHT_CONNECTED)
    chosen: np.ndarray = labels == rng.integers(1, count + 1)
    return chosen


def sample_point(area: np.ndarray, rng: np.random.Generator, by_distance: bool = True) -> Point:
    """Draw a place (x, y) in an area.

    Args:
        area: (h, w) bool, not empty.
        rng: source of all random choices.
        by_distance: the probability of a pixel grows with the square of its distance to the area's edge, so that the
            middle is likely and the edge is not; else every pixel is as likely.
    """
    if by_distance:
        weights = distance_transform_edt(np.pad(area, 1))[1:-1, 1:-1][area] ** 2
    else:
        weights = np.ones(np.count_nonzero(area))
    row, column = np.argwhere(area)[rng.choice(len(weights), p=weights / weights.sum())]
    x, y = (column, row) + rng.random(2)
    return float(x), float(y)


def centre_point(area: np.ndarray) -> Point:
    """Return the place (x, y) of an area that is farthest from its edge: where a careful reader clicks."""
    distance = distance_transform_edt(np.pad(area, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(column) + 0.5, float(row) + 0.5


def sample_point_near(lesion: np.ndarray, mask: np.ndarray, rng: np.random.Generator, near: float) -> Point:
    """Draw a place (x, y) outside every lesion and near one of them.

    Args:
        lesion: (h, w) bool, the lesion that it is near.
        mask: (h, w) bool, all lesions.
        rng: source of all random choices.
        near: largest distance, as a share of the side; where there is no such place, anywhere outside, and where there
            is none, in a corner.
    """
    distance = distance_transform_edt(~lesion)
    for area in ((distance <= near * len(mask)) & ~mask, ~mask):
        if area.any():
            return sample_point(area, rng, by_distance=False)
    return 0.0, 0.0


def sample_loose_box(
    lesion: np.ndarray, rng: np.random.Generator, loose: tuple[float, float], inward: float = 0.0
) -> Box:
    """Draw a box (x0, y0, x1, y1) around a lesion, each side off by a share of the box's own side.

    Args:
        lesion: (h, w) bool, not empty.
        rng: source of all random choices.
        loose: smallest and largest share.
        inward: probability of each side to cut into the lesion instead, by a fifth of that.
    """
    rows, columns = np.flatnonzero(lesion.any(axis=1)), np.flatnonzero(lesion.any(axis=0))
    x0, x1, y0, y1 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    off = rng.uniform(*loose, 4) * np.where(rng.random(4) < inward, -0.2, 1) * np.repeat([x1 - x0, y1 - y0], 2)
    height, width = lesion.shape
    return (
        float(max(x0 - off[0], 0)), float(max(y0 - off[2], 0)),
        float(min(x1 + off[1], width)), float(min(y1 + off[3], height)),
    )  # fmt: skip


def sample_scribble(lesion: np.ndarray, rng: np.random.Generator) -> tuple[Point, ...]:
    """Draw a wavy line inside a lesion: a walk of steps of two pixels that keeps its direction, and turns at the edge.

    Args:
        lesion: (h, w) bool, not empty.
        rng: source of all random choices.

    Returns:
        Places (x, y), all in the lesion; as long as 0.3 to 1 of the diameter of a disc of the lesion's area, less where
        it gets stuck.
    """
    x, y = sample_point(lesion, rng)
    direction = rng.uniform(0, 2 * np.pi)
    diameter = 2 * np.sqrt(np.count_nonzero(lesion) / np.pi)
    places = [(x, y)]
    for _ in range(max(1, round(rng.uniform(0.3, 1) * diameter / 2))):
        direction += rng.normal(0, 0.3)
        for turn in (0, *rng.uniform(-np.pi, np.pi, 8)):
            to_x, to_y = x + 2 * np.cos(direction + turn), y + 2 * np.sin(direction + turn)
            if 0 <= to_x < lesion.shape[1] and 0 <= to_y < lesion.shape[0] and lesion[int(to_y), int(to_x)]:
                x, y, direction = to_x, to_y, direction + turn
                places.append((float(x), float(y)))
                break
        else:
            break
    return tuple(places)


def degrade_truth(lesion: np.ndarray, rng: np.random.Generator, blur: tuple[float, float], drift: float) -> np.ndarray:
    """Blur and shift a lesion: the map of a reader's gaze, or of a saliency method, at its best.

    Args:
        lesion: (s, s) bool, not empty.
        rng: source of all random choices.
        blur: smallest and largest standard deviation, as shares of the side.
        drift: largest shift of rows and of columns, as a share of the side.

    Returns:
        (s, s) float32 in [0, 1], with a maximum of 1.
    """
    side = len(lesion)
    blurred = gaussian_filter(lesion.astype(np.float32), rng.uniform(*blur) * side)
    moved = np.clip(shift(blurred, rng.uniform(-drift, drift, 2) * side, order=1), 0, None)
    degraded: np.ndarray = (moved / moved.max() if moved.max() > 0 else blurred / blurred.max()).astype(np.float32)
    return degraded


def add_correction(
    prompt: Prompt, prediction: np.ndarray, target: np.ndarray, rng: np.random.Generator | None = None
) -> Prompt:
    """Add a click in the largest error of a prediction: inside where the target was missed, else outside.

    Args:
        prompt: that led to the prediction.
        prediction: (s, s) bool.
        target: (s, s) bool.
        rng: draws the place by its distance to the error's edge; None takes the place farthest from it, as an
            evaluation does.

    Returns:
        The prompt with one click more; as it was, where there is no error.

    Example:
        >>> target = np.zeros((32, 32), bool)
        >>> target[5:14, 5:14] = True
        >>> add_correction(Prompt(), np.zeros_like(target), target).points
        ((9.5, 9.5),)
    """
    missed, extra = (_largest_component(error) for error in (target & ~prediction, prediction & ~target))
    error = missed if missed.sum() >= extra.sum() else extra
    if not error.any():
        return prompt
    place = centre_point(error) if rng is None else sample_point(error, rng)
    return prompt + (Prompt(points=(place,)) if error is missed else Prompt(not_points=(place,)))


def _largest_component(mask: np.ndarray) -> np.ndarray:
    """Keep the largest 8-connected component of a mask."""
    labels, count = label(mask, EIGHT_CONNECTED)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())[1:]
    largest: np.ndarray = labels == 1 + int(sizes.argmax())
    return largest


def _point_at_nothing(mask: np.ndarray, rng: np.random.Generator) -> Prompt:
    """Point at a place without a lesion: by a click, or once in five by a box around it."""
    if mask.all():
        return Prompt()
    x, y = sample_point(~mask, rng, by_distance=False)
    if rng.random() < 0.8:
        return Prompt(points=((x, y),))
    height, width = mask.shape
    across, down = rng.uniform(0.03, 0.2, 2) * (width, height)
    return Prompt(boxes=((max(x - across, 0.0), max(y - down, 0.0), min(x + across, width), min(y + down, height)),))
