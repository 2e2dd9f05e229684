"""A scan: the grey pixels of one ultrasound image, where they came from, and how large a pixel is if that is known.

Every image of Salus enters here (PNG, JPEG, TIFF, BMP), and every mask through `read_mask`. What holds frames or a
calibration (DICOM, NIfTI, NRRD) is read by `salus.read`, to which `read_scan` hands such files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from salus.errors import SalusError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
"""What a file may hold, whatever its suffix; Pillow reads others too, some by starting another program."""

MIN_SIDE = 8
"""The shortest side of an image in which anything is looked for, in pixels."""

MAX_PIXELS = 16_000_000
"""Images above this many pixels are refused before they are decoded; a sonogram has about 1 million."""

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what Pillow's "L" uses


@dataclass(frozen=True)
class Region:
    """A rectangle of a scan that shows tissue in B-mode, in pixels of the scan.

    Attributes:
        top: first row; left: first column.
        height: of it, and width: likewise.
        spacing: (row, column) size of a pixel in mm, None where the source does not say.
    """

    top: int
    left: int
    height: int
    width: int
    spacing: tuple[float, float] | None = None

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """This part of an array whose first two axes are the scan's rows and columns.

        Example:
            >>> Region(1, 2, 2, 3).of(np.zeros((9, 9))).shape
            (2, 3)
        """
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def within(pixels: np.ndarray, regions: Sequence[Region]) -> np.ndarray:
    """A copy of an image in which all is 0 that lies outside every region; the image itself where there is no region.

    Example:
        >>> within(np.ones((2, 4), int), [Region(0, 1, 1, 2)]).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    if not regions:
        return pixels
    kept = np.zeros_like(pixels)
    for region in regions:
        region.of(kept)[...] = region.of(pixels)
    return kept


