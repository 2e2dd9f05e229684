"""The layout of BUSI (Al-Dhabyani et al., Data in Brief 2020): images and masks in folders benign, malignant, normal.

`benign (1).png` has `benign (1)_mask.png`; with several lesions `benign (1)_mask_1.png` and so on: the lesion is the
union. Tumour-free images have an empty mask, or none. BUSI does not tell the patients.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.files import find_root, images_by_stem, list_folders, remark_on

MASK = re.compile(r"(?P<image>.+)_mask(_?\d+)?", re.IGNORECASE)


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has two of the three folders, or one with masks in it."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of BUSI."""
    root = find_root(root, _has_layout) or root
    remarks: list[str] = []
    rows: list[tuple[str, str, Path, tuple[Path, ...] | None]] = []  # label, stem, image, masks
    for folder in _class_folders(root):
        label = folder.name.lower()
        files = images_by_stem(folder, remarks)
        masks: dict[str, list[Path]] = {}
        for stem, path in files.items():
            match = MASK.fullmatch(stem)
            if match:
                masks.setdefault(match["image"], []).append(path)
        images = {stem: path for stem, path in files.items() if not MASK.fullmatch(stem)}
        for stem, image in images.items():
            without_mask = () if label == "normal" else None
            rows.append((label, stem, image, tuple(masks[stem]) if stem in masks else without_mask))
        remarks += remark_on(
            (p for stem in masks if stem not in images for p in masks[stem]), "a mask without an image"
        )
    remarks += remark_on((image for _, _, image, masks in rows if masks is None), "an image without a mask")

    count = Counter(stem for _, stem, _, _ in rows)
    cases = (
        Case(stem if count[stem] == 1 else f"{label}_{stem}", image, masks=masks, label=label, source="BUSI")
        for label, stem, image, masks in rows
    )
    return DataSet(root, "busi", tuple(sorted(cases, key=lambda case: case.name)), remarks=tuple(remarks))


def _class_folders(root: Path) -> list[Path]:
    """List the folders that are named as a label."""
    return [folder for folder in list_folders(root) if folder.name.lower() in LABELS]


def _has_layout(root: Path) -> bool:
    folders = _class_folders(root)
    return len(folders) > 1 or any(MASK.fullmatch(path.stem) for folder in folders for path in folder.iterdir())
