"""Label maps: files in which each pixel's whole number names its class, as picture, NIfTI or NRRD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.read.mask_file import read_label_map


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
