"""Where the pixels of a NIfTI or NRRD file lie in space, so that a mask of it can be put in the same place.

Other files state no place: `salus.write.nifti` puts their masks where ITK puts the pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.formats import NIFTI, NRRD, detect_format
from salus.read.nifti import load_nifti, picture_shape

LENGTH_UNITS = {
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0, "cm": 10.0, "m": 1000.0,
    "um": 0.001, "µm": 0.001, "μm": 0.001, "micron": 0.001, "microns": 0.001, "micrometer": 0.001, "micrometers": 0.001,
}  # fmt: skip
"""Length of the units that NRRD files name, in mm; both of Unicode's letters for micro."""

RAS_SIGNS = {"r": 1, "l": -1, "a": 1, "p": -1, "s": 1, "i": -1}
"""Sign of NIfTI's axes (right, anterior, superior) for the direction that a space's axis has."""

COLOUR_KINDS = ("RGB-color", "RGBA-color", "3-color", "4-color", "vector", "3-vector")
"""Kinds of an NRRD file's axis that are colours."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """The grid of a file's pixels.

    Attributes:
        shape: (columns, rows) and what frames are counted by, as the file has it.
        affine: (4, 4), from (column, row, frame) to (right, anterior, superior).
        unit: "mm" where that is the affine's, else as NIfTI names it.
        nifti_header: the header of a NIfTI file, which may be changed; None elsewhere.
        code: of the space that the affine leads to, as NIfTI names it.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    unit: str
    nifti_header: Any = None
    code: str = "scanner"


def read_geometry(path: Path | str) -> Geometry | None:
    """Read the geometry of a NIfTI or NRRD file from its header; None for a file of another format.

    Raises:
        SalusError: a package is missing, or the file cannot be read.
    """
    read = {NIFTI: _read_nifti, NRRD: _read_nrrd}.get(detect_format(path))
    if read is None:
        return None
    try:
        return read(Path(path))
    except ImportError as error:
        raise SalusError(f'{path}: needs {error.name}; pip install "salus[dicom]"') from None
    except Exception as error:  # nibabel and pynrrd raise many kinds
        raise SalusError(f"{path}: its place in space cannot be read ({type(error).__name__})") from None


def length_in_mm(unit: Any) -> float | None:
    """Return the length of a unit that an NRRD file names, in mm; None for an unknown one.

    Example:
        >>> length_in_mm("um"), length_in_mm('"mm"'), length_in_mm("furlong")
        (0.001, 1.0, None)
    """
    return LENGTH_UNITS.get(str(unit).strip('" ').lower())


def colour_axis(header: Mapping[str, Any]) -> int | None:
    """Find the axis of an NRRD file that is colour: the first, or a later one of three or four; None without one.

    Example:
        >>> colour_axis({"sizes": [3, 64, 40], "kinds": ["RGB-color", "domain", "domain"]})
        0
        >>> colour_axis({"sizes": [64, 40, 24], "kinds": ["domain", "domain", "time"]}) is None
        True
    """
    for axis, (kind, size) in enumerate(zip(header.get("kinds", []), header["sizes"], strict=False)):
        if str(kind) in COLOUR_KINDS and (size in (3, 4) or (axis == 0 and size > 1)):
            return axis
    return None


def _read_nifti(path: Path) -> Geometry:
    image = load_nifti(path)
    header, shape = image.header.copy(), picture_shape(image)
    if shape != image.shape:
        header.set_data_shape(shape)
    return Geometry(shape, np.array(image.affine, float), header.get_xyzt_units()[0], header)


def _read_nrrd(path: Path) -> Geometry:
    import nrrd

    with path.open("rb") as file:
        header = dict(nrrd.read_header(file))
    colours = colour_axis(header)

    def without_colours(values: Iterable[Any]) -> list[Any]:
        return [value for axis, value in enumerate(values) if axis != colours]

    shape = tuple(int(size) for size in without_colours(header["sizes"]))
    affine, unit = np.eye(4), "mm"
    space = str(header.get("space", "")).lower()
    words = space.split("-") if "-" in space else list(space)
    signs = [RAS_SIGNS.get(word[:1], 0) for word in words[:3]] if space else []
    signs = signs if len(signs) >= 2 and all(signs) else [-1, -1, 1]  # ITK's own: left, posterior, superior
    if "space directions" in header:
        steps = [_to_vector(direction) for direction in without_colours(header["space directions"])][:3]
        origin = _to_vector(header.get("space origin"))
        named = list(header.get("space units", ()))
        factor = length_in_mm(named[0]) if named else 1.0
    else:
        sides = [float(step) for step in without_colours(header.get("spacings", []))][:3] or [1.0, 1.0]
        steps = [np.eye(3)[axis] * side for axis, side in enumerate(sides)]
        origin = np.zeros(3)
        named = without_colours(header.get("units", ()))
        factor = length_in_mm(named[0]) if named else (1.0 if space else None)
    if factor is None:
        factor, unit = 1.0, "unknown"
    for axis, step in enumerate(steps):
        if np.isfinite(step).all() and step.any():
            affine[:3, axis] = step * factor
    if len(steps) < 3 or not (np.isfinite(steps[2]).all() and steps[2].any()):  # frames in time, not in space
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
    affine[:3, 3] = np.nan_to_num(origin) * factor
    affine[:3] *= np.array([*signs, 1][:3])[:, None]
    return Geometry(shape, affine, unit)


def _to_vector(values: Any) -> np.ndarray:
    """Return a vector of two or three numbers as one of three; NaN where there is none."""
    if values is None:
        return np.full(3, np.nan)
    vector = np.atleast_1d(np.asarray(values, float))
    return np.concatenate([vector, np.zeros(3)])[:3] if len(vector) > 1 else np.full(3, np.nan)
