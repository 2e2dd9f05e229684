"""Find the images that a file, a folder or a glob pattern names, and leave out the masks beside them."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TypeVar

from salus.errors import SalusError
from salus.read.frames import CLINICAL_SUFFIXES, detect_format
from salus.read.image import IMAGE_SUFFIXES

AnyPath = TypeVar("AnyPath", bound=PurePath)

MASK_NAME = re.compile(r"(?P<image>.+)_(tumou?r|mask|lesion|gt|seg|segmentation)(_?\d+)?", re.IGNORECASE)
"""Stem of a mask that lies beside its image, such as case001_mask.png beside case001.png."""

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no file name may have: control characters, line breaks, and bytes that are not UTF-8."""


def find_images(path: Path) -> list[Path]:
    """List the images that a file, a folder or a glob pattern names.

    Args:
        path: of a folder, the images directly in it are listed, less the masks beside them. A pattern lists all its
            matches, masks among them. A file, or a pattern without a match, is returned as it is.
    """
    if path.is_dir():
        clinical = [file for file in path.iterdir() if _is_clinical(file)]
        return sorted([*clinical, *list_images(path, required=not clinical)])
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    images = [
        file for file in matches if (file.suffix.lower() in IMAGE_SUFFIXES and not file.is_dir()) or _is_clinical(file)
    ]
    return images or [path]


def _is_clinical(path: Path) -> bool:
    """Tell whether a file is DICOM, NIfTI or NRRD by its name; without a suffix, whether it starts as DICOM does."""
    name = path.name.lower()
    if name.startswith(".") or not path.is_file():
        return False
    return name.endswith(CLINICAL_SUFFIXES) or (not path.suffix and detect_format(path) == "dicom")


def list_images(folder: Path, required: bool = True) -> list[Path]:
    """List the images directly in a folder, sorted, less hidden files and masks that lie beside their images.

    Raises:
        SalusError: there is none, and one is required.
    """
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and not path.is_dir()
        if not UNPRINTABLE.search(path.name)
    ]
    images = exclude_masks(files)
    if not images and required:
        subfolder = next((name for name in ("images", "Images") if (folder / name).is_dir()), None)
        hint = f"; its images lie in {folder / subfolder}" if subfolder else "; name the folder they lie in directly"
        raise SalusError(f"{folder}: no image ({', '.join(IMAGE_SUFFIXES)}) in it{hint}")
    return images


def exclude_masks(paths: Sequence[AnyPath]) -> list[AnyPath]:
    """Leave out files that are the mask of another one by their names: NAME_mask.png beside NAME.png."""
    stems = {(path.parent, path.stem) for path in paths}
    return [
        path
        for path in paths
        if not ((match := MASK_NAME.fullmatch(path.stem)) and (path.parent, match["image"]) in stems)
    ]
