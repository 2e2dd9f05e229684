"""Plan a run over many files: list the images and their frames, and name their outputs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from salus.errors import SalusError
from salus.pipeline.source_file import source_file
from salus.prompts.prompt import NO_PROMPT, Prompt
from salus.read.find import exclude_masks, find_images
from salus.read.frames import detect_format

PICTURE_FILES = {
    "mask": ("masks", ".png"),
    "overlay": ("overlays", ".jpg"),
    "probability": ("probability", ".png"),
    "saliency": ("saliency", ".png"),
}
"""Folder and suffix of each kind of picture."""


@dataclass(frozen=True)
class Job:
    """One image to segment, or one frame of a file that holds several.

    Attributes:
        image: the file.
        name: of its outputs, which may hold folders; of a frame FILE/NUMBER.
        file_name: the name without the frame's number.
        frame: its number in the file, from 1; None where the file holds one image.
        prompt: what a person points at in it.
    """

    image: Path
    name: str
    file_name: str
    frame: int | None = None
    prompt: Prompt = NO_PROMPT


def plan_jobs(inputs: Sequence[Path], folder: Path, frames: str | None = None) -> list[Job]:
    """List the jobs for files, folders and globs, in the order given, each image once.

    A folder stands for the images directly in it, a glob for the images it matches (** for any folders). Masks that lie
    beside their images (NAME.png, NAME_mask.png) are left out. Outputs are named as the images; where two images have
    the same name, all outputs are put into folders as the images are, and NAME.png and NAME.jpg keep their suffixes.
    A file that is missing or no image gets a job, and fails when it is read.

    Args:
        inputs: files, folders and globs.
        folder: of the outputs.
        frames: which frames of a cine, see `parse_frames`; None takes every one.

    Raises:
        SalusError: a folder without images, an output that would replace an input, or `frames` is not understood.
    """
    parse_frames(frames, 1)
    images: dict[str, Path] = {}  # by real path
    for path in exclude_masks([image for pattern in inputs for image in find_images(pattern)]):
        images.setdefault(os.path.realpath(path), path)
    jobs = [
        job
        for path, name in zip(images.values(), _output_names(images), strict=True)
        for job in _file_jobs(path, name, frames)
    ]
    for job in jobs:
        for kind in PICTURE_FILES:
            output = output_path(folder, kind, job.name)
            if os.path.realpath(output) in images:
                raise SalusError(f"{output} is an image to be read, and would be replaced; name another folder with -o")
    return jobs


def output_path(folder: Path, kind: str, name: str) -> Path:
    """Return the path of a picture.

    Args:
        folder: OUT.
        kind: of `PICTURE_FILES`.
        name: of the job.

    Example:
        >>> str(output_path(Path("out"), "mask", "ward/scan"))
        'out/masks/ward/scan.png'
    """
    inside, suffix = PICTURE_FILES[kind]
    return folder / inside / f"{name}{suffix}"


def select_part(jobs: Sequence[Job], part: int, parts: int) -> list[Job]:
    """Select the jobs of one part of several.

    A file's frames stay together, and its part depends on its name alone, not on which other files there are.

    Args:
        jobs: all of them.
        part: which, from 1.
        parts: how many.

    Example:
        >>> jobs = [Job(Path(f"{i}.png"), str(i), str(i)) for i in range(100)]
        >>> sum(len(select_part(jobs, part, 3)) for part in (1, 2, 3))
        100
    """
    return [job for job in jobs if crc32(job.file_name.encode()) % parts == part - 1]


def parse_frames(text: str | None, count: int) -> list[int]:
    """Parse a list of frames: "7", "1-50", "1-50:5" (every fifth), or several with commas.

    Args:
        text: None names all frames.
        count: of frames in the file; numbers beyond it are left out.

    Returns:
        Frame numbers from 1, in order.

    Raises:
        SalusError: the text is none of that.

    Example:
        >>> parse_frames("1-9:4,2", 6), parse_frames("3-", 5)
        ([1, 2, 5], [3, 4, 5])
    """
    if text is None:
        return list(range(1, count + 1))
    numbers: set[int] = set()
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:(-)(\d+)?(?::(\d+))?)?\s*", item)
        first, dash, last, step = match.groups() if match else ("0", None, None, None)
        end = int(last or (count if dash else first))
        if int(first) < 1 or step == "0" or (last and end < int(first)):
            raise SalusError(f"--frames {text}: give numbers from 1 on, as 7, 1-50, 1-50:5, or several with commas")
        numbers.update(range(int(first), min(end, count) + 1, int(step or 1)))
    return sorted(numbers)


def frame_numbers(path: Path, frames: str | None) -> list[int] | list[None]:
    """List the frames to segment of a file; [None] for a file of one image, and for one that cannot be read.

    Args:
        path: the file.
        frames: see `parse_frames`.
    """
    try:
        count = source_file(path).frames().count if detect_format(path) != "image" else 1
    except SalusError:  # reported when the file is segmented
        count = 1
    return [None] if count == 1 else parse_frames(frames, count)


def _file_jobs(path: Path, name: str, frames: str | None) -> Iterable[Job]:
    numbers = frame_numbers(path, frames)
    if numbers == [None]:
        return [Job(path, name, name)]
    digits = max(4, len(str(source_file(path).frames().count)))
    return [Job(path, f"{name}/{number:0{digits}}", name, number) for number in numbers]


def _stem(path: Path) -> str:
    return path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem


def _output_names(images: dict[str, Path]) -> list[str]:
    """Name the outputs of images, given by their real paths; no two names are equal, even where case is ignored."""
    names = [_stem(path) for path in images.values()]
    if len(set(map(str.casefold, names))) < len(names):
        root = os.path.commonpath([os.path.dirname(real) for real in images])
        relative = [Path(os.path.relpath(real, root)) for real in images]
        names = [path.with_name(_stem(path)).as_posix() for path in relative]
        counts = Counter(map(str.casefold, names))
        names = [
            name if counts[name.casefold()] == 1 else path.as_posix()
            for name, path in zip(names, relative, strict=True)
        ]
    owners: dict[str, Path] = {}
    for name, path in zip(names, images.values(), strict=True):
        other = owners.setdefault(name.casefold(), path)
        if other != path:
            raise SalusError(f"{other} and {path}: outputs of the one would replace the other's; do one apart")
    return names
