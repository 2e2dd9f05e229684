"""Turn a network's outputs for the regions of a scan into one segmentation, in the scan's own coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from salus.measure.lesions import Lesion
from salus.prompts.prompt import NO_PROMPT, Prompt, points_into
from salus.scan import Region, Scan, split_mask
from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import (
    clipped_logit,
    expected_confidence,
    image_threshold,
    measure_regions,
    outline,
    remove_unsure,
    resize_map,
)
from salus.segmentation.result import Segmentation

STRANGE = "unlike the breast ultrasound the network knows"
"""The flag of an image that lies beyond what the network was trained on: a photo, text, another organ."""

AT_BORDER = "a lesion touches the image's border"
"""The flag of an image with a lesion of which a part may lie outside."""


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """A scan, and the network's input of each of its regions, (S, S, 1) float32 in [0, 1]."""

    scan: Scan
    inputs: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class RegionResult:
    """The network's result for one region of a scan; arrays are of the region's size."""

    region: Region
    mask: np.ndarray
    probability: np.ndarray
    saliency: np.ndarray
    presence: float
    strangeness: float


def interpret_outputs(
    scan: Scan,
    outputs: Sequence[dict[str, np.ndarray]],
    settings: NetworkSettings,
    threshold: float | None = None,
    prompt: Prompt = NO_PROMPT,
) -> Segmentation:
    """Turn a network's outputs for the regions of a scan into its segmentation.

    Args:
        scan: the image.
        outputs: for each of `scan.parts` those of a batch of one, by name; see `salus.segmentation.network`.
        settings: of the network.
        threshold: probability from which on a pixel is tumour; None takes that of `image_threshold`.
        prompt: what a person points at; a region with a lesion pointed at is not left empty for want of presence, and
            no component is removed as unsure.
    """
    logits = [clipped_logit(output["probability"][0, ..., 0]) for output in outputs]
    may_remove = threshold is None and settings.threshold is None and not prompt
    if threshold is None:
        threshold = image_threshold(logits, settings)
    results = []
    for region, output, logit in zip(scan.parts, outputs, logits, strict=True):
        shape = (region.height, region.width)
        presence, strangeness = (float(output[name].item()) for name in ("presence", "strangeness"))
        limit = 0.0 if points_into(prompt, region) else settings.presence
        probability, mask = outline(logit, presence, shape, replace(settings, presence=limit), threshold)
        saliency = resize_map(output["saliency"][0, ..., 0], shape, settings.keep_aspect)
        results.append(RegionResult(region, mask, probability, saliency, presence, strangeness))
    if may_remove:
        sure = remove_unsure([one.mask for one in results], [one.probability for one in results], settings.unsure)
        results = [replace(result, mask=mask) for result, mask in zip(results, sure, strict=True)]
    return _combine(scan, results, settings, threshold)


def measure_mask(
    regions: Sequence[Region], mask: np.ndarray, probability: np.ndarray, pixels: np.ndarray
) -> tuple[Lesion, ...]:
    """Measure the lesions of an image's mask, region by region; pixels of several regions belong to the first of them.

    Args:
        regions: `Scan.parts` of the image; what lies outside them is not measured.
        mask: (height, width) bool.
        probability: (height, width) in [0, 1].
        pixels: (height, width) in [0, 1], grey.

    Returns:
        The lesions at their places in the image, the largest first.

    Example:
        >>> mask = np.ones((10, 20), bool)
        >>> left, right = Region(0, 0, 10, 12, (0.1, 0.1)), Region(0, 12, 10, 8)
        >>> [(one.area_px, one.unit) for one in measure_mask([left, right], mask, mask * 0.9, mask * 0.5)]
        [(120, 'mm'), (80, 'px')]
    """
    parts = zip(regions, split_mask(mask, regions), strict=True)
    return measure_regions((region, part, region.crop(probability), region.crop(pixels)) for region, part in parts)


def _combine(scan: Scan, results: Sequence[RegionResult], settings: NetworkSettings, threshold: float) -> Segmentation:
    mask, probability = _paste(scan, results, "mask"), _paste(scan, results, "probability")
    lesions = measure_mask(scan.parts, mask, probability, scan.pixels)
    presence = max(result.presence for result in results)
    strangeness = max(result.strangeness for result in results)
    flags = [STRANGE] if strangeness > settings.strange else []
    if any(lesion.at_border for lesion in lesions):
        flags.append(AT_BORDER)
    return Segmentation(
        mask=mask,
        probability=probability,
        saliency=_paste(scan, results, "saliency"),
        presence=presence,
        lesions=lesions,
        confidence=expected_confidence(mask, probability, presence),
        strangeness=strangeness,
        flags=(*flags, *scan.notes),
        spacing=scan.spacing,
        source=scan.source,
        network=settings.name,
        regions=scan.regions,
        frame=scan.frame,
        pixels=scan.pixels,
        threshold=threshold,
    )


def _paste(scan: Scan, results: Sequence[RegionResult], name: str) -> np.ndarray:
    """Paste an array of each region into one of the scan's size: 0 outside, the maximum where regions overlap."""
    if not scan.regions:
        whole: np.ndarray = getattr(results[0], name)
        return whole
    pasted = np.zeros(scan.shape, getattr(results[0], name).dtype)
    for result in results:
        target = result.region.crop(pasted)
        np.maximum(target, getattr(result, name), out=target)
    return pasted
