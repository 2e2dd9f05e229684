"""A case: one image of a data set with what is known about it; a data set: its cases and where they lie.

Both hold paths and read pixels only when asked, so a data set of any size is listed in moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.read.frames import read_scan
from salus.read.image import read_labels, read_mask
from salus.scan import Scan

LABELS = ("benign", "malignant", "normal")

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Case:
    """One image with its truth.

    Attributes:
        name: unique in its data set.
        image: the image file.
        masks: None where the case is unlabelled; else the files whose union is the lesion (none: a tumour-free image).
        saliency: a saliency map's file, None where there is none.
        patient: who it shows, None where the data set does not say.
        label: "benign", "malignant", "normal", or None where the data set does not say.
        source: the data set's name.
        lesion_colours: None where every value above 0 in a mask is lesion; else the RGB colours that are.
    """

    name: str
    image: Path
    masks: tuple[Path, ...] | None = None
    saliency: Path | None = None
    patient: str | None = None
    label: str | None = None
    source: str = ""
    lesion_colours: tuple[Colour, ...] | None = None

    def read_image(self) -> Scan:
        """The image; see `salus.read.frames.read_scan`."""
        return read_scan(self.image)

    def read_mask(self, shape: tuple[int, int]) -> np.ndarray:
        """The lesion, the union of the mask files: (height, width) bool.

        Args:
            shape: (height, width) of the image, which every mask must have.

        Raises:
            SalusError: the case is unlabelled, or a mask has another size than the image, or is in other colours.
        """
        if self.masks is None:
            raise SalusError(f"{self.image}: has no mask, so it can be segmented but not scored or trained on")
        union, colours = np.zeros(shape, bool), self.lesion_colours
        for path in self.masks:
            mask = read_mask(path) if colours is None else _read_coloured(path, colours)
            if mask.shape != union.shape:
                raise SalusError(
                    f"{path}: the mask is {mask.shape[1]} x {mask.shape[0]}, its image {shape[1]} x {shape[0]}; "
                    "export it again at the image's size"
                )
            union |= mask
        return union

    def read_saliency(self) -> Scan:
        """The saliency map's file, float32 in [0, 1].

        Raises:
            SalusError: the case has none.
        """
        if self.saliency is None:
            raise SalusError(f"{self.image}: has no saliency map; put one in saliency/ or use --saliency prior")
        return read_scan(self.saliency)


@dataclass(frozen=True)
class DataSet:
    """The cases of one folder.

    Attributes:
        root: the folder.
        layout: how it was read, a name in `salus.data.layouts.LAYOUTS`.
        cases: sorted by name.
        official_folds: folds that the data set ships: the fold's number for each case name; empty where it ships none.
        remarks: what the reader noticed (masks without an image, ignored files), one line each.
    """

    root: Path
    layout: str
    cases: tuple[Case, ...]
    official_folds: dict[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """The number of cases."""
        return len(self.cases)

    @property
    def labelled(self) -> tuple[Case, ...]:
        """The cases that have a truth."""
        return tuple(case for case in self.cases if case.masks is not None)


def _read_coloured(path: Path, colours: tuple[Colour, ...]) -> np.ndarray:
    """A colour-coded mask; a bright one without any of the colours is no tumour-free image."""
    values = read_labels(path)
    mask = where_coloured(values, colours)
    if not mask.any() and values.max() > 127:
        raise SalusError(f"{path}: has no lesion's colour, and is not black; see which colours the layout takes")
    return mask


def where_coloured(values: np.ndarray, colours: tuple[Colour, ...]) -> np.ndarray:
    """Where a mask has one of some colours, for compressed and resized files within half of a channel's range.

    Args:
        values: (height, width) or (height, width, channels) uint8, as `salus.read.image.read_labels` gives them.
        colours: each (red, green, blue) of 0 or 255.

    Returns:
        (height, width) bool; nowhere True where all is grey.
    """
    found = np.zeros(values.shape[:2], bool)
    if values.ndim == 3 and values.shape[2] >= 3:
        high = values[..., :3] > 127
        for colour in colours:
            found |= (high == (np.asarray(colour) > 127)).all(axis=2)
    return found
