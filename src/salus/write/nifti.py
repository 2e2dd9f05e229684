"""Masks as NIfTI: labels by lesion number, the frames of a cine along the third axis. Needs nibabel.

The first axis is the column, the second the row, from the upper left corner, as `salus.read.nifti` reads them; pixel
sizes are in mm where they are known, and no unit is named where they are not. The affine is ITK's for a picture: the
directions of rows and columns are left and posterior.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.segmentation.result import Segmentation
from salus.write.polygons import lesion_labels


def write_nifti(path: Path, segmentations: Iterable[Segmentation]) -> None:
    """Write the lesion numbers of an image, or of a cine's frames, as one label file.

    Args:
        path: of the file; ends in .nii or .nii.gz.
        segmentations: of the frames, of one size; one for a single image. One is in memory at a time.

    Raises:
        SalusError: nibabel is not installed.
        OSError: the file cannot be written.
    """
    try:
        import nibabel
    except ImportError:
        raise SalusError('NIfTI files need nibabel; pip install "salus[dicom]"') from None
    labels, spacing = [], None
    for segmentation in segmentations:
        labels.append(lesion_labels(segmentation).T)
        spacing = segmentation.spacing
    down, right = spacing or (1.0, 1.0)
    values = labels[0] if len(labels) == 1 else np.stack(labels, axis=-1)
    image = nibabel.Nifti1Image(values, np.diag([-right, -down, 1.0, 1.0]))
    image.header.set_xyzt_units("mm" if spacing else "unknown")
    write_whole(path, lambda temporary: nibabel.save(image, temporary))
