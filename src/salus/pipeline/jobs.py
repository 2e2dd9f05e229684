"""What is to be done for many files: which images there are, and what their outputs are called."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from salus.errors import SalusError
from salus.read.find import images_of, without_masks
from salus.read.frames import kind_of, open_frames

PLACES = {
    "mask": ("masks", ".png"),
    "overlay": ("overlays", ".jpg"),
    "probability": ("probability", ".png"),
    "saliency": ("saliency", ".png"),
}
"""Folder and suffix of each kind of picture."""


@dataclass(frozen=True)
class Job:
    """One image, or one frame of a file that holds several.

    Attributes:
        image: the file.
        name: of its outputs, which may hold folders; of a frame FILE/NUMBER.
        file: the name without the frame's number.
        frame: its number in the file, from 1; None where the file holds one image.
    """

    image: Path
    name: str
    file: str
    frame: int | None = None


def plan(inputs: Sequence[Path], folder: Path, frames: str | None = None) -> list[Job]:
    """What is to be done for files, folders and globs, in the order given, each image once.

    A folder stands for the images directly in it, a glob for the images it matches (** for any folders). Masks that lie
    beside their images (NAME.png, NAME_mask.png) are left out. Outputs are named as the images; where two images have
    the same name, all outputs are put into folders as the images are, and NAME.png and NAME.jpg keep their suffixes.
    A file that is missing or no image is found out when its turn comes.

    Args:
        inputs: what was named.
        folder: where outputs go.
        frames: which frames of a cine, see `frames_of`; None takes every one.

    Raises:
        SalusError: a folder without images, an output that would replace an input, or `frames` is not understood.
    """
    frames_of(frames, 1)
    found: dict[str, Path] = {}
    for path in without_masks([image for given in inputs for image in images_of(given)]):
        found.setdefault(os.path.realpath(path), path)
    jobs = [
        job for path, name in zip(found.values(), _names(found), strict=True) for job in _frames(path, name, frames)
    ]
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


def part_of(jobs: Sequence[Job], part: int, parts: int) -> list[Job]:
    """The jobs of one part of several; a file's frames stay together, and a file's part does not hang on other files.

    Args:
        jobs: all of them.
        part: which, from 1.
        parts: how many.

    Example:
        >>> jobs = [Job(Path(f"{i}.png"), str(i), str(i)) for i in range(100)]
        >>> sum(len(part_of(jobs, part, 3)) for part in (1, 2, 3))
        100
    """
    return [job for job in jobs if crc32(job.file.encode()) % parts == part - 1]


def frames_of(text: str | None, count: int) -> list[int]:
    """The frames that a text names, in order: "7", "1-50", "1-50:5" (every fifth), or several with commas.

    Args:
        text: None names all.
        count: of frames in the file; numbers beyond it are left out.

    Raises:
        SalusError: the text is none of that.

    Example:
        >>> frames_of("1-9:4,2", 6), frames_of("3-", 5)
        ([1, 2, 5], [3, 4, 5])
    """
    if text is None:
        return list(range(1, count + 1))
    chosen: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:(-)(\d+)?(?::(\d+))?)?\s*", part)
        first, dash, last, step = match.groups() if match else ("0", None, None, None)
        end = int(last or (count if dash else first))
        if int(first) < 1 or step == "0" or (last and end < int(first)):
            raise SalusError(f"--frames {text}: give numbers from 1 on, as 7, 1-50, 1-50:5, or several with commas")
        chosen.update(range(int(first), min(end, count) + 1, int(step or 1)))
    return sorted(chosen)


def _frames(path: Path, name: str, frames: str | None) -> Iterable[Job]:
    """A job for each frame wanted; one for a file of one image, and for one that cannot be read."""
    try:
        count = open_frames(path).count if kind_of(path) != "image" else 1
    except SalusError:  # told when its turn comes
        count = 1
    if count == 1:
        return [Job(path, name, name)]
    digits = max(4, len(str(count)))
    return [Job(path, f"{name}/{number:0{digits}}", name, number) for number in frames_of(frames, count)]


def _stem(path: Path) -> str:
    return path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem


def _names(found: dict[str, Path]) -> list[str]:
    """Names of outputs of images by their real paths, no two alike, also where case does not count."""
    names = [_stem(path) for path in found.values()]
    if len(set(map(str.casefold, names))) < len(names):
        root = os.path.commonpath([os.path.dirname(real) for real in found])
        inside = [Path(os.path.relpath(real, root)) for real in found]
        names = [path.with_name(_stem(path)).as_posix() for path in inside]
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
