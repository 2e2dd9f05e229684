"""Open any file that Salus reads: its frames are counted without decoding them and read one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from salus.read.formats import DICOM, NIFTI, NRRD, detect_format, may_hold_frames
from salus.read.image import read_image
from salus.read.limits import check_frame_number
from salus.scan import Scan


class Frames(Protocol):
    """The frames of a file.

    Attributes:
        source: the file.
        count: number of frames, 1 or more.
        seconds: time from one frame to the next; None where the file does not say.
    """

    @property
    def source(self) -> str: ...  # noqa: D102  (described above, as are the next two)
    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def seconds(self) -> float | None: ...  # noqa: D102

    def scan(self, number: int) -> Scan:
        """Read one frame.

        Args:
            number: from 1 to `count`.

        Raises:
            SalusError: no such frame, or its pixel data are damaged.
        """
        ...


@dataclass(frozen=True)
class SingleImage:
    """A picture of a single page or frame as `Frames`."""

    source: str
    count: int = 1
    seconds: float | None = None

    def scan(self, number: int = 1) -> Scan:
        """Read the image; see `Frames`."""
        check_frame_number(self.source, number, self.count)
        return read_image(self.source)


def open_frames(path: Path | str) -> Frames:
    """Open any file that Salus reads: check its header against the limits, decode no pixel.

    Raises:
        SalusError: it is missing, damaged, beyond a limit or no image; or the package that reads it is not installed.
    """
    file_format = detect_format(path)
    if file_format == DICOM:
        from salus.read.dicom import open_dicom

        return open_dicom(path)
    if file_format == NIFTI:
        from salus.read.nifti import open_nifti

        return open_nifti(path)
    if file_format == NRRD:
        from salus.read.nrrd import open_nrrd

        return open_nrrd(path)
    if may_hold_frames(Path(path)):
        from salus.read.pages import open_pages

        return open_pages(path) or SingleImage(str(path))
    return SingleImage(str(path))


def read_scan(path: Path | str) -> Scan:
    """Read one image as grey values in [0, 1].

    Eight-bit values are divided by 255. Wider ones (16-bit, float) say nothing about their range, so they are stretched
    from 0 (or a negative minimum) to their own maximum. Colour becomes luma (ITU-R BT.601); transparency is dropped.
    DICOM files go through their own transforms instead; see `salus.read.dicom_pixels`.

    Args:
        path: a PNG, JPEG, TIFF, BMP, GIF, WebP, JPEG 2000, DICOM, NIfTI or NRRD file. Of several pages or frames the
            first is read.

    Raises:
        SalusError: the file is missing, unreadable, truncated, not an image, or larger than `MAX_PIXELS`.

    Example:
        >>> from salus.read.frames import read_scan
        >>> import numpy as np, tempfile, pathlib
        >>> from PIL import Image
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "grey.png"
        >>> Image.fromarray(np.full((4, 6), 51, np.uint8)).save(path)
        >>> scan = read_scan(path)
        >>> scan.shape, round(float(scan.pixels[0, 0]), 3)
        ((4, 6), 0.2)
    """
    return open_frames(path).scan(1)
