"""Give the images of a run the prompts that a person, or a file, has for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from salus.errors import SalusError
from salus.pipeline.jobs import Job
from salus.prompts.prompt import ImagePrompt

ByFrame = dict[tuple[Path, int | None], list[ImagePrompt]]
"""Prompts by image and frame; None is every frame."""


def assign_prompts(jobs: Sequence[Job], prompts: Sequence[ImagePrompt]) -> tuple[list[Job], list[str]]:
    """Add prompts to the jobs of their images; several for one image are joined.

    A prompt names an image by its path or the end of it (scan.png, ward/scan.png), with suffix or without. One that
    names none is for the only image there is. Without a frame, it is for every frame of its image.

    Args:
        jobs: of the run.
        prompts: see `salus.prompts.files.read_prompts`.

    Returns:
        The jobs, in order; and the images of prompts that are not among them.

    Raises:
        SalusError: a prompt fits several images, or none of the prompts fits an image.

    Example:
        >>> from salus.prompts.prompt import Prompt
        >>> jobs = [Job(Path("ward/a.png"), "a", "a"), Job(Path("ward/b.png"), "b", "b")]
        >>> prompts = [ImagePrompt("b", Prompt(points=((2, 3),))), ImagePrompt("c", Prompt())]
        >>> jobs, missing = assign_prompts(jobs, prompts)
        >>> [job.prompt.points for job in jobs], missing
        ([(), ((2, 3),)], ['c'])
    """
    images = {job.image for job in jobs}
    by_end = _index(images)
    by_frame: ByFrame = {}
    missing = []
    for prompt in prompts:
        found = images if prompt.image is None else by_end.get(_parts(prompt.image), set())
        if len(found) > 1 and prompt.image is None:
            raise SalusError(f"a prompt names no image, and there are {len(found)}; name it, in a file for --prompts")
        if len(found) > 1:
            first, second, *_ = sorted(found)
            raise SalusError(f"a prompt for {prompt.image!r} fits {first} and {second}; name its folder too")
        if found:
            by_frame.setdefault((next(iter(found)), prompt.frame), []).append(prompt)
        else:
            missing.append(str(prompt.image))
    return _join(jobs, by_frame, missing)


def _index(images: set[Path]) -> dict[tuple[str, ...], set[Path]]:
    """Index images by every end of their paths, with suffix and without."""
    by_end: dict[tuple[str, ...], set[Path]] = {}
    for image in images:
        parts = _parts(image)
        for name in {image.name, image.stem, image.name.removesuffix(".nii.gz")}:
            for start in range(len(parts)):
                by_end.setdefault((*parts[start:-1], name), set()).add(image)
    return by_end


def _parts(path: str | PurePath) -> tuple[str, ...]:
    """Split a path into its parts, without those that stay or lead up: ../ward/scan.png is ward/scan.png."""
    return tuple(part for part in PurePath(path).parts if part not in (".", ".."))


def _join(jobs: Sequence[Job], by_frame: ByFrame, missing: list[str]) -> tuple[list[Job], list[str]]:
    """Add the prompts to the jobs; those of frames that are no job's are missing."""
    prompted = []
    for job in jobs:
        prompt = job.prompt
        for key in ((job.image, None), (job.image, job.frame or 1)):
            for each in by_frame.get(key, ()):
                prompt += each.prompt
        prompted.append(replace(job, prompt=prompt))
    frames = {(job.image, job.frame or 1) for job in jobs}
    missing += [f"{image}, frame {frame}" for image, frame in by_frame if frame and (image, frame) not in frames]
    if missing and not any(job.prompt for job in prompted):
        raise SalusError(f"no prompt is for an image of this run; the first is for {missing[0]}")
    return prompted, missing
