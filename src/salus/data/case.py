"""Cases and data sets: one image with its masks and its metadata, and the cases of one folder.

Both hold paths. Pixels are read only by the methods, so a data set of any size is listed quickly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.read.frames import read_scan
from salus.read.image import read_mask, read_values
from salus.scan import Scan

LABELS = ("benign", "malignant", "normal")

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Case:
    """One image of a data set, with its ground truth.

    Attributes:
        name: unique in its data set.
        image: the image file.
        masks: mask files, whose union is the lesion; empty for a tumour-free image, None for an unlabelled one.
        saliency: the file of a saliency map, or None.
        patient: the patient, or None if unknown.
        label: "benign", "malignant" or "normal", or None if unknown.
        source: the data set's name.
        lesion_colours: the RGB colours that mean lesion in the masks; None if every value above 0 does.
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
        """Read the image; see `salus.read.frames.read_scan`."""
        return read_scan(self.image)

    def read_mask(self, shape: tuple[int, int]) -> np.ndarray:
        """Read the lesion, the union of the mask files: (height, width) bool.

        Args:
            shape: (height, width) of the image, which every mask must have.

        Raises:
            SalusError: the case is unlabelled, or a mask has another size than the image or none of `lesion_colours`.
        """
        if self.masks is None:
            raise SalusError(f"{self.image}: has no mask, so it can be segmented but not scored or trained on")
        union, colours = np.zeros(shape, bool), self.lesion_colours
        for path in self.masks:
            mask = read_mask(path) if colours is None else _read_colour_mask(path, colours)
            if mask.shape != union.shape:
                raise SalusError(
                    f"{path}: the mask is {mask.shape[1]} x {mask.shape[0]}, its image {shape[1]} x {shape[0]}; "
                    "export it again at the image's size"
                )
            union |= mask
        return union

    def read_saliency(self) -> Scan:
        """Read the saliency map, float32 in [0, 1].

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
        layout: the layout it was read as, a name in `salus.data.layouts.LAYOUTS`.
        cases: sorted by name.
        official_folds: the folds that the data set ships: fold number by case name; empty if it ships none.
        remarks: what the reader noticed (masks without an image, ignored files), one line each.
    """

    root: Path
    layout: str
    cases: tuple[Case, ...]
    official_folds: dict[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.cases)

    @property
    def labelled(self) -> tuple[Case, ...]:
        """The cases with masks."""
        return tuple(case for case in self.cases if case.masks is not None)


def _read_colour_mask(path: Path, colours: tuple[Colour, ...]) -> np.ndarray:
    """Read a colour-coded mask; refuse a bright one without any of the colours."""
    values = read_values(path)
    mask = match_colours(values, colours)
    if not mask.any() and values.max() > 127:
        raise SalusError(f"{path}: has no lesion's colour, and is not black; see which colours the layout takes")
    return mask


def match_colours(values: np.ndarray, colours: tuple[Colour, ...]) -> np.ndarray:
    """Find the pixels of a mask that have one of some colours.

    Channels are compared at half their range, because compressed and resized files hold blends of colours.

    Args:
        values: (height, width) or (height, width, channels) uint8, as `salus.read.image.read_values` gives them.
        colours: each (red, green, blue) of 0 or 255.

    Returns:
        (height, width) bool; False everywhere in a grey image.
    """
    if values.ndim < 3 or values.shape[2] < 3:
        return np.zeros(values.shape[:2], bool)
    high = values[..., :3] > 127
    return np.any([(high == (np.asarray(colour) > 127)).all(axis=2) for colour in colours], axis=0)
