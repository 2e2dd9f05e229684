"""Colour-coded masks (BUS-UCLM, Vallez et al., Scientific Data 2025): green is benign, red malignant, black neither.

images/ and masks/ hold files of equal names. Both colours are lesion; which of them a mask has is the image's label, so
the masks are read once when the set is listed. What stands before the first underscore is the patient (ALWI_000.png).
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from salus.data.case import Case, DataSet, where_coloured
from salus.data.layouts import published
from salus.data.layouts.files import images_by_stem, locate, remark
from salus.errors import SalusError
from salus.read.image import may_hold_colour, read_labels

BENIGN, MALIGNANT = (0, 255, 0), (255, 0, 0)

ENOUGH = 8
"""After so many masks with a lesion that is neither red nor green, the masks are taken not to be colour-coded."""


def matches(root: Path) -> bool:
    """Whether `root`, or the one folder in it, has images/ and masks/, and a mask is red or green."""
    return locate(root, _fits) is not None


def read(root: Path) -> DataSet:
    """List the cases of a set with colour-coded masks; reads the masks."""
    place = locate(root, published.fits) or root
    remarks: list[str] = []
    images, masks = images_by_stem(place / "images", remarks), images_by_stem(place / "masks", remarks)
    paired = [name for name in images if name in masks]
    with ThreadPoolExecutor(4) as pool:
        labels = dict(zip(paired, pool.map(_label, (masks[name] for name in paired)), strict=True))
    cases = tuple(
        Case(
            name=name,
            image=image,
            masks=(masks[name],) if name in masks else None,
            patient=name.partition("_")[0] if "_" in name else None,
            label=labels.get(name),
            source=place.resolve().name,
            lesion_colours=(BENIGN, MALIGNANT),
        )
        for name, image in images.items()
    )
    remarks += remark((masks[name] for name in masks if name not in images), "a mask without an image")
    remarks += remark((images[name] for name in images if name not in masks), "an image without a mask")
    remarks += remark((masks[n] for n in paired if not labels[n]), "unreadable, or in colours other than red and green")
    return DataSet(place, "colours", cases, remarks=tuple(remarks))


def _label(mask: Path) -> str | None:
    """malignant where there is red, else benign where there is green, else normal where all is black."""
    try:
        values = read_labels(mask)
    except SalusError:
        return None
    if where_coloured(values, (MALIGNANT,)).any():
        return "malignant"
    if where_coloured(values, (BENIGN,)).any():
        return "benign"
    return None if values.max() > 127 else "normal"


def _fits(folder: Path) -> bool:
    return published.fits(folder) and _any_coloured(images_by_stem(folder / "masks").values())


def _any_coloured(masks: Iterable[Path]) -> bool:
    """Whether a mask has red or green; empty masks and those that cannot hold colour do not tell, so look on."""
    others = 0
    for path in masks:
        try:
            if not may_hold_colour(path):
                continue
            values = read_labels(path)
        except SalusError:
            continue
        if where_coloured(values, (BENIGN, MALIGNANT)).any():
            return True
        others += bool(np.any(values))
        if others >= ENOUGH:
            return False
    return False
