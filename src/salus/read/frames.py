"""One way to call all readers: a file's frames, counted without decoding them and read one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from salus.read.image import read_image
from salus.scan import Scan

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
NRRD_SUFFIXES = (".nrrd", ".nhdr")
CLINICAL_SUFFIXES = (*DICOM_SUFFIXES, *NIFTI_SUFFIXES, *NRRD_SUFFIXES)


class Frames(Protocol):
    """A file's frames.

    Attributes:
        source: the file.
        count: of frames, 1 or more.
        seconds: from one frame to the next, None where the file does not say.
    """

    @property
    def source(self) -> str: ...  # noqa: D102  (told above; so are the next two)
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
class OneImage:
    """A file of one image (PNG, JPEG, TIFF, BMP) as `Frames`."""

    source: str
    count: int = 1
    seconds: float | None = None

    def scan(self, number: int = 1) -> Scan:
        """See `Frames`."""
        return read_image(self.source)


def kind_of(path: Path | str) -> str:
    """ "dicom", "nifti", "nrrd" or "image", by a file's suffix; one without a known suffix by its first bytes.

    Example:
        >>> kind_of("a/scan.dcm"), kind_of("volume.nii.gz"), kind_of("scan.png")
        ('dicom', 'nifti', 'image')
    """
    name = Path(path).name.lower()
    for kind, suffixes in (("dicom", DICOM_SUFFIXES), ("nifti", NIFTI_SUFFIXES), ("nrrd", NRRD_SUFFIXES)):
        if name.endswith(suffixes):
            return kind
    return "dicom" if not Path(name).suffix and _starts_as_dicom(Path(path)) else "image"


def _starts_as_dicom(path: Path) -> bool:
    """Whether a file has DICOM's head; scanners write such files without a suffix."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def open_frames(path: Path | str) -> Frames:
    """The frames of any file that Salus reads; its header is checked against the limits, no pixel is decoded.

    Raises:
        SalusError: it is missing, damaged, beyond a limit or no image; or the package that reads it is not installed.
    """
    kind = kind_of(path)
    if kind == "dicom":
        from salus.read.dicom import open_dicom

        return open_dicom(path)
    if kind == "nifti":
        from salus.read.nifti import open_nifti

        return open_nifti(path)
    if kind == "nrrd":
        from salus.read.nrrd import open_nrrd

        return open_nrrd(path)
    return OneImage(str(path))


def read_scan(path: Path | str) -> Scan:
    """Read one image as grey values in [0, 1].

    Eight-bit values are divided by 255. Wider ones (16-bit, float) say nothing about their range, so they are stretched
    from 0 (or a negative minimum) to their own maximum. Colour becomes luma (ITU-R BT.601); transparency is dropped.

    Args:
        path: a PNG, JPEG, TIFF or BMP file; or DICOM, NIfTI, NRRD (see `salus.read.frames.open_frames`). Of several
            pages or frames the first is read.

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
