"""The layout of images and masks in one folder: case001.png, case001_tumor.png.

BrEaST has it (Pawłowska et al., Scientific Data 2024).
A mask is told by the end of its name: _tumor, _tumour, _mask, _lesion, _gt, _seg or _segmentation, with or without a
number (_tumor2); the lesion is the union. Other findings (_other1) are ignored. An image without a mask is unlabelled:
a missing file does not mean that there is no tumour.
"""

from __future__ import annotations

import re
from pathlib import Path

from salus.data.case import Case, DataSet
from salus.data.layouts.files import find_root, images_by_stem, remark_on
from salus.read.find import MASK_NAME

OTHER = re.compile(r".+_other(_?\d+)?", re.IGNORECASE)


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has an image with a mask beside it."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of a folder of pairs."""
    folder = find_root(root, _has_layout) or root
    remarks: list[str] = []
    files = images_by_stem(folder, remarks)
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
        Case(name, image, masks=tuple(masks[name]) if name in masks else None, source=folder.resolve().name)
        for name, image in images.items()
    )
    remarks += remark_on(others, "ignored, for it outlines another finding than the tumour")
    remarks += remark_on((p for stem in masks if stem not in images for p in masks[stem]), "a mask without an image")
    remarks += remark_on((case.image for case in cases if case.masks is None), "an image without a mask")
    return DataSet(folder, "pairs", cases, remarks=tuple(remarks))


def _has_layout(folder: Path) -> bool:
    stems = set(images_by_stem(folder))
    return any(match["image"] in stems for match in map(MASK_NAME.fullmatch, stems) if match)
