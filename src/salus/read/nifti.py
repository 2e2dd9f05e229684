"""Read NIfTI files by nibabel: one picture, or several along the third and further axes.

The first axis is the column and the second the row, counted from the upper left corner as stored, which is how ITK
writes a picture. A vector's parts, along the fifth axis, are colours. The affine is not used: it describes a position
in the body, which is not known of a sonogram. Pixel sizes are the header's, converted to mm; there are none where it
names no unit.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.formats import GZIP, read_head
from salus.read.limits import MAX_INFLATED, check_file, check_frame_number, check_size
from salus.scan import Scan, scan_from_values, valid_spacing

MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001}
"""Length of each unit in mm."""

VECTORS = (1007, 2003, 2004)
"""Intent codes of files whose fifth axis is one value's parts: vector, RGB vector, RGBA vector."""

SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
"""Length of each unit in seconds."""


@dataclass(frozen=True, eq=False)
class NiftiFrames:
    """Frames of a NIfTI file, as `salus.read.frames.Frames`."""

    source: str
    count: int
    seconds: float | None
    spacing: tuple[float, float] | None
    image: Any

    def scan(self, number: int = 1) -> Scan:
        """Read one frame; see `Frames`."""
        values = self.values(number)
        return scan_from_values(values, self.source, self.spacing, number if self.count > 1 else None)

    def values(self, number: int = 1) -> np.ndarray:
        """Read the values of one frame: (rows, columns) or (rows, columns, channels); errors as of `scan`."""
        check_frame_number(self.source, number, self.count)
        shape = picture_shape(self.image)
        index = np.unravel_index(number - 1, shape[2:], order="F") if len(shape) > 2 else ()
        try:
            values = np.asarray(self.image.dataobj[(slice(None), slice(None), *map(int, index))])
        except Exception as error:  # nibabel, gzip and zlib raise many kinds
            name = type(error).__name__
            raise SalusError(f"{self.source}: the pixel data of frame {number} are damaged ({name})") from None
        if values.dtype.names:
            values = np.stack([values[name] for name in values.dtype.names[:3]], axis=-1)
        return values.swapaxes(0, 1)


def load_nifti(path: Path) -> Any:
    """Open a NIfTI file of any name by nibabel, which goes by the suffix; one of another name is handed to it opened.

    Raises:
        ImportError: nibabel is not installed.
        Exception: of many kinds, by nibabel.
    """
    import nibabel

    is_packed = read_head(path).startswith(GZIP)
    if path.name.lower().endswith(".nii.gz" if is_packed else ".nii"):
        return nibabel.load(path)
    file = gzip.open(path) if is_packed else path.open("rb")  # noqa: SIM115  (read from as long as the image is used)
    kind = nibabel.Nifti2Image if file.read(8)[4:] == b"n+2\0" else nibabel.Nifti1Image
    file.seek(0)
    return kind.from_file_map({"image": nibabel.FileHolder(fileobj=file)})


def picture_shape(image: Any) -> tuple[int, ...]:
    """Return the (columns, rows) of an opened NIfTI file and what frames are counted by, without colours.

    Colours are the fifth axis of three or four parts where the header says that it is a vector, as ITK writes them.
    """
    shape = tuple(int(side) for side in image.shape)
    is_colour = len(shape) == 5 and shape[4] in (3, 4) and int(image.header["intent_code"]) in VECTORS
    return shape[:4] if is_colour else shape


def open_nifti(path: Path | str) -> NiftiFrames:
    """Read and check a NIfTI file's header.

    Raises:
        SalusError: nibabel is not installed; the file is missing, damaged, no picture, or beyond a limit.
    """
    path = Path(path)
    file_size = check_file(path)
    try:
        image: Any = load_nifti(path)
    except ImportError:
        raise SalusError('NIfTI files need nibabel; pip install "salus[dicom]"') from None
    except Exception as error:  # nibabel raises many kinds
        raise SalusError(f"{path}: cannot be read as NIfTI ({type(error).__name__})") from None
    is_packed = read_head(path).startswith(GZIP)
    try:
        shape = picture_shape(image)
        value_count = int(np.prod(image.shape, dtype=object))
        zooms = [float(step) for step in image.header.get_zooms()]
        length_unit, time_unit = image.header.get_xyzt_units()
        offset, dtype = int(image.header.get_data_offset()), image.header.get_data_dtype()
    except Exception as error:  # nibabel raises many kinds
        raise SalusError(f"{path}: cannot be read as NIfTI ({type(error).__name__})") from None
    if len(shape) < 2:
        raise SalusError(f"{path}: holds no picture (its shape is {shape})")
    count = int(np.prod(shape[2:], dtype=object))
    check_size(path, shape[1], shape[0], count)
    expected = value_count * dtype.itemsize
    if is_packed and expected > MAX_INFLATED:
        raise SalusError(f"{path}: {expected / 2**20:.0f} MiB of packed pixels; .nii.gz is read up to 512, unpack it")
    if not is_packed and file_size < offset + expected:
        raise SalusError(f"{path}: its pixel data are cut short; copy it again")
    unit = MILLIMETRES.get(length_unit)
    spacing = valid_spacing(zooms[1] * unit, zooms[0] * unit) if unit else None
    seconds = zooms[3] * SECONDS[time_unit] if len(zooms) > 3 and time_unit in SECONDS and zooms[3] > 0 else None
    return NiftiFrames(str(path), count, seconds, spacing, image)