@dataclass(frozen=True, eq=False)
class Scan:
    """One grey ultrasound image, a frame of a cine maybe.

    Attributes:
        pixels: (height, width) float32 in [0, 1].
        source: the file it was read from, or what made it.
        spacing: (row, column) size of a pixel in mm, None where the source does not say.
        regions: the parts to look at; empty means all of it. A region's spacing stands for that of its pixels.
        frame: number of the frame in its file, from 1; None where the file holds one image.
        notes: what a reader must know of how it was read, one line each.
    """

    pixels: np.ndarray
    source: str
    spacing: tuple[float, float] | None = None
    regions: tuple[Region, ...] = ()
    frame: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.pixels.shape
        return height, width

    @property
    def parts(self) -> tuple[Region, ...]:
        """The regions; one over all of it where there are none."""
        return self.regions or (Region(0, 0, *self.shape, self.spacing),)


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
        >>> from salus.scan import read_scan
        >>> import numpy as np, tempfile, pathlib
        >>> from PIL import Image
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "grey.png"
        >>> Image.fromarray(np.full((4, 6), 51, np.uint8)).save(path)
        >>> scan = read_scan(path)
        >>> scan.shape, round(float(scan.pixels[0, 0]), 3)
        ((4, 6), 0.2)
    """
    from salus.read.frames import kind_of, open_frames

    if kind_of(path) != "image":
        return open_frames(path).scan(1)
    return _grey(_decode(Path(path)), str(path))


def scan_image(image: Image.Image, source: str = "the image") -> Scan:
    """The scan of an opened Pillow image; the same grey values as `read_scan` of its file.

    Args:
        image: of several pages, the one it stands at.
        source: what errors call it.

    Raises:
        SalusError: it is damaged, or larger than `MAX_PIXELS`.

    Example:
        >>> from PIL import Image
        >>> scan_image(Image.new("RGB", (6, 4), (255, 255, 255))).pixels.mean()
        np.float32(1.0)
    """
    _require_size(image, source)
    return _grey(_values(image, source), source)


def grey_scan(
    values: np.ndarray, source: str, spacing: tuple[float, float] | None = None, frame: int | None = None
) -> Scan:
    """A scan of decoded values, made grey as `read_scan` says.

    Args:
        values: (height, width) or (height, width, channels).
        source: what errors call it.
        spacing: see `Scan`; so is frame.

    Raises:
        SalusError: values are not numbers.
    """
    if values.dtype.kind not in "buif" or not np.isfinite(values).all():
        raise SalusError(f"{source}: holds values that are not numbers; convert it to an 8-bit or 16-bit image")
    return replace(_grey(values, source), spacing=spacing, frame=frame)


def _grey(values: np.ndarray, source: str) -> Scan:
    """Decoded values to grey ones in [0, 1], as `read_scan` says."""
    if values.ndim == 3:
        weights = LUMA if values.shape[2] >= 3 else (1.0,)
        grey = values[..., : len(weights)].astype(np.float32) @ np.asarray(weights, np.float32)
    else:
        grey = values.astype(np.float32)
    if values.dtype == np.uint8:
        grey /= 255
    elif values.dtype != bool:
        low, high = min(float(grey.min()), 0.0), float(grey.max())
        grey = (grey - low) / (high - low) if high > low else np.zeros_like(grey)
    return Scan(np.clip(grey, 0, 1).astype(np.float32), source)


def read_labels(path: Path | str) -> np.ndarray:
    """Read a mask file's values as they stand: (height, width) or (height, width, channels), alpha dropped.

    Raises:
        SalusError: as `read_scan`.
    """
    values = _decode(Path(path))
    if values.ndim == 3 and values.shape[2] in (2, 4):
        values = values[..., :-1]
    return values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values


def read_mask(path: Path | str) -> np.ndarray:
    """Read a binary mask: (height, width) bool, every value that is not 0 is lesion (0/1 and 0/255 files alike).

    A mask saved as JPEG carries compression noise round 0; there, lesion is what exceeds half of the maximum.

    Raises:
        SalusError: as `read_scan`.
    """
    values = read_labels(path)
    if values.ndim == 3:
        values = values.max(axis=2)
    if Path(path).suffix.lower() in (".jpg", ".jpeg"):
        return values > max(int(values.max()), 1) / 2
    return values > 0


def image_size(path: Path | str) -> tuple[int, int]:
    """(height, width) of an image from its header, without decoding it.

    Raises:
        SalusError: as `read_scan`.
    """
    with _open(Path(path)) as image:
        return image.height, image.width


def may_hold_colour(path: Path | str) -> bool:
    """Whether an image's header allows for colour.

    Raises:
        SalusError: as `read_scan`.
    """
    with _open(Path(path)) as image:
        return image.mode not in ("1", "L", "LA", "I", "F") and not image.mode.startswith("I;16")


def _open(path: Path) -> Image.Image:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be waited for
            raise SalusError(f"{path}: is no file but a pipe or a device")
        image = Image.open(path, formats=FORMATS)
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file") from None
    except PermissionError:
        raise SalusError(f"{path}: no permission to read it") from None
    except IsADirectoryError:
        raise SalusError(f"{path}: is a folder, an image file was expected") from None
    except UnidentifiedImageError:
        raise SalusError(f"{path}: not an image that Salus reads ({', '.join(IMAGE_SUFFIXES)})") from None
    except Image.DecompressionBombError:
        raise SalusError(f"{path}: more than {MAX_PIXELS:,} pixels; crop or shrink it") from None
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError) as error:
        raise SalusError(f"{path}: cannot be read as an image ({_one_line(error)})") from None
    try:
        _require_size(image, str(path))
    except SalusError:
        image.close()
        raise
    return image


def _require_size(image: Image.Image, source: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise SalusError(
            f"{source}: {image.width} x {image.height} pixels is more than {MAX_PIXELS:,}; crop or shrink it"
        )


def _decode(path: Path) -> np.ndarray:
    with _open(path) as image:
        return _values(image, str(path))


def _values(image: Image.Image, source: str) -> np.ndarray:
    try:
        if image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "PA", "RGBX"):
            return np.asarray(image.convert("RGB"))
        values = np.asarray(image)
    except Exception as error:  # Pillow's decoders raise many kinds for damaged data
        raise SalusError(f"{source}: damaged image data ({_one_line(error)})") from None
    if values.size == 0 or values.ndim not in (2, 3):
        raise SalusError(f"{source}: holds no two-dimensional image")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SalusError(f"{source}: holds values that are not numbers; convert it to an 8-bit or 16-bit image")
    return values


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
