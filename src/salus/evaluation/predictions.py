"""Read predictions made elsewhere: masks and probability maps in a folder, named as the images.

Pictures, NIfTI (as nnU-Net and MONAI write them) and NRRD, one image a file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from salus.data.case import Case, match_colours
from salus.data.layouts.files import images_by_stem, remark_on
from salus.errors import SalusError
from salus.read.formats import IMAGE, detect_format, strip_suffix
from salus.read.image import read_values
from salus.read.mask_file import read_any_mask, read_label_map
from salus.read.mask_values import AUTO, COLOURS, MaskDecision, MaskReading


def match_predictions(folder: Path, cases: Sequence[Case], remarks: list[str] | None = None) -> list[Path]:
    """Find the prediction file of each case.

    Its name without the suffix is the image's whole name (which `salus segment` gives to the second of two images that
    differ in their suffix), or the case's, or the image's without its suffix.

    Args:
        folder: of the predictions.
        cases: to be scored.
        remarks: gets lines on files that are the prediction of none of them.

    Raises:
        SalusError: there is no such folder, it holds the images themselves, or cases have no prediction (named).
    """
    if not folder.is_dir():
        raise SalusError(f"{folder}: no such folder of predictions")
    files = images_by_stem(folder, remarks)
    stems = Counter(map(_stem, cases))  # a stem of two images does not say whose file it is
    whole = Counter(case.image.name for case in cases)
    matches = [
        (files.get(case.image.name) if whole[case.image.name] == 1 else None)
        or files.get(case.name)
        or (files.get(_stem(case)) if stems[_stem(case)] == 1 else None)
        for case in cases
    ]
    missing = [case.name for case, path in zip(cases, matches, strict=True) if path is None]
    if missing:
        raise SalusError(
            f"{folder}: no prediction for {len(missing)} of {len(cases)} cases, e.g. {', '.join(missing[:3])}; "
            "name each file as its image"
        )
    paths = [path for path in matches if path is not None]
    if list(map(os.path.realpath, paths)) == [os.path.realpath(case.image) for case in cases]:
        raise SalusError(f"{folder}: holds the images themselves; name the folder of what was predicted of them")
    if remarks is not None:
        remarks += remark_on(sorted(set(files.values()) - set(paths)), "is the prediction of no case that has a truth")
    return paths


def read_prediction(path: Path, case: Case, shape: tuple[int, int], mask_values: str = AUTO) -> MaskReading:
    """Read a prediction file by the rule of `salus.read.mask_values`, which truth is read by as well.

    Args:
        path: the file.
        case: its case; where the data set's layout names the lesion's colours, they count in predictions too.
        shape: (height, width) of the image.
        mask_values: "auto" decides by the file's values; else see `salus.read.mask_values.check_mask_values`.

    Raises:
        SalusError: it is of another size than the image, or what is lesion in it cannot be decided.
    """
    values = read_values(path) if detect_format(path) == IMAGE else read_label_map(path)
    if values.shape[:2] != tuple(shape):
        raise SalusError(
            f"{path}: the prediction is {values.shape[1]} x {values.shape[0]}, its image {shape[1]} x {shape[0]}"
        )
    if case.lesion_colours is not None and mask_values == AUTO:
        mask = match_colours(values, case.lesion_colours)
        if mask.any():
            return MaskReading(mask, None, MaskDecision(COLOURS, float(values.min()), float(values.max())))
    return read_any_mask(path, mask_values)


def _stem(case: Case) -> str:
    return strip_suffix(case.image)
