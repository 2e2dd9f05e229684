"""Label maps on the grid of their image, as the clients read them: NRRD or NIfTI, 0 outside, 1 in the tumour."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.geometry import Geometry, read_geometry

DTYPES = ("uint8", "uint16")

SUFFIXES = (".nrrd", ".nii.gz", ".nii")
"""Suffixes of the files that are made."""

FLIP = np.diag([-1.0, -1.0, 1.0])
"""From NIfTI's axes (right, anterior, superior) to those of ITK and DICOM (left, posterior, superior)."""


def grid_of(path: Path, shape: tuple[int, int], count: int, spacing: tuple[float, float] | None) -> np.ndarray:
    """Return the affine of an image's pixels: (4, 4), from (column, row, frame) to (right, anterior, superior), mm.

    Args:
        path: the image; a NIfTI or NRRD file says it itself.
        shape: (height, width) of a frame.
        count: of frames.
        spacing: (row, column) size of a pixel in mm, or None. A picture lies where ITK puts it, at the origin.

    Raises:
        SalusError: the file's header cannot be read.
    """
    geometry: Geometry | None = read_geometry(path)
    if geometry is not None and geometry.shape[:2] == (shape[1], shape[0]):
        return geometry.affine
    down, right = spacing or (1.0, 1.0)
    return np.diag([-right, -down, 1.0, 1.0])


def label_suffix(parameters: Mapping[str, Any]) -> str:
    """Return the suffix of the label file that a client asks for.

    Raises:
        SalusError: it is no known one.

    Example:
        >>> label_suffix({}), label_suffix({"result_extension": ".nrrd"})
        ('.nii.gz', '.nrrd')
    """
    asked = str(parameters.get("result_extension") or ".nii.gz")
    suffix = ".nrrd" if asked == ".seg.nrrd" else asked
    if suffix not in SUFFIXES:
        raise SalusError(f"result_extension {asked!r}: choose from {', '.join(SUFFIXES)}")
    return suffix


def encode_labels(labels: np.ndarray, affine: np.ndarray, parameters: Mapping[str, Any]) -> tuple[bytes, str]:
    """Encode a label map.

    Args:
        labels: (frames, height, width), 0 or 1.
        affine: see `grid_of`.
        parameters: of the client: result_extension, result_dtype ("uint8" or "uint16") and result_compress.

    Returns:
        The file's content, and its suffix.

    Raises:
        SalusError: a parameter is not known, or a package is missing.
    """
    suffix = label_suffix(parameters)
    dtype = str(parameters.get("result_dtype") or "uint8")
    if dtype not in DTYPES:
        raise SalusError(f"result_dtype {dtype!r}: choose from {', '.join(DTYPES)}")
    values = np.ascontiguousarray(labels.transpose(2, 1, 0).astype(dtype))  # (column, row, frame)
    try:
        if suffix == ".nrrd":
            return _encode_nrrd(values, affine, bool(parameters.get("result_compress", True))), suffix
        return _encode_nifti(values, affine, packed=suffix == ".nii.gz"), suffix
    except ImportError as error:
        raise SalusError(f'labels need {error.name}; pip install "salus[monai-label]"') from None


def _encode_nrrd(values: np.ndarray, affine: np.ndarray, packed: bool) -> bytes:
    import nrrd

    header = {
        "space": "left-posterior-superior",
        "space directions": (FLIP @ affine[:3, :3]).T,
        "space origin": FLIP @ affine[:3, 3],
        "kinds": ["domain"] * 3,
        "encoding": "gzip" if packed else "raw",
    }
    content = BytesIO()
    nrrd.write(content, values, header)
    return content.getvalue()


def _encode_nifti(values: np.ndarray, affine: np.ndarray, packed: bool) -> bytes:
    import gzip

    import nibabel

    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    content: bytes = image.to_bytes()
    return gzip.compress(content, 6, mtime=0) if packed else content
