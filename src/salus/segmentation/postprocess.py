"""Turn a network's outputs into a probability map, a mask and measured lesions at the image's size.

    logit -> / temperature -> sigmoid -> resize -> threshold -> remove small components -> remove unsure components
          -> presence limit -> measure

The threshold is the network's own, or for each image the one at which the expected Dice is largest by the probabilities
before the temperature. Only in the latter case are unsure components removed: a given threshold is taken as it is.

The segmenter, the judging of a training run, the fit of the temperature and the page all call these functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.ndimage import label
from scipy.special import expit, logit

from salus.measure.lesions import EIGHT_CONNECTED, Lesion, expected_dice, measure_lesions, number_by_size, shift_lesion
from salus.preprocess import remove_letterbox, resize
from salus.scan import Region
from salus.segmentation.network import NetworkSettings

EPSILON = 1e-6
"""Probabilities are kept this far from 0 and 1, where the logit is infinite."""

MIN_THRESHOLD = 0.05
"""Smallest threshold of an image: where no pixel is more probable than this, nothing is outlined."""


def clipped_logit(probability: np.ndarray) -> np.ndarray:
    """Compute the logit ln(p / (1 - p)) in float32, with p clipped to [1e-6, 1 - 1e-6]."""
    clipped: np.ndarray = logit(np.clip(np.asarray(probability, np.float32), EPSILON, 1 - EPSILON))
    return clipped


def apply_temperature(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Turn logits into calibrated probabilities: the sigmoid of logit / temperature (Guo et al. 2017), float32.

    Example:
        >>> apply_temperature(np.array([-2.0, 0.0, 2.0]), 1.0).round(3).tolist()
        [0.11900000274181366, 0.5, 0.8809999823570251]
    """
    probability: np.ndarray = expit(np.asarray(logits, np.float32) / temperature)
    return probability


def resize_map(values: np.ndarray, shape: tuple[int, int], keep_aspect: bool = False) -> np.ndarray:
    """Resize a network's map to an image's shape, bilinearly.

    Args:
        values: (s, s) in [0, 1].
        shape: (height, width) of the image.
        keep_aspect: the network saw the image with its aspect ratio kept; see `salus.preprocess.letterbox`.

    Returns:
        (height, width) float32 in [0, 1].
    """
    return np.clip((remove_letterbox if keep_aspect else resize)(values, shape), 0, 1)


def best_threshold(probability: np.ndarray) -> tuple[float, float]:
    """Find the threshold at which the expected Dice of the mask is largest.

    With calibrated probabilities p, the mask of the k most probable pixels has the expected Dice
    2 Σ_mask p / (k + Σ p), up to terms that vanish with the size of the mask; a mask that maximises Dice is always such
    a set of the most probable pixels (Lipton, Elkan & Naryanaswamy 2014; Dai & Li 2023, "RankDice").

    Args:
        probability: (height, width) in [0, 1].

    Returns:
        The threshold, and the expected Dice of the mask `probability >= threshold`; both 0 for a map of zeros.

    Example:
        >>> threshold, dice = best_threshold(np.array([[0.9, 0.4], [0.05, 0.0]]))
        >>> threshold, round(dice, 3)
        (0.4, 0.776)
    """
    descending = np.sort(probability, axis=None)[::-1]  # in float32 where the map is: twice as fast
    inside = np.cumsum(descending, dtype=np.float64)
    total = inside[-1]
    if total <= 0:
        return 0.0, 0.0
    expected = 2 * inside / (np.arange(1, descending.size + 1) + total)
    best = int(expected.argmax())
    return float(descending[best]), float(expected[best])


def image_threshold(logits: Sequence[np.ndarray], settings: NetworkSettings) -> float:
    """Give the threshold of an image: the network's own, or the one at which the expected Dice is largest.

    The latter is found before the temperature: after it, outlines of hospitals that the network did not see are too
    large (docs/results/segment.md). It lies half-way between two grey values of an 8-bit map, so that a map stored as
    PNG gives the same mask.

    Args:
        logits: of each region of the image, (S, S), before the temperature.
        settings: threshold and temperature.

    Returns:
        The threshold of the probability after the temperature, as `outline` takes it.
    """
    if settings.threshold is not None:
        return settings.threshold
    best, _ = best_threshold(apply_temperature(np.stack(logits), 1.0))
    threshold = apply_temperature(clipped_logit(np.array(best)), settings.temperature).item()
    return float((np.floor(255 * max(threshold, MIN_THRESHOLD) - 0.5) + 0.5) / 255)


