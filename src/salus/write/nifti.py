"""Masks as NIfTI: labels by lesion number, the frames of a cine along the third axis. Needs nibabel.

A mask lies on its source: one of a NIfTI file has that file's shape, affine, units and codes, one of an NRRD file its
origin, directions and units. For other sources the first axis is the column and the second the row, from the upper left
corner; pixel sizes are in mm where they are known, and no unit is named where they are not. The affine is then ITK's
for a picture: the directions of rows and columns are left and posterior.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.read.geometry import Geometry
from salus.segmentation.result import Segmentation
from salus.write.polygons import lesion_labels

TEXT_FIELDS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
"""Fields of a header that hold text, which may name the patient; a mask has them empty."""


def write_nifti(
    path: Path, segmentations: Iterable[Segmentation], geometry: Geometry | None = None, count: int | None = None
) -> None:
    """Write the lesion numbers of an image, or of a cine's frames, as one label file.

    Args:
        path: of the file; ends in .nii or .nii.gz.
        segmentations: of the frames, of one size, in the order of their numbers; one for a single image. One is in
            memory at a time where `geometry` or `count` is given. A frame of `geometry` that has none is empty.
        geometry: of the source, see `salus.read.geometry.read_geometry`; None puts the mask where ITK puts a picture.
        count: number of segmentations; None counts them.

    Raises:
        SalusError: nibabel is not installed, or a mask has another size than the source.
        OSError: the file cannot be written.
    """
    try:
        import nibabel
    except ImportError:
        raise SalusError('NIfTI files need nibabel; pip install "salus[dicom]"') from None

    def write(temporary: Path) -> None:
        if geometry is not None:
            _write_frames(temporary, path, _source_header(nibabel, geometry), segmentations, in_place=True)
            return
        several = segmentations if count is not None else list(segmentations)
        frames = iter(several)
        first = next(frames)
        grid = _picture_grid(first, len(several) if isinstance(several, list) else count or 1)
        _write_frames(temporary, path, _source_header(nibabel, grid), chain([first], frames), in_place=False)

    write_whole(path, write)


def _picture_grid(segmentation: Segmentation, count: int) -> Geometry:
    """Make the grid on which ITK puts a picture, or several of its size."""
    rows, columns = segmentation.mask.shape
    down, right = segmentation.spacing or (1.0, 1.0)
    shape = (columns, rows) if count == 1 else (columns, rows, count)
    return Geometry(
        shape, np.diag([-right, -down, 1.0, 1.0]), "mm" if segmentation.spacing else "unknown", code="aligned"
    )


def _source_header(nibabel: Any, geometry: Geometry) -> Any:
    """Make the header of a label file on a source's grid."""
    if geometry.nifti_header is None:
        header = nibabel.Nifti1Header()
        header.set_data_shape(geometry.shape)
        header.set_sform(geometry.affine, code=geometry.code)
        header.set_qform(geometry.affine, code=geometry.code, strip_shears=True)
        header.set_xyzt_units(geometry.unit)
    else:
        header = type(geometry.nifti_header)(geometry.nifti_header.binaryblock, geometry.nifti_header.endianness)
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header["cal_max"] = header["cal_min"] = 0
    header["intent_code"] = 0
    for name in TEXT_FIELDS:
        if name in header:
            header[name] = b""
    return header


def _write_frames(
    temporary: Path, path: Path, header: Any, segmentations: Iterable[Segmentation], *, in_place: bool
) -> None:
    """Write a header and the labels of each frame after it, one at a time.

    Args:
        temporary: file to write.
        path: its name in errors.
        header: of all frames.
        segmentations: of the frames.
        in_place: a frame lies where its number says, and those between are empty; else one follows the other.
    """
    shape = header.get_data_shape()
    columns, rows = shape[:2]
    count = int(np.prod(shape[2:], dtype=np.int64))
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    is_packed = path.name.endswith(".gz")
    with gzip.open(temporary, "wb", compresslevel=6) if is_packed else temporary.open("wb") as file:
        content = header.binaryblock
        file.write(content + bytes(header.single_vox_offset - len(content)))
        written = 0
        for segmentation in segmentations:
            labels = lesion_labels(segmentation)
            if labels.shape != (rows, columns):
                raise SalusError(
                    f"{path}: the mask is {labels.shape[1]} x {labels.shape[0]}, its source {columns} x {rows}"
                )
            for _ in range(written, (segmentation.frame or 1) - 1 if in_place else written):  # frames that failed
                file.write(bytes(rows * columns))
            file.write(labels.tobytes())
            written = (segmentation.frame or 1) if in_place else written + 1
        for _ in range(written, count):
            file.write(bytes(rows * columns))
