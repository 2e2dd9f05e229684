"""NIfTI: a picture, or pictures along the third and further axes. Needs nibabel.

The first axis is the column and the second the row, counted from the upper left corner, as the numbers are stored;
that is how ITK writes a picture. The affine is not used: it places a body, which a sonogram's file does not know. Pixel
sizes are the header's, in mm where it says so (metres and micrometres are converted), none where it names no unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.limits import MAX_INFLATED, require_file, require_size
from salus.scan import Scan, grey_scan

MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001}
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


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
        if not 1 <= number <= self.count:
            raise SalusError(f"{self.source}: has no frame {number}; it holds {self.count}")
        shape = self.image.shape
        index = np.unravel_index(number - 1, shape[2:], order="F") if len(shape) > 2 else ()
        try:
            values = np.asarray(self.image.dataobj[(slice(None), slice(None), *map(int, index))])
        except Exception as error:  # nibabel, gzip and zlib raise many kinds
            name = type(error).__name__
            raise SalusError(f"{self.source}: the pixel data of frame {number} are damaged ({name})") from None
        if values.dtype.names:
            values = np.stack([values[name] for name in values.dtype.names[:3]], axis=-1)
        values = values.swapaxes(0, 1)
        return grey_scan(values, self.source, self.spacing, number if self.count > 1 else None)


def open_nifti(path: Path | str) -> NiftiFrames:
    """Read and check a NIfTI file's header.

    Raises:
        SalusError: nibabel is not installed; the file is missing, damaged, no picture, or beyond a limit.
    """
    path = Path(path)
    size = require_file(path)
    try:
        import nibabel
    except ImportError:
        raise SalusError('NIfTI files need nibabel; pip install "salus[dicom]"') from None
    try:
        image: Any = nibabel.load(path)
        shape = tuple(int(side) for side in image.shape)
        zooms = [float(step) for step in image.header.get_zooms()]
        space, time = image.header.get_xyzt_units()
        offset, kind = int(image.header.get_data_offset()), image.header.get_data_dtype()
    except Exception as error:  # nibabel raises many kinds
        raise SalusError(f"{path}: cannot be read as NIfTI ({type(error).__name__})") from None
    if len(shape) < 2:
        raise SalusError(f"{path}: holds no picture (its shape is {shape})")
    count = int(np.prod(shape[2:], dtype=object))
    require_size(path, shape[1], shape[0], count)
    wanted = shape[0] * shape[1] * count * kind.itemsize
    packed = path.name.lower().endswith(".gz")
    if packed and wanted > MAX_INFLATED:
        raise SalusError(f"{path}: {wanted / 2**20:.0f} MiB of packed pixels; .nii.gz is read up to 512, unpack it")
    if not packed and size < offset + wanted:
        raise SalusError(f"{path}: its pixel data are cut short; copy it again")
    unit = MILLIMETRES.get(space)
    sizes = [step * unit for step in zooms[:2]] if unit else []
    good = len(sizes) == 2 and all(np.isfinite(sizes)) and min(sizes) > 0
    seconds = zooms[3] * SECONDS[time] if len(zooms) > 3 and time in SECONDS and zooms[3] > 0 else None
    return NiftiFrames(str(path), count, seconds, (sizes[1], sizes[0]) if good else None, image)
