"""The layout of BUSI (Al-Dhabyani et al., Data in Brief 2020): images and masks in folders benign, malignant, normal.

`benign (1).png` has `benign (1)_mask.png`; with several lesions `benign (1)_mask_1.png` and so on: the truth is the
union. Tumour-free images have an empty mask, or none. BUSI says nothing about patients.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.files import folders, images_by_stem, locate, remark

MASK = re.compile(r"(?P<image>.+)_mask(_?\d+)?", re.IGNORECASE)


def matches(root: Path) -> bool:
    """Whether `root`, or the one folder in it, has two of the three folders, or one with masks in it."""
    return locate(root, _fits) is not None


def read(root: Path) -> DataSet:
    """List the cases of BUSI."""
    place = locate(root, _fits) or root
    remarks: list[str] = []
    found: list[tuple[str, str, Path, tuple[Path, ...] | None]] = []
    for folder in _classes(place):
        label = folder.name.lower()
        files = images_by_stem(folder, remarks)
        masks: dict[str, list[Path]] = {}
        for stem, path in files.items():
            match = MASK.fullmatch(stem)
            if match:
                masks.setdefault(match["image"], []).append(path)
        images = {stem: path for stem, path in files.items() if not MASK.fullmatch(stem)}
        for stem, image in images.items():
            none = () if label == "normal" else None
            found.append((label, stem, image, tuple(masks[stem]) if stem in masks else none))
        remarks += remark((p for stem in masks if stem not in images for p in masks[stem]), "a mask without an image")
    remarks += remark((image for _, _, image, truth in found if truth is None), "an image without a mask")

    shared = Counter(stem for _, stem, _, _ in found)
    cases = (
        Case(stem if shared[stem] == 1 else f"{label}_{stem}", image, masks=truth, label=label, source="BUSI")
        for label, stem, image, truth in found
    )
    return DataSet(place, "busi", tuple(sorted(cases, key=lambda case: case.name)), remarks=tuple(remarks))


def _classes(folder: Path) -> list[Path]:
    return [inside for inside in folders(folder) if inside.name.lower() in LABELS]


def _fits(folder: Path) -> bool:
    classes = _classes(folder)
    return len(classes) > 1 or any(MASK.fullmatch(path.stem) for inside in classes for path in inside.iterdir())
