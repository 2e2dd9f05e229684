"""One case on its way from a layout to another: its image and mask in memory, and what is known of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from salus.data.case import Case
from salus.measure.lesions import EIGHT_CONNECTED
from salus.preprocess import to_uint8
from salus.read.formats import IMAGE_SUFFIXES
from salus.scan import Scan


@dataclass(frozen=True, eq=False)
class Sample:
    """A case that is written in another layout.

    Attributes:
        name: its new name, which is a file name in every system.
        case: where it is from.
        scan: its image.
        mask: (height, width) bool; None for an unlabelled one.
        fold: of its data set's own folds, or None.
    """

    name: str
    case: Case
    scan: Scan
    mask: np.ndarray | None
    fold: int | None = None

    def save_image(self, folder: Path, stem: str | None = None, *, grey: bool = False) -> Path:
        """Write the image into a folder: the file itself where it is a picture, else 8-bit grey PNG.

        Args:
            folder: which exists.
            stem: of the new file; None takes the name.
            grey: always write 8-bit grey PNG.

        Raises:
            OSError: it cannot be written.
        """
        suffix = self.case.image.suffix.lower()
        stem = self.name if stem is None else stem
        if not grey and suffix in IMAGE_SUFFIXES and _is_plain(self.case.image):
            path = folder / f"{stem}{suffix}"
            shutil.copyfile(self.case.image, path)
        else:
            path = folder / f"{stem}.png"
            Image.fromarray(to_uint8(self.scan.pixels)).save(path)
        return path

    def lesions(self) -> Iterator[np.ndarray]:
        """Yield the mask of each connected lesion: (height, width) bool."""
        components, count = ndimage.label(self.mask, EIGHT_CONNECTED)
        for number in range(1, count + 1):
            yield components == number

    def save_mask(self, path: Path, value: int = 255) -> None:
        """Write the mask as PNG, `value` in the lesion.

        Raises:
            OSError: it cannot be written.
        """
        assert self.mask is not None
        Image.fromarray(self.mask.astype(np.uint8) * value).save(path)


Write = Callable[[Path, Iterable[Sample]], None]
"""Writes samples into an empty folder."""


def _is_plain(path: Path) -> bool:
    """Tell whether a picture lies upright in its file, so that every program sees the same rows and columns."""
    with Image.open(path) as image:
        return image.getexif().get(274, 1) == 1 and getattr(image, "n_frames", 1) == 1
