"""Colour-coded masks (BUS-UCLM, Vallez et al., Scientific Data 2025): green is benign, red malignant, black neither.

images/ and masks/ hold files of equal names. Both colours are lesion. The colour of a mask is also the image's label,
so the masks are read when the set is listed. The patient is what stands before the first underscore (ALWI_000.png).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from salus.data.case import Case, DataSet, match_colours
from salus.data.layouts import published
from salus.data.layouts.files import find_root, images_by_stem, remark_on
from salus.errors import SalusError
from salus.parallel import map_in_order
from salus.read.image import may_hold_colour, read_values

BENIGN, MALIGNANT = (0, 255, 0), (255, 0, 0)

MAX_OTHER_MASKS = 8
"""After so many masks with a lesion that is neither red nor green, the masks do not count as colour-coded."""


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has images/ and masks/, and a mask is red or green."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of a data set with colour-coded masks; this reads the masks."""
    folder = find_root(root, published.has_layout) or root
    remarks: list[str] = []
    images, masks = images_by_stem(folder / "images", remarks), images_by_stem(folder / "masks", remarks)
    paired = [name for name in images if name in masks]
    labels = dict(zip(paired, map_in_order(_read_label, [masks[name] for name in paired], workers=4), strict=True))
    cases = tuple(
        Case(
            name=name,
            image=image,
            masks=(masks[name],) if name in masks else None,
            patient=name.partition("_")[0] if "_" in name else None,
            label=labels.get(name),
            source=folder.resolve().name,
            lesion_colours=(BENIGN, MALIGNANT),
        )
        for name, image in images.items()
    )
    remarks += remark_on((masks[name] for name in masks if name not in images), "a mask without an image")
    remarks += remark_on((images[name] for name in images if name not in masks), "an image without a mask")
    remarks += remark_on(
        (masks[n] for n in paired if not labels[n]), "unreadable, or in colours other than red and green"
    )
    return DataSet(folder, "colours", cases, remarks=tuple(remarks))


def _read_label(mask: Path) -> str | None:
    """Read the label from a mask: malignant for red, else benign for green, else normal for black, else None."""
    try:
        values = read_values(mask)
    except SalusError:
        return None
    if match_colours(values, (MALIGNANT,)).any():
        return "malignant"
    if match_colours(values, (BENIGN,)).any():
        return "benign"
    return None if values.max() > 127 else "normal"


def _has_layout(folder: Path) -> bool:
    return published.has_layout(folder) and _any_coloured(images_by_stem(folder / "masks").values())


def _any_coloured(masks: Iterable[Path]) -> bool:
    """Tell whether a mask has red or green; empty masks and those that cannot hold colour are passed over."""
    others = 0
    for path in masks:
        try:
            if not may_hold_colour(path):
                continue
            values = read_values(path)
        except SalusError:
            continue
        if match_colours(values, (BENIGN, MALIGNANT)).any():
            return True
        others += bool(np.any(values))
        if others >= MAX_OTHER_MASKS:
            return False
    return False
