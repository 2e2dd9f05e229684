"""Read the pages of a TIFF file, and the frames of an animated GIF, WebP or PNG, one at a time."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from math import isfinite
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from salus.errors import SalusError
from salus.read.image import decode_values, open_image
from salus.read.limits import MAX_FRAMES, check_frame_number, check_size
from salus.read.tiff_values import is_frame, shift_signed_bytes
from salus.scan import Scan, to_grey

MAX_ANIMATION = 500_000_000
"""Largest pixels x frames of an animation: a frame is drawn on the one before, so a late one needs all before it."""

KEPT = 8
"""Decoded frames of an animation that are kept, for threads that ask for them out of order."""


class PictureFrames:
    """Pages or frames of an opened picture, as `salus.read.frames.Frames`. Safe to use from several threads.

    Attributes:
        source: the file.
        count: number of pages or frames.
        seconds: time from one frame to the next; None where the file does not say.
    """

    def __init__(self, source: str, image: Image.Image, pages: list[int], seconds: float | None) -> None:
        self.source, self.count, self.seconds = source, len(pages), seconds
        self._image, self._pages, self._lock = image, pages, Lock()
        self._recent: OrderedDict[int, np.ndarray] = OrderedDict()

    def __del__(self) -> None:
        self._image.close()

    def scan(self, number: int = 1) -> Scan:
        """Read one page or frame; see `Frames`."""
        check_frame_number(self.source, number, self.count)
        with self._lock:
            if number not in self._recent:
                self._recent[number] = self._decode(number)
                if len(self._recent) > (KEPT if self._image.format != "TIFF" else 1):
                    self._recent.popitem(last=False)
            grey = self._recent[number]
        return Scan(grey.copy(), self.source, frame=number)

    def _decode(self, number: int) -> np.ndarray:
        position = self._pages[number - 1]
        if self._image.format != "TIFF" and position < self._image.tell():  # Pillow cannot go back in every animation
            self._image.close()
            self._image = open_image(Path(self.source))
        try:
            self._image.seek(position)
        except Exception as error:  # Pillow raises many kinds for damaged data
            name = type(error).__name__
            raise SalusError(f"{self.source}: the pixel data of frame {number} are damaged ({name})") from None
        check_size(self.source, self._image.height, self._image.width, 1)
        return to_grey(shift_signed_bytes(decode_values(self._image, self.source)))


def open_pages(path: Path | str) -> PictureFrames | None:
    """Open a picture that has several pages or frames; return None for one that has a single one.

    Smaller copies of a TIFF page (thumbnails) and transparency masks are no pages.

    Raises:
        SalusError: the file is missing, damaged, no picture, or beyond a limit.
    """
    image = open_image(Path(path))
    pages = None
    try:
        pages = _list_pages(image, str(path))
        if len(pages) > 1:
            return PictureFrames(str(path), image, pages, _frame_time(image))
        return None
    finally:
        if pages is None or len(pages) < 2:
            image.close()


def _frame_time(image: Image.Image) -> float | None:
    """Return the seconds that the first frame of an animation is shown; None where that is not stated."""
    if image.format == "WEBP":  # Pillow knows it only of a decoded frame
        with suppress(Exception):  # damaged, which is said when the frame is read
            image.load()
    milliseconds: Any = image.info.get("duration")
    is_stated = isinstance(milliseconds, int | float) and isfinite(milliseconds) and milliseconds > 0
    return milliseconds / 1000 if is_stated else None


def _list_pages(image: Image.Image, source: str) -> list[int]:
    """List the positions of the pages or frames in a file."""
    if image.format == "TIFF":
        pages, position = [], 0
        try:
            while position <= MAX_FRAMES:
                try:
                    image.seek(position)
                except SyntaxError:  # a kind of page that Pillow does not read: such may be a transparency mask
                    if is_frame(image.tag_v2):  # type: ignore[attr-defined]  # of TIFF alone
                        raise
                if is_frame(image.tag_v2):  # type: ignore[attr-defined]  # of TIFF alone
                    pages.append(position)
                position += 1
            raise SalusError(f"{source}: more than {MAX_FRAMES:,} pages; split it")
        except EOFError:
            pass
        except (OSError, ValueError, SyntaxError, KeyError, TypeError, OverflowError) as error:
            raise SalusError(f"{source}: page {position + 1} is damaged ({type(error).__name__})") from None
        image.seek(pages[0] if pages else 0)
        return pages or [0]
    try:
        count = int(getattr(image, "n_frames", 1)) if getattr(image, "is_animated", False) else 1
        if count > 1 and count * image.width * image.height > MAX_ANIMATION:
            raise SalusError(
                f"{source}: {count:,} frames of {image.width} x {image.height} pixels are more than Salus reads of an "
                "animation; split it, or save it as DICOM or TIFF"
            )
        image.seek(0)
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, OverflowError) as error:
        raise SalusError(f"{source}: its frames are damaged ({type(error).__name__})") from None
    return list(range(count))
