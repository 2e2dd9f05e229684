"""Plan a run over many files: list the images and their frames, and name their outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from salus.errors import SalusError
from salus.output_names import OutputNames
from salus.pipeline.inputs import list_input_images
from salus.pipeline.journal import KnownFile, known_files
from salus.pipeline.source_file import source_file
from salus.prompts.prompt import NO_PROMPT, Prompt
from salus.read.find import path_identity
from salus.read.formats import may_hold_frames

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

    The file's path as the user wrote it and the frame are what a job is; its name follows from them.

    Attributes:
        image: the file.
        name: of its outputs, which may hold folders; of a frame FILE/NUMBER. No two jobs of a run have the same.
        file_name: the name without the frame's number.
        frame: its number in the file, from 1; None where the file holds one image.
        part_key: what decides the part of a divided run; "" takes `file_name`.
        prompt: what a person points at in it.
    """

    image: Path
    name: str
    file_name: str
    frame: int | None = None
    part_key: str = ""
    prompt: Prompt = NO_PROMPT


def plan_jobs(
    inputs: Sequence[Path],
    folder: Path,
    frames: str | None = None,
    *,
    resume: bool = False,
    recursive: bool = False,
    verbose: bool = False,
    on_warning: Callable[[str], object] = lambda line: None,
) -> list[Job]:
    """List the jobs for files, folders and globs, in the order given, each image once.

    A folder stands for the images directly in it, a glob for the images it matches (** for any folders); see
    `salus.pipeline.inputs`. Outputs are named as the images; see `salus.output_names` for images of the same name. A
    file that is missing beside others, or no image, gets a job, and fails when it is read.

    Args:
        inputs: files, folders and globs.
        folder: of the outputs.
        frames: which frames of a cine, see `parse_frames`; None takes every one.
        resume: an earlier run's images keep the names they have there, also where they were moved since.
        recursive: folders within the folders are searched too.
        verbose: a line for each file that is left out, in place of one for many.
        on_warning: called with one line for what is left out.

    Raises:
        SalusError: no input is there, a folder without images, an output that would replace an input, or `frames` is
            not understood.
    """
    parse_frames(frames, 1)
    groups = list_input_images(inputs, folder, on_warning, recursive=recursive, verbose=verbose)
    images = {path_identity(path): path for group in groups for path in group}
    numbers = {key: frame_numbers(path, frames) for key, path in images.items()}
    ordered = [key for group in groups for key in map(path_identity, sorted(group, key=_is_no_png))]
    new_names, part_keys = OutputNames(), {}
    for key in ordered:
        part_keys[key] = new_names.add(images[key], is_folder=numbers[key] != [None])
    names = _earlier_names(images, part_keys, known_files(folder), numbers) if resume else part_keys
    for key, path in images.items():
        if not numbers[key]:
            on_warning(f"{path}: has no frame of --frames {frames}, and is left out")
    jobs = [job for key, path in images.items() for job in _file_jobs(path, names[key], numbers[key], part_keys[key])]
    if not jobs:
        raise SalusError(f"no file has a frame of --frames {frames}; nothing was written")
    _require_no_input_replaced(jobs, folder, images.values())
    return jobs


def _is_no_png(path: Path) -> bool:
    return path.suffix.lower() != ".png"


def _earlier_names(
    images: Mapping[str, Path], new_names: Mapping[str, str], known: Sequence[KnownFile], numbers: Mapping[str, Any]
) -> dict[str, str]:
    """Name the outputs of images as an earlier run did, and new images beside them.

    Args:
        images: by identity.
        new_names: by identity, in the order in which names are given: those of a run that is not resumed.
        known: files of the earlier run.
        numbers: of frames by identity.
    """
    names, given = {}, OutputNames()
    by_name: dict[str, KnownFile] = {}
    for file in known:
        if given.reserve(file.file_name, file.image):
            by_name[file.file_name] = file
            names[path_identity(file.image)] = file.file_name
    for key in new_names:
        if key in names:
            continue
        earlier = by_name.get(new_names[key])
        if earlier is not None and path_identity(earlier.image) not in images and _was_moved(earlier, images[key]):
            names[key] = earlier.file_name
            del by_name[earlier.file_name]
        else:
            names[key] = given.add(images[key], is_folder=numbers[key] != [None])
    return names


def _was_moved(file: KnownFile, path: Path) -> bool:
    """Tell whether a file of an earlier run is gone from its place, and lies at a path now."""
    if not file.sha256 or file.image.exists() or not path.is_file():
        return False
    return source_file(path).has_identity(file.sha256, file.size, file.modified)


def _require_no_input_replaced(jobs: Sequence[Job], folder: Path, images: Iterable[Path]) -> None:
    """Check that no output lies where an image to be read is.

    Raises:
        SalusError: one does.
    """
    root = os.path.realpath(folder) + os.sep
    inside = {real for path in images if (real := os.path.realpath(path)).startswith(root)}
    for job in jobs if inside else ():
        for kind in PICTURE_FILES:
            output = output_path(folder, kind, job.name)
            if os.path.realpath(output) in inside:
                raise SalusError(f"{output} is an image to be read, and would be replaced; name another folder with -o")


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

    A file's frames stay together, and its part depends on its name alone. The name is that of a run that is not
    resumed, so that all parts agree on it.

    Args:
        jobs: all of them.
        part: which, from 1.
        parts: how many.

    Example:
        >>> jobs = [Job(Path(f"{i}.png"), str(i), str(i)) for i in range(100)]
        >>> sum(len(select_part(jobs, part, 3)) for part in (1, 2, 3))
        100
    """
    return [job for job in jobs if crc32(os.fsencode(job.part_key or job.file_name)) % parts == part - 1]


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
        count = source_file(path).frames().count if may_hold_frames(path) else 1
    except Exception:  # reported when the file is segmented
        count = 1
    return [None] if count == 1 else parse_frames(frames, count)


def _file_jobs(path: Path, name: str, numbers: Sequence[int | None], part_key: str) -> Iterable[Job]:
    if list(numbers) in ([None], []):
        return [Job(path, name, name, None, part_key) for _ in numbers]
    digits = max(4, len(str(source_file(path).frames().count)))
    return [Job(path, f"{name}/{number:0{digits}}", name, number, part_key) for number in numbers]
