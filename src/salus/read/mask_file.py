"""Read masks from any file that may hold one: a picture, or a NIfTI or NRRD file of one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus.errors import SalusError
from salus.read.formats import DICOM, IMAGE, NIFTI, NRRD, detect_format
from salus.read.image import read_mask_file, read_values
from salus.read.mask_values import AUTO, MaskReading, interpret_mask

if TYPE_CHECKING:
    from salus.read.nifti import NiftiFrames
    from salus.read.nrrd import NrrdFrames


def read_any_mask(path: Path, mask_values: str = AUTO) -> MaskReading:
    """Read a mask and what was decided of its values, by the rule of `salus.read.mask_values`.

    Args:
        path: a picture, or a NIfTI or NRRD file of one image.
        mask_values: "auto" decides by the file's values; else see `salus.read.mask_values.check_mask_values`.

    Raises:
        SalusError: it cannot be read, or it cannot be decided what is lesion.
    """
    if detect_format(path) == IMAGE:
        return read_mask_file(path, mask_values)
    return interpret_mask(read_label_map(path), str(path), mask_values)


def read_label_map(path: Path) -> np.ndarray:
    """Read a label map's values: (height, width), as `read_scan` orients an image of the same format.

    Raises:
        SalusError: it cannot be read, or holds several slices or colours.
    """
    kind = detect_format(path)
    if kind == DICOM:
        raise SalusError(
            f"{path}: is a DICOM file; masks are pictures, NIfTI or NRRD, or DICOM SEG with --layout dicom-seg"
        )
    if kind in (NIFTI, NRRD):
        frames = _open_volume(path, kind)
        if frames.count != 1:
            raise SalusError(f"{path}: holds {frames.count} slices; Salus takes labels of one image a file")
        values = frames.values()
    else:
        values = read_values(path)
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim != 2:
        raise SalusError(f"{path}: holds colours in place of label numbers; save it as 8-bit grey")
    return values


def _open_volume(path: Path, kind: str) -> NiftiFrames | NrrdFrames:
    """Open a NIfTI or NRRD file."""
    if kind == NIFTI:
        from salus.read.nifti import open_nifti

        return open_nifti(path)
    from salus.read.nrrd import open_nrrd

    return open_nrrd(path)
