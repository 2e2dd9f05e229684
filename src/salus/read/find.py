"""Find the images that a file, a folder or a glob stands for, and leave out the masks beside them."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TypeVar

from salus.errors import SalusError
from salus.read.frames import CLINICAL_SUFFIXES, kind_of
from salus.read.image import IMAGE_SUFFIXES

AnyPath = TypeVar("AnyPath", bound=PurePath)

MASK_NAME = re.compile(r"(?P<image>.+)_(tumou?r|mask|lesion|gt|seg|segmentation)(_?\d+)?", re.IGNORECASE)
"""The stem of a mask that lies beside its image, e.g. case001_mask.png beside case001.png."""

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no name may hold: control characters, line breaks, and bytes that are not UTF-8."""


def images_of(given: Path) -> list[Path]:
    """The images that a file, a folder or a glob stands for; masks that lie beside theirs are among a glob's."""
    if given.is_dir():
        found = [path for path in given.iterdir() if _is_clinical(path)]
        return sorted([*found, *images_in(given, required=not found)])
    if given.exists() or not glob.has_magic(str(given)):
        return [given]
    matches = [Path(match) for match in sorted(glob.glob(str(given), recursive=True))]
    images = [
        path for path in matches if (path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()) or _is_clinical(path)
    ]
    return images or [given]


def _is_clinical(path: Path) -> bool:
    """DICOM, NIfTI or NRRD by its name; without a suffix, as scanners write DICOM, by its first bytes."""
    name = path.name.lower()
    if name.startswith(".") or not path.is_file():
        return False
    return name.endswith(CLINICAL_SUFFIXES) or (not path.suffix and kind_of(path) == "dicom")


def images_in(folder: Path, required: bool = True) -> list[Path]:
    """The images directly in a folder, sorted, less hidden files and the masks that lie beside their images.

    Raises:
        SalusError: there is none, and one is required.
    """
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and not path.is_dir()
        if not UNPRINTABLE.search(path.name)
    ]
    found = without_masks(found)
    if not found and required:
        inside = next((p for p in ("images", "Images") if (folder / p).is_dir()), None)
        hint = f"; its images lie in {folder / inside}" if inside else "; name the folder they lie in directly"
        raise SalusError(f"{folder}: no image ({', '.join(IMAGE_SUFFIXES)}) in it{hint}")
    return found


def without_masks(paths: Sequence[AnyPath]) -> list[AnyPath]:
    """Files less those that are the mask of another one, told by their names: NAME.png, NAME_mask.png."""
    named = {(path.parent, path.stem) for path in paths}
    return [
        path
        for path in paths
        if not ((match := MASK_NAME.fullmatch(path.stem)) and (path.parent, match["image"]) in named)
    ]
