"""Read PNG, JPEG, TIFF, BMP, GIF, WebP and JPEG 2000 by Pillow: as scans, masks or plain values, upright by Exif."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from salus.errors import SalusError
from salus.read.decode_process import DecodingError, decode_apart
from salus.read.formats import FORMAT_NAMES, TIFF_STARTS, read_head
from salus.read.limits import MAX_JPEG_PIXELS, MAX_PIXELS
from salus.read.mask_values import AUTO, MaskReading, interpret_mask
from salus.read.tiff_values import apply_tiff_tags, eight_bit_palette, shift_signed_bytes
from salus.scan import Scan, to_grey

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000")
"""Formats that are decoded, whatever a file's suffix; Pillow reads others too, some by starting another program."""

SCAN = b"\xff\xda"
"""Marker before each scan of a JPEG stream."""


# Exif orientations: rows and columns exchanged; then the order of rows, and of columns, reversed.
TRANSPOSED, MIRRORED_ROWS, MIRRORED_COLUMNS = (5, 6, 7, 8), (3, 4, 7, 8), (2, 3, 6, 7)


def read_image(path: Path | str) -> Scan:
    """Read an image file as a scan; see `salus.scan.to_grey` for how values become grey.

    Args:
        path: a PNG, JPEG, TIFF, BMP, GIF, WebP or JPEG 2000 file. Of several pages the first is read.

    Raises:
        SalusError: the file is missing, unreadable, truncated, not an image, or larger than `MAX_PIXELS`.
    """
    return Scan(to_grey(shift_signed_bytes(_read_file(Path(path)))), str(path))


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
    return Scan(to_grey(shift_signed_bytes(decode_values(image, source))), source)


def read_values(path: Path | str) -> np.ndarray:
    """Read an image file's values unchanged: (height, width) or (height, width, channels), without alpha.

    Raises:
        SalusError: see `read_image`.
    """
    values = _read_file(Path(path))
    if values.ndim == 3 and values.shape[2] in (2, 4):
        values = values[..., :-1]
    return values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values


def read_mask(path: Path | str, mask_values: str = AUTO) -> np.ndarray:
    """Read the lesion of a mask file: (height, width) bool; see `salus.read.mask_values` for the rule.

    Args:
        path: an image file.
        mask_values: "auto" decides by the file's values; else see `salus.read.mask_values.check_mask_values`.

    Raises:
        SalusError: see `read_image`; or it cannot be decided what is lesion.
    """
    return read_mask_file(path, mask_values).mask


def read_mask_file(path: Path | str, mask_values: str = AUTO) -> MaskReading:
    """Read a mask file and what was decided of its values; arguments and errors as of `read_mask`."""
    with open_image(Path(path)) as image:
        values = decode_values(image, str(path))
        opacity = None
        if image.has_transparency_data and image.mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
            opacity = _turn_upright(np.asarray(image.convert("RGBA"))[..., 3], image)
    if values.ndim == 3 and values.shape[2] in (2, 4):
        values = values[..., :-1]
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    return interpret_mask(values, str(path), mask_values, opacity)


def image_size(path: Path | str) -> tuple[int, int]:
    """Read the upright (height, width) of an image from its header, without decoding it.

    Raises:
        SalusError: see `read_image`.
    """
    with open_image(Path(path)) as image:
        # Pillow turns TIFF itself, and would decode a PNG to look for Exif behind its pixels.
        has_exif = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        is_on_its_side = has_exif and _orientation(image) in TRANSPOSED
        return (image.width, image.height) if is_on_its_side else (image.height, image.width)


def may_hold_colour(path: Path | str) -> bool:
    """Tell from an image's header whether it may hold colour.

    Raises:
        SalusError: see `read_image`.
    """
    with open_image(Path(path)) as image:
        return image.mode not in ("1", "L", "LA", "I", "F") and not image.mode.startswith("I;16")


def open_image(path: Path) -> Image.Image:
    """Open an image file of one of `FORMATS` and check its size, without decoding it.

    Raises:
        SalusError: see `read_image`.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # opening a pipe would wait
            raise SalusError(f"{path}: is no file but a pipe or a device")
        image = Image.open(path, formats=FORMATS)
        if image.format == "TIFF":
            image.filename = ""  # Pillow maps files with a name into memory, and then scrambles those on their side
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file") from None
    except PermissionError:
        raise SalusError(f"{path}: no permission to read it") from None
    except IsADirectoryError:
        raise SalusError(f"{path}: is a folder, an image file was expected") from None
    except UnidentifiedImageError:
        if read_head(path).startswith(TIFF_STARTS):
            raise SalusError(f"{path}: its kind of TIFF is not read; save it as grey of 8 or 16 bits") from None
        if path.stat().st_size == 0:
            raise SalusError(f"{path}: is empty; copy it again") from None
        raise SalusError(f"{path}: not an image that Salus reads ({FORMAT_NAMES})") from None
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
    with open_image(path) as image:
        is_slow = image.format == "JPEG2000"  # damaged, it can take minutes
        _check_scans(image, path)
        if not is_slow:
            return decode_values(image, str(path))
    try:
        return decode_apart(path)
    except DecodingError as error:
        raise SalusError(f"{path}: damaged image data ({error})") from None


def decode_file(path: Path) -> np.ndarray:
    """Decode an image file to an array of its values, in this process.

    Raises:
        SalusError: see `read_image`.
    """
    with open_image(path) as image:
        return decode_values(image, str(path))


def _check_scans(image: Image.Image, path: Path) -> None:
    """Check that a progressive JPEG, which is decoded whole for each of its scans, has a usual number of them."""
    if image.info.get("progressive") and image.width * image.height * path.read_bytes().count(SCAN) > MAX_JPEG_PIXELS:
        raise SalusError(f"{path}: is a JPEG of too many scans for its size; save it otherwise")


def decode_values(image: Image.Image, source: str) -> np.ndarray:
    """Decode an image to an array of its values; palettes and colour spaces other than RGB become RGB."""
    try:
        image.load()  # which may change the mode of a GIF's later frame
        tags = image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]  # of TIFF alone
        if image.mode == "P" and (palette := eight_bit_palette(tags)):
            image.putpalette(palette)
        is_converted = image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "PA", "RGBX")
        values = _turn_upright(np.asarray(image.convert("RGB") if is_converted else image), image)
        if image.format == "TIFF":
            values = apply_tiff_tags(values, tags)
    except SalusError as error:
        raise SalusError(f"{source}: {error}") from None
    except Exception as error:  # Pillow's decoders raise many kinds for damaged data
        raise SalusError(f"{source}: damaged image data ({_one_line(error)})") from None
    if values.size == 0 or values.ndim not in (2, 3):
        raise SalusError(f"{source}: holds no two-dimensional image")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SalusError(f"{source}: holds values that are not numbers; convert it to an 8-bit or 16-bit image")
    return values


def _orientation(image: Image.Image) -> int:
    """Read the orientation that Exif states, 1 to 8; 1, upright, where there is none or it is damaged."""
    try:
        orientation = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow raises many kinds for damaged Exif data
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _turn_upright(values: np.ndarray, image: Image.Image) -> np.ndarray:
    """Turn and mirror decoded values as the opened image's Exif orientation says, as every viewer does."""
    orientation = _orientation(image)
    if orientation in TRANSPOSED:
        values = values.swapaxes(0, 1)
    rows, columns = (-1 if orientation in mirrored else 1 for mirrored in (MIRRORED_ROWS, MIRRORED_COLUMNS))
    return values[::rows, ::columns]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
