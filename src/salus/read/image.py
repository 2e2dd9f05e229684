"""Read PNG, JPEG, TIFF and BMP files by Pillow: as scans, masks or plain values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from salus.errors import SalusError
from salus.read.limits import MAX_PIXELS
from salus.scan import Scan, to_grey

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
"""Formats that are decoded, whatever a file's suffix; Pillow reads others too, some by starting another program."""


def read_image(path: Path | str) -> Scan:
    """Read an image file as a scan; see `salus.scan.to_grey` for how values become grey.

    Args:
        path: a PNG, JPEG, TIFF or BMP file. Of several pages the first is read.

    Raises:
        SalusError: the file is missing, unreadable, truncated, not an image, or larger than `MAX_PIXELS`.
    """
    return Scan(to_grey(_read_file(Path(path))), str(path))


def scan_from_image(image: Image.Image, source: str = "the image") -> Scan:
    """Make a scan of an opened Pillow image, with the same grey values as `read_scan` of its file.

    Args:
        image: of several pages, the current one is taken.
        source: the image's name in errors.

    Raises:
        SalusError: it is damaged, or larger than `MAX_PIXELS`.

    Example:
        >>> from PIL import Image
        >>> scan_from_image(Image.new("RGB", (6, 4), (255, 255, 255))).pixels.mean()
        np.float32(1.0)
    """
    _check_size(image, source)
    return Scan(to_grey(_decode_values(image, source)), source)


def read_values(path: Path | str) -> np.ndarray:
    """Read an image file's values unchanged: (height, width) or (height, width, channels), without alpha.

    Raises:
        SalusError: see `read_image`.
    """
    values = _read_file(Path(path))
    if values.ndim == 3 and values.shape[2] in (2, 4):
        values = values[..., :-1]
    return values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values


def read_mask(path: Path | str) -> np.ndarray:
    """Read a binary mask: (height, width) bool. Every value above 0 is lesion, in 0/1 and 0/255 files alike.

    A mask saved as JPEG has compression noise around 0; there, values above half of the maximum are lesion.

    Raises:
        SalusError: see `read_image`.
    """
    values = read_values(path)
    if values.ndim == 3:
        values = values.max(axis=2)
    if Path(path).suffix.lower() in (".jpg", ".jpeg"):
        return values > max(int(values.max()), 1) / 2
    return values > 0


def image_size(path: Path | str) -> tuple[int, int]:
    """Read the (height, width) of an image from its header, without decoding it.

    Raises:
        SalusError: see `read_image`.
    """
    with _open(Path(path)) as image:
        return image.height, image.width


def may_hold_colour(path: Path | str) -> bool:
    """Tell from an image's header whether it may hold colour.

    Raises:
        SalusError: see `read_image`.
    """
    with _open(Path(path)) as image:
        return image.mode not in ("1", "L", "LA", "I", "F") and not image.mode.startswith("I;16")


def _open(path: Path) -> Image.Image:
    """Open an image file of one of `FORMATS` and check its size."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # opening a pipe would wait
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
        _check_size(image, str(path))
    except SalusError:
        image.close()
        raise
    return image


def _check_size(image: Image.Image, source: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise SalusError(
            f"{source}: {image.width} x {image.height} pixels is more than {MAX_PIXELS:,}; crop or shrink it"
        )


def _read_file(path: Path) -> np.ndarray:
    with _open(path) as image:
        return _decode_values(image, str(path))


def _decode_values(image: Image.Image, source: str) -> np.ndarray:
    """Decode an image to an array of its values; palettes and colour spaces other than RGB become RGB."""
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
