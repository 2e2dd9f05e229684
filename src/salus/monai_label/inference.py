"""The label map of an image by the network, for the whole file or for the frames that a person points at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.monai_label.label_file import grid_of
from salus.prompts.prompt import NO_PROMPT, Prompt, make_prompt
from salus.read.frames import open_frames
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter

LABELS = {"background": 0, "tumour": 1}
"""Labels in the maps."""

POINTS = "-points"
"""Ends the name of the model that takes points."""

HALF = 0.5
"""Clients name a pixel by its number, which is its middle; from the image's corner that lies half a pixel further."""

MAX_VOXELS = 2**30
"""Largest number of pixels of all frames."""


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map and what is told of it.

    Attributes:
        labels: (frames, height, width) uint8, see `LABELS`.
        affine: see `salus.monai_label.label_file.grid_of`.
        parameters: label names, place of the tumour, confidence, flags; ready for JSON.
    """

    labels: np.ndarray
    affine: np.ndarray
    parameters: dict[str, Any]


def describe_models(segmenter: Segmenter) -> dict[str, dict[str, Any]]:
    """Describe the models as MONAI Label does: one without points, and one with them where the network takes any."""
    name = segmenter.settings.name
    shared = {"labels": dict(LABELS), "dimension": 2, "config": {}}
    models = {name: {"type": "segmentation", "description": "Outlines breast tumours in ultrasound images.", **shared}}
    if segmenter.takes_prompts:
        text = "Outlines the tumour at which you point, in the image or frame of your points."
        models[name + POINTS] = {"type": "deepgrow", "description": text, **shared}
    return models


def infer(segmenter: Segmenter, model: str, path: Path, parameters: Mapping[str, Any]) -> LabelMap:
    """Make the label map of an image.

    Args:
        segmenter: the network.
        model: of `describe_models`.
        path: the image.
        parameters: of the client; "foreground" and "background" are places (column, row, frame from 0).

    Raises:
        SalusError: the image cannot be read, the model is not known, or a point lies outside.
    """
    if model not in describe_models(segmenter):
        raise SalusError(f"model {model!r} is not here; there are {', '.join(describe_models(segmenter))}")
    frames = open_frames(path)
    prompts = _read_points(parameters, frames.count) if model.endswith(POINTS) else {}
    if model.endswith(POINTS) and not prompts:
        raise SalusError("no points were given; place one in the tumour")
    numbers = sorted(prompts) or range(1, frames.count + 1)
    labels: np.ndarray | None = None
    results: list[Segmentation] = []
    for number in numbers:
        scan = frames.scan(number)
        if labels is None:
            if scan.pixels.size * frames.count > MAX_VOXELS:
                raise SalusError(f"{path.name}: has too many frames for one label map; give a part of them")
            labels = np.zeros((frames.count, *scan.shape), np.uint8)
            affine = grid_of(path, (scan.shape[0], scan.shape[1]), frames.count, scan.spacing)
        result = segmenter(scan, prompts.get(number, NO_PROMPT))
        labels[number - 1] = result.mask
        results.append(result)
    assert labels is not None
    return LabelMap(labels, affine, _describe(labels, results))


def _describe(labels: np.ndarray, results: Sequence[Segmentation]) -> dict[str, Any]:
    frames, rows, columns = np.nonzero(labels)
    middle = [round(float(axis.mean())) for axis in (columns, rows, frames)] if len(rows) else None
    return {
        "label_names": dict(LABELS),
        "centroids": {} if middle is None else {"tumour": [LABELS["tumour"], *middle]},
        "presence": max(result.presence for result in results),
        "confidence": max(result.confidence for result in results),
        "flags": sorted({flag for result in results for flag in result.flags}),
        "note": "Research software, not a medical device.",
    }


def _read_points(parameters: Mapping[str, Any], count: int) -> dict[int, Prompt]:
    """Read the points of each frame, by its number; a frame without a point inside the tumour has no prompt.

    Raises:
        SalusError: they are no points, or in no frame of the image.
    """
    inside: dict[int, list[tuple[float, float]]] = defaultdict(list)
    outside: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for name, points in (("foreground", inside), ("background", outside)):
        given = parameters.get(name) or []
        try:
            places = [(float(p[0]), float(p[1]), round(p[2]) if len(p) > 2 else 0) for p in given]
        except (TypeError, ValueError, OverflowError, IndexError, KeyError):
            raise SalusError(f"{name}: give a list of points [column, row, frame]") from None
        for column, row, frame in places:
            if not 0 <= frame < count:
                raise SalusError(f"{name}: a point is in frame {frame}, the image has {count}, from 0")
            points[frame + 1].append((column + HALF, row + HALF))
    return {number: make_prompt(points, outside.get(number, [])) for number, points in inside.items()}
