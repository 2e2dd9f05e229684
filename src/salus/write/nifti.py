"""Masks as NIfTI: labels by lesion number, the frames of a cine along the third axis. Needs nibabel.

The first axis is the column, the second the row, from the upper left corner, as `salus.read.nifti` reads them; pixel
sizes are in mm where they are known, and no unit is named where they are not. The affine is ITK's for a picture: the
directions of rows and columns are left and posterior.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.segmentation.result import Segmentation
from salus.write.polygons import labels_of


def write_nifti(path: Path, found: Sequence[Segmentation]) -> None:
    """Write one label file.

    Args:
        path: ends in .nii or .nii.gz.
        found: in the frames, of one size; one for a single image.

    Raises:
        SalusError: nibabel is not installed.
        OSError: it cannot be written.
    """
    try:
        import nibabel
    except ImportError:
        raise SalusError('NIfTI files need nibabel; pip install "salus[dicom]"') from None
    values = np.stack([labels_of(one).T for one in found], axis=-1)
    spacing = found[0].spacing
    down, right = spacing or (1.0, 1.0)
    image = nibabel.Nifti1Image(values[..., 0] if len(found) == 1 else values, np.diag([-right, -down, 1.0, 1.0]))
    image.header.set_xyzt_units("mm" if spacing else "unknown")
    packed = path.name.lower().endswith(".gz")

    def write(temporary: Path) -> None:
        beside = temporary.with_name(temporary.name + (".nii.gz" if packed else ".nii"))  # nibabel goes by the suffix
        try:
            nibabel.save(image, beside)
            beside.replace(temporary)
        finally:
            beside.unlink(missing_ok=True)

    write_whole(path, write)
