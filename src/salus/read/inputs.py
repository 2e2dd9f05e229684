"""Convert what users hold for an image (a scan, an array, a picture, a stream or a file) to a scan, and check it.

The rule for arrays, and for everything that NumPy can make one of (PyTorch and JAX tensors, lists, whatever has
`__array__`):

- Shape: (height, width), or (height, width, channels) with 1 grey, 2 grey and transparency, 3 red, green and blue, or 4
  channels with transparency. Colour becomes luma, transparency is dropped. (1, height, width) is one grey image too.
  Anything else is refused: several images go to `Segmenter.batch` or `Segmenter.each`.
- Integers: from 0 to 255, 255 is white. Where a value lies outside, the image is wider (12 or 16 bits) and says nothing
  about its range, so it is stretched from 0 (or a negative minimum) to its own maximum, as files are.
- Floating point: from 0 to 1, 1 is white; where a value exceeds that, from 0 to 255, 255 is white. Up to a tenth of
  overshoot on either side, as interpolation leaves it, is cut off; values beyond that are refused.
- Booleans: True is white. NaN and infinity are refused, with their place.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Protocol

import numpy as np
from PIL import Image

from salus.errors import SalusError
from salus.read.formats import FORMAT_NAMES, HEAD, suffix_of_head
from salus.read.frames import read_scan
from salus.read.image import scan_from_image
from salus.read.limits import MAX_BYTES, MAX_PIXELS
from salus.scan import LUMA, MIN_SIDE, Scan, to_grey

OVERSHOOT = 0.1
"""Share of the range that floating-point values may lie below or above it; they are cut off to it."""

UNNAMED = "the image"
"""The source of an image that has no file."""

SEVERAL = "segment takes one image; give several to Segmenter().batch(images), or Segmenter().each(images) for many"


class SupportsArray(Protocol):
    """Anything that NumPy makes an array of, such as a PyTorch tensor."""

    def __array__(self) -> Any: ...


ImageInput = Scan | np.ndarray | SupportsArray | Image.Image | PathLike[str] | str | bytes | BinaryIO
"""A scan; an array by the rule above; a Pillow image; an image file; or a file's bytes, or a stream of them."""


def as_scan(image: ImageInput) -> Scan:
    """Return the scan of an image and check its size and values.

    Args:
        image: a scan; an array, or what has `__array__`, by the rule in the module's docstring; a Pillow image; an
            image file; or the bytes of one, or a binary stream of them, of any format that Salus reads.

    Raises:
        SalusError: the file cannot be read; the array is no single image, smaller than `MIN_SIDE` on a side or larger
            than `MAX_PIXELS`; or its values are of another type or range.

    Example:
        >>> import numpy as np
        >>> grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
        >>> same = [grey, grey.astype(float), grey / 255, grey[..., None], np.dstack([grey] * 3), grey.astype(int)]
        >>> {round(float(as_scan(image).pixels[9, 9]), 4) for image in same}
        {0.6}
    """
    if isinstance(image, str | PathLike):
        image = read_scan(Path(image))
    elif isinstance(image, Image.Image):
        image = scan_from_image(image)
    elif isinstance(image, bytes | bytearray | memoryview) or hasattr(image, "read"):
        image = _read_stream(image)
    if isinstance(image, Scan):
        pixels = image.pixels
        if pixels.ndim != 2:
            raise SalusError(f"{image.source}: has the shape {pixels.shape}; a scan is grey, (height, width)")
        _check_size(pixels, image.source)
        if pixels.dtype == np.uint8:
            return replace(image, pixels=pixels / np.float32(255))
        if pixels.dtype.kind != "f" or not (pixels.min() >= 0 and pixels.max() <= 1):  # false for NaN too
            raise SalusError(f"{image.source}: a scan's grey values must be uint8, or floating point in 0..1")
        return image
    return Scan(_to_grey(_one_image(_to_array(image))), UNNAMED)


