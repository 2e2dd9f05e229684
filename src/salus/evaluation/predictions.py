"""Read predictions made elsewhere: masks and probability maps in a folder, named as the images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from salus.data.case import Case
from salus.data.layouts.files import images_by_stem
from salus.errors import SalusError
from salus.read.image import read_values


def match_predictions(folder: Path, cases: Sequence[Case]) -> list[Path]:
    """Find the prediction file of each case: its stem is the case's name, or the image's stem.

    Raises:
        SalusError: there is no such folder, it holds the images themselves, or cases have no prediction (named).
    """
    if not folder.is_dir():
        raise SalusError(f"{folder}: no such folder of predictions")
    files = images_by_stem(folder)
    stems = Counter(case.image.stem for case in cases)  # a stem of two images does not say whose file it is
    matches = [
        files.get(case.name) or (files.get(case.image.stem) if stems[case.image.stem] == 1 else None) for case in cases
    ]
    missing = [case.name for case, path in zip(cases, matches, strict=True) if path is None]
    if missing:
        raise SalusError(
            f"{folder}: no prediction for {len(missing)} of {len(cases)} cases, e.g. {', '.join(missing[:3])}; "
            "name each file as its image"
        )
    paths = [path for path in matches if path is not None]
    if list(map(os.path.realpath, paths)) == [os.path.realpath(case.image) for case in cases]:
        raise SalusError(f"{folder}: holds the images themselves; name the folder of what was predicted of them")
    return paths


def are_probabilities(paths: Sequence[Path], workers: int = 4) -> bool:
    """Check whether the files of one folder are probabilities: one of them has more than two values, or fractions.

    A probability map of an image without a tumour may have two values, or one, as a mask has; so all are read.
    """

    def has_grades(path: Path) -> bool:
        try:
            values = np.unique(read_values(path))
        except SalusError:
            return False  # reported where the file is scored
        return len(values) > 2 or bool((values % 1).any())

    with ThreadPoolExecutor(workers) as pool:
        return any(pool.map(has_grades, paths))


def read_prediction(path: Path, shape: tuple[int, int], is_probability: bool) -> tuple[np.ndarray | None, np.ndarray]:
    """Read a prediction file.

    Args:
        path: the file.
        shape: (height, width) of the image.
        is_probability: it holds probabilities (8 bits: value / 255; 16 bits: / 65535; float: as it is), whose mask
            begins at one half; else it holds a mask, which is where it is above 0.

    Returns:
        Probability, (height, width) float32 in [0, 1], or None for a mask; mask, (height, width) bool.

    Raises:
        SalusError: it is of another size than the image, or neither a mask nor a probability.
    """
    values = read_values(path)
    if values.ndim == 3:
        values = values.max(axis=2)
    if values.shape != tuple(shape):
        raise SalusError(
            f"{path}: the prediction is {values.shape[1]} x {values.shape[0]}, its image {shape[1]} x {shape[0]}"
        )
    if not is_probability:
        return None, values > 0
    scale = 1 if values.dtype.kind == "f" else 255 if values.dtype == np.uint8 else 65535
    low, high = values.min(), values.max()
    if low < 0 or high > scale:
        raise SalusError(
            f"{path}: values from {low:g} to {high:g} are no probability; save 8 bits, or floats from 0 to 1"
        )
    probability = values.astype(np.float32) / scale
    return probability, probability >= 0.5
