"""What is to be done for many files: which images there are, and what their outputs are called."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.errors import SalusError
from salus.saliency.files import images_in, without_masks
from salus.scan import IMAGE_SUFFIXES

PLACES = {
    "mask": ("masks", ".png"),
    "overlay": ("overlays", ".jpg"),
    "probability": ("probability", ".png"),
    "saliency": ("saliency", ".png"),
}
"""Folder and suffix of each kind of picture."""


@dataclass(frozen=True)
class Job:
    """An image, and the name of its outputs, which may hold folders."""

    image: Path
    name: str


def plan(inputs: Sequence[Path], folder: Path) -> list[Job]:
    """What is to be done for files, folders and globs, in the order given, each image once.

    A folder stands for the images directly in it, a glob for the images it matches (** for any folders). Masks that lie
    beside their images (NAME.png, NAME_mask.png) are left out. Outputs are named as the images; where two images have
    the same name, all outputs are put into folders as the images are, and NAME.png and NAME.jpg keep their suffixes.
    A file that is missing or no image is found out when its turn comes.

    Args:
        inputs: what was named.
        folder: where outputs go.

    Raises:
        SalusError: a folder without images, or an output that would replace an input.
    """
    found: dict[str, Path] = {}
    for path in without_masks([image for given in inputs for image in _expand(given)]):
        found.setdefault(os.path.realpath(path), path)
    jobs = [Job(path, name) for path, name in zip(found.values(), _names(found), strict=True)]
    for job in jobs:
        for kind in PLACES:
            output = place(folder, kind, job.name)
            if os.path.realpath(output) in found:
                raise SalusError(f"{output} is an image to be read, and would be replaced; name another folder with -o")
    return jobs


def place(folder: Path, kind: str, name: str) -> Path:
    """Where a picture of a kind in `PLACES` lies.

    Example:
        >>> str(place(Path("out"), "mask", "ward/scan"))
        'out/masks/ward/scan.png'
    """
    inside, suffix = PLACES[kind]
    return folder / inside / f"{name}{suffix}"


def _expand(given: Path) -> list[Path]:
    if given.is_dir():
        return images_in(given)
    if given.exists() or not glob.has_magic(str(given)):
        return [given]
    matches = [Path(match) for match in sorted(glob.glob(str(given), recursive=True))]
    images = [path for path in matches if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()]
    return images or [given]


def _names(found: dict[str, Path]) -> list[str]:
    """Names of outputs of images by their real paths, no two alike, also where case does not count."""
    names = [path.stem for path in found.values()]
    if len(set(map(str.casefold, names))) < len(names):
        root = os.path.commonpath([os.path.dirname(real) for real in found])
        inside = [Path(os.path.relpath(real, root)) for real in found]
        names = [path.with_suffix("").as_posix() for path in inside]
        often = Counter(map(str.casefold, names))
        names = [
            name if often[name.casefold()] == 1 else path.as_posix() for name, path in zip(names, inside, strict=True)
        ]
    first: dict[str, Path] = {}
    for name, path in zip(names, found.values(), strict=True):
        other = first.setdefault(name.casefold(), path)
        if other != path:
            raise SalusError(f"{other} and {path}: outputs of the one would replace the other's; do one apart")
    return names
