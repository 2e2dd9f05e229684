"""Images and masks in one folder: case001.png, case001_tumor.png (BrEaST, Pawłowska et al., Scientific Data 2024).

The end of a mask's name says what it is: _tumor, _tumour, _mask, _lesion, _gt, _seg or _segmentation, with or without a
number (_tumor2): the truth is the union. Other findings (_other1) are ignored. An image without such a file is
unlabelled: that a file is missing does not say that a tumour is.
"""

from __future__ import annotations

import re
from pathlib import Path

from salus.data.case import Case, DataSet
from salus.data.layouts.files import images_by_stem, locate, remark
from salus.read.find import MASK_NAME

OTHER = re.compile(r".+_other(_?\d+)?", re.IGNORECASE)


def matches(root: Path) -> bool:
    """Whether `root`, or the one folder in it, has an image with a mask beside it."""
    return locate(root, _fits) is not None


def read(root: Path) -> DataSet:
    """List the cases of a folder of pairs."""
    place = locate(root, _fits) or root
    remarks: list[str] = []
    files = images_by_stem(place, remarks)
    masks: dict[str, list[Path]] = {}
    images, others = {}, []
    for stem, path in files.items():
        match = MASK_NAME.fullmatch(stem)
        if match and (match["image"] in files or not MASK_NAME.fullmatch(match["image"])):
            masks.setdefault(match["image"], []).append(path)
        elif OTHER.fullmatch(stem):
            others.append(path)
        else:
            images[stem] = path
    cases = tuple(
        Case(name, image, masks=tuple(masks[name]) if name in masks else None, source=place.resolve().name)
        for name, image in images.items()
    )
    remarks += remark(others, "ignored, for it outlines another finding than the tumour")
    remarks += remark((p for stem in masks if stem not in images for p in masks[stem]), "a mask without an image")
    remarks += remark((case.image for case in cases if case.masks is None), "an image without a mask")
    return DataSet(place, "pairs", cases, remarks=tuple(remarks))


def _fits(folder: Path) -> bool:
    stems = set(images_by_stem(folder))
    return any(match["image"] in stems for match in map(MASK_NAME.fullmatch, stems) if match)
