"""Cases and data sets: one image with its masks and its metadata, and the cases of one folder.

Both hold paths. Pixels are read only by the methods, so a data set of any size is listed quickly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, overload

import numpy as np

from salus.errors import SalusError
from salus.read.frames import read_scan
from salus.read.image import read_values
from salus.read.mask_file import read_any_mask
from salus.read.mask_values import ANNOTATION, AUTO, COLOURS, MaskDecision, MaskReading
from salus.scan import Scan

LABELS = ("benign", "malignant", "normal")

Colour = tuple[int, int, int]


class Annotation(Protocol):
    """What reads the lesion of one case from a file that is no picture, such as polygons in JSON or a label volume."""

    def read(self, path: Path, shape: tuple[int, int]) -> np.ndarray:
        """Read the lesion in one of the case's mask files: (height, width) bool.

        Args:
            path: of the file.
            shape: (height, width) of the image.

        Raises:
            SalusError: the file is damaged, or of another image size.
        """
        ...


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
        lesion_colours: the RGB colours that mean lesion in the masks; None if their values say it.
        mask_values: how values are read where there are no such colours; see `salus.read.mask_values`.
        annotation: what reads the mask files where they are no pictures; None where they are.
    """

    name: str
    image: Path
    masks: tuple[Path, ...] | None = None
    saliency: Path | None = None
    patient: str | None = None
    label: str | None = None
    source: str = ""
    lesion_colours: tuple[Colour, ...] | None = None
    mask_values: str = AUTO
    annotation: Annotation | None = None

    def read_image(self) -> Scan:
        """Read the image; see `salus.read.frames.read_scan`."""
        return read_scan(self.image)

    def read_mask(self, shape: tuple[int, int]) -> np.ndarray:
        """Read the lesion, the union of the mask files: (height, width) bool.

        Args:
            shape: (height, width) of the image, which every mask must have.

        Raises:
            SalusError: the case is unlabelled, a mask has another size than the image, or what is lesion in it cannot
                be decided.
        """
        union = np.zeros(shape, bool)
        for reading in self.read_mask_files(shape).values():
            union |= reading.mask
        return union

    def read_mask_files(self, shape: tuple[int, int]) -> dict[str, MaskReading]:
        """Read each mask file, and what was decided of its values, by its path; see `read_mask`."""
        if self.masks is None:
            raise SalusError(f"{self.image}: has no mask, so it can be segmented but not scored or trained on")
        readings = {}
        for path in self.masks:
            if self.annotation is not None:
                reading = MaskReading(self.annotation.read(path, shape), None, MaskDecision(ANNOTATION, 0.0, 1.0))
            elif self.lesion_colours is None:
                reading = read_any_mask(path, self.mask_values)
            else:
                reading = _read_colour_mask(path, self.lesion_colours)
            mask = reading.mask
            if mask.shape != shape:
                raise SalusError(
                    f"{path}: the mask is {mask.shape[1]} x {mask.shape[0]}, its image {shape[1]} x {shape[0]}; "
                    "export it again at the image's size"
                )
            readings[str(path)] = reading
        return readings

    def read_saliency(self) -> Scan:
        """Read the saliency map, float32 in [0, 1].

        Raises:
            SalusError: the case has none.
        """
        if self.saliency is None:
            raise SalusError(f"{self.image}: has no saliency map; put one in saliency/ or use --saliency prior")
        return read_scan(self.saliency)


@dataclass(frozen=True, repr=False)
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

    def __iter__(self) -> Iterator[Case]:
        """Yield the cases."""
        return iter(self.cases)

    def __contains__(self, item: object) -> bool:
        """Tell whether a case, or one of this name, is in it."""
        return any(item == case or item == case.name for case in self.cases)

    @overload
    def __getitem__(self, index: int | str) -> Case: ...
    @overload
    def __getitem__(self, index: slice) -> DataSet: ...
    def __getitem__(self, index: int | str | slice) -> Case | DataSet:
        """Return a case by its position or name, or a data set of those in a slice, with their folds.

        Raises:
            IndexError: there is no such position.
            KeyError: there is no such name.

        Example:
            >>> from salus import Case
            >>> data = DataSet(Path("scans"), "images", (Case("a", Path("a.png")), Case("b", Path("b.png"))))
            >>> data[0].name, data["b"].name, data[1:]
            ('a', 'b', DataSet(scans, layout images: 1 image, 0 with masks))
        """
        if isinstance(index, slice):
            cases = self.cases[index]
            folds = {case.name: self.official_folds[case.name] for case in cases if case.name in self.official_folds}
            return replace(self, cases=cases, official_folds=folds)
        if isinstance(index, str):
            for case in self.cases:
                if case.name == index:
                    return case
            raise KeyError(index)
        return self.cases[index]

    def __repr__(self) -> str:
        counts = {label: sum(case.label == label for case in self.cases) for label in LABELS}
        labels = "".join(f", {count} {label}" for label, count in counts.items() if count)
        return (
            f"DataSet({self.root}, layout {self.layout}: {len(self)} image{'s' * (len(self) != 1)}, "
            f"{len(self.labelled)} with masks{labels})"
        )

    @property
    def labelled(self) -> tuple[Case, ...]:
        """The cases with masks."""
        return tuple(case for case in self.cases if case.masks is not None)


def _read_colour_mask(path: Path, colours: tuple[Colour, ...]) -> MaskReading:
    """Read a colour-coded mask; refuse a bright one without any of the colours."""
    values = read_values(path)
    mask = match_colours(values, colours)
    if not mask.any() and values.max() > 127:
        raise SalusError(f"{path}: has no lesion's colour, and is not black; see which colours the layout takes")
    return MaskReading(mask, None, MaskDecision(COLOURS, float(values.min()), float(values.max())))


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