def threshold_and_clean(probability: np.ndarray, threshold: float, smallest: float) -> np.ndarray:
    """Threshold a probability map and remove small components.

    Args:
        probability: (height, width) in [0, 1].
        threshold: probability from which on a pixel is tumour.
        smallest: 8-connected components that cover less than this share of the image are removed.

    Returns:
        (height, width) bool.

    Example:
        >>> threshold_and_clean(np.array([[0.9, 0.1, 0.1], [0.8, 0.1, 0.7]]), 0.5, 0.3).astype(int).tolist()
        [[1, 0, 0], [1, 0, 0]]
    """
    mask = probability >= threshold
    labels, count = label(mask, EIGHT_CONNECTED)
    if count:
        too_small = np.bincount(labels.ravel()) < smallest * mask.size
        too_small[0] = False  # the background
        if too_small.any():
            mask &= ~too_small[labels]
    return mask


def remove_unsure(masks: Sequence[np.ndarray], probabilities: Sequence[np.ndarray], share: float) -> list[np.ndarray]:
    """Remove the components of an image of which the network is much less sure than of the surest one.

    Most images show one tumour. A network that is sure of it and marks a second, larger and doubtful place as well
    loses more by that place than it gains in the few images with two (docs/results/segment.md).

    Args:
        masks: of each region of the image, (height, width) bool.
        probabilities: of each region, (height, width) in [0, 1].
        share: 8-connected components whose mean probability is less than this share of the largest mean are removed;
            0 keeps all.

    Returns:
        The masks of the regions, new where something was removed.

    Example:
        >>> probability = np.array([[0.9, 0.0, 0.5, 0.5]])
        >>> (mask,) = remove_unsure([probability > 0], [probability], share=0.9)
        >>> mask.astype(int).tolist()
        [[1, 0, 0, 0]]
    """
    if not share:
        return list(masks)
    labelled = [label(mask, EIGHT_CONNECTED) for mask in masks]
    if sum(count for _, count in labelled) < 2:
        return list(masks)
    means = []
    for mask, probability, (labels, count) in zip(masks, probabilities, labelled, strict=True):
        inside = labels[mask]
        sums = np.bincount(inside, probability[mask], count + 1)
        means.append(sums[1:] / np.bincount(inside, minlength=count + 1)[1:])
    least = share * max(values.max() for values in means if len(values))
    return [
        np.concatenate([[False], values >= least])[labels] for values, (labels, _) in zip(means, labelled, strict=True)
    ]


def outline(
    logits: np.ndarray,
    presence: float,
    shape: tuple[int, int],
    settings: NetworkSettings,
    threshold: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the outputs for one image into its probability map and its mask.

    Args:
        logits: (S, S), before the temperature.
        presence: probability that the image shows a tumour at all.
        shape: (height, width) of the image.
        settings: temperature, threshold, smallest component, unsure components and presence limit.
        threshold: in place of `image_threshold`; unsure components then stay.

    Returns:
        Probability, (height, width) float32 in [0, 1]; mask, (height, width) bool, empty below the presence limit.
    """
    probability = resize_map(apply_temperature(logits, settings.temperature), shape, settings.keep_aspect)
    chosen = image_threshold([logits], settings) if threshold is None else threshold
    mask = threshold_and_clean(probability, chosen, settings.smallest)
    if threshold is None and settings.threshold is None:
        (mask,) = remove_unsure([mask], [probability], settings.unsure)
    if presence < settings.presence:
        mask[:] = False
    return probability, mask


def measure_regions(parts: Iterable[tuple[Region, np.ndarray, np.ndarray, np.ndarray]]) -> tuple[Lesion, ...]:
    """Measure the lesions in every region of an image, each region with its own pixel spacing.

    Args:
        parts: region, and its mask, probability and grey pixels, arrays of the region's size.

    Returns:
        The lesions at their places in the image, the largest first.
    """
    return number_by_size(
        shift_lesion(lesion, region.top, region.left)
        for region, mask, probability, pixels in parts
        for lesion in measure_lesions(mask, probability, region.spacing, pixels)
    )


def expected_confidence(mask: np.ndarray, probability: np.ndarray, presence: float) -> float:
    """Estimate how far an outline can be trusted: its expected Dice; 1 - presence for an empty mask; in [0, 1]."""
    return expected_dice(mask, probability) if mask.any() else 1 - presence