def _read_stream(stream: Any) -> Scan:
    """Read the bytes of a file, or a binary stream of them, from its start where it can be wound back."""
    if hasattr(stream, "read"):
        if getattr(stream, "seekable", bool)():
            stream.seek(0)
        stream = stream.read(MAX_BYTES + 1)
        if not isinstance(stream, bytes):
            raise SalusError(f"{UNNAMED}: the stream gives {type(stream).__name__}; open it in binary mode, 'rb'")
        if len(stream) > MAX_BYTES:
            raise SalusError(f"{UNNAMED}: the stream holds more than {MAX_BYTES / 2**30:.0f} GiB")
    content = bytes(stream)
    suffix = suffix_of_head(content[:HEAD])
    if suffix is None:
        raise SalusError(f"{UNNAMED}: these {len(content):,} bytes are no {FORMAT_NAMES} file")
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"stream{suffix}"
        path.write_bytes(content)
        try:
            return replace(read_scan(path), source=UNNAMED)
        except SalusError as error:
            raise SalusError(str(error).replace(str(path), UNNAMED)) from None


def _to_array(image: Any) -> np.ndarray:
    """Make an array of an image; tensors are taken off their device and out of their graph."""
    kind = type(image).__name__
    try:
        if hasattr(image, "detach"):  # PyTorch
            image = image.detach().cpu()
            if "bfloat16" in str(image.dtype):
                image = image.float()
        values = np.asarray(image)
    except SalusError:
        raise
    except Exception as error:  # an array's maker may raise anything
        reason = " ".join(str(error).split())[:120]
        raise SalusError(f"{UNNAMED}: NumPy cannot make an array of this {kind} ({reason})") from None
    if values.dtype.name == "bfloat16":  # of JAX, which NumPy counts as no number
        values = values.astype(np.float32)
    if values.dtype.kind not in "buif":
        if isinstance(image, list | tuple):
            raise SalusError(f"{UNNAMED}: this {kind} holds no grey values; {SEVERAL}")
        raise SalusError(f"{UNNAMED}: {kind} is no image; give a file, a Pillow image or an array of grey values")
    return values


def _one_image(values: np.ndarray) -> np.ndarray:
    """Return (height, width) or (height, width, channels) of an array that holds one image."""
    shape = values.shape
    if values.ndim == 3 and shape[0] == 1 and shape[2] > 4:
        values = values[0]
    elif values.ndim == 3 and shape[2] not in (1, 2, 3, 4):
        channels_first = "channels come last, np.moveaxis(image, 0, -1), or " if shape[0] in (2, 3, 4) else ""
        raise SalusError(f"{UNNAMED}: has the shape {shape}: {channels_first}these are {shape[0]} images; {SEVERAL}")
    elif values.ndim > 3:
        raise SalusError(f"{UNNAMED}: has the shape {shape}, with a batch axis: {SEVERAL}")
    elif values.ndim < 2:
        raise SalusError(f"{UNNAMED}: has the shape {shape}; give one image, (height, width) or (height, width, 3)")
    _check_size(values, UNNAMED)
    return (
        values[..., 0] if values.ndim == 3 and values.shape[2] < 3 else values[..., :3] if values.ndim == 3 else values
    )


def _check_size(values: np.ndarray, source: str) -> None:
    height, width = values.shape[:2]
    if min(height, width) < MIN_SIDE or height * width > MAX_PIXELS:
        raise SalusError(
            f"{source}: {width} x {height} pixels; it must have {MIN_SIDE} or more on either side "
            f"and {MAX_PIXELS:,} in all at most"
        )


def _to_grey(values: np.ndarray) -> np.ndarray:
    """Convert an array's values to grey, (height, width) float32 in [0, 1], by the rule in the module's docstring."""
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            row, column = (int(index) for index in np.argwhere(~finite)[0][:2])
            name = "NaN" if np.isnan(values[row, column]).any() else "infinite"
            raise SalusError(
                f"{UNNAMED}: {np.count_nonzero(~finite)} values are not finite, the first {name} in row {row}, "
                f"column {column}; set them to a grey value, np.nan_to_num(image)"
            )
        low, high = float(values.min()), float(values.max())
        white = 1 if high <= 1 + OVERSHOOT else 255
        if low < -OVERSHOOT * white or high > white * (1 + OVERSHOOT):
            raise SalusError(
                f"{UNNAMED}: values from {low:.6g} to {high:.6g}; floating point must lie in 0..1 or 0..255, "
                "for example (image - image.min()) / np.ptp(image)"
            )
        values = np.clip(values / np.float32(white), 0, 1)
        grey = values @ np.asarray(LUMA, values.dtype) if values.ndim == 3 else values
        return np.asarray(np.clip(grey, 0, 1), np.float32)
    if values.dtype.kind in "ui" and values.min() >= 0 and values.max() <= 255:
        values = values.astype(np.uint8)
    return to_grey(values)
