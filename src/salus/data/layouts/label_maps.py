"""Label maps: files in which each pixel's whole number names its class, as picture, NIfTI or NRRD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.read.frames import detect_format
from salus.read.image import read_values
from salus.read.limits import MAX_INFLATED
from salus.read.nifti import open_nifti
from salus.read.nrrd import open_nrrd


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The classes of a label map that are lesion, as `salus.data.case.Annotation`.

    Attributes:
        lesions: their values; None for every value above 0.
    """

    lesions: tuple[int, ...] | None = None

    def read(self, path: Path, shape: tuple[int, int]) -> np.ndarray:
        """Read the lesion; see `salus.data.case.Annotation`."""
        values = read_label_map(path)
        if values.shape != tuple(shape):
            raise SalusError(
                f"{path}: the labels are {values.shape[1]} x {values.shape[0]}, their image {shape[1]} x {shape[0]}; "
                "export them again at the image's size"
            )
        return values > 0 if self.lesions is None else np.isin(values, self.lesions)


def read_label_map(path: Path) -> np.ndarray:
    """Read a label map's values: (height, width), as `read_scan` orients an image of the same format.

    Raises:
        SalusError: it cannot be read, or holds several slices or colours.
    """
    kind = detect_format(path)
    if kind == "nifti":
        frames = open_nifti(path)
        _check_count(path, frames.count)
        values: np.ndarray = np.asarray(frames.image.dataobj).reshape(frames.image.shape[:2]).T
    elif kind == "nrrd":
        import nrrd

        frames_nrrd = open_nrrd(path)
        _check_count(path, frames_nrrd.count)
        values = _squeeze(nrrd.read(str(path))[0]).T
    else:
        values = read_values(path)
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim != 2:
        raise SalusError(f"{path}: holds colours in place of label numbers; save it as 8-bit grey")
    return values


def lesion_values(labels: dict[str, int | Sequence[int]], lesions: set[str]) -> tuple[int, ...]:
    """Collect the values of the classes that are lesion; a class may be a region of several values.

    Example:
        >>> lesion_values({"background": 0, "tumour": [1, 2], "cyst": 3}, {"tumour", "cyst"})
        (1, 2, 3)
    """
    found: set[int] = set()
    for name in lesions:
        value = labels[name]
        found |= {value} if isinstance(value, int) else set(value)
    return tuple(sorted(found - {0}))


def _squeeze(values: np.ndarray) -> np.ndarray:
    if values.nbytes > MAX_INFLATED:
        raise SalusError("a label map that is too large")
    squeezed: np.ndarray = values.reshape(values.shape[:2]) if values.ndim > 2 else values
    return squeezed


def _check_count(path: Path, count: int) -> None:
    if count != 1:
        raise SalusError(f"{path}: holds {count} slices; Salus takes labels of one image a file")
