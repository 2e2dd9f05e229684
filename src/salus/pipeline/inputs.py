"""List the images that the inputs of a run stand for, each path once, and none that is the output of a run.

A path is what the user wrote: links are not followed for it, so two links to one file are two images.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from salus.errors import SalusError
from salus.read.find import Omission, describe_omissions, find_images, path_identity, require_any_input

OUTPUT_FOLDERS = frozenset((
    "masks", "overlays", "probability", "saliency", "cine", "nifti", "labelme", "geojson", "dicom-seg", "dicom-sr",
    "dicom-sc",
))  # fmt: skip
"""Folders in OUT."""

PREVIEW_NAME = re.compile(r"preview(-\d+)?\.jpg")


def list_input_images(
    inputs: Sequence[Path],
    folder: Path | None,
    on_warning: Callable[[str], object] = lambda line: None,
    *,
    recursive: bool = False,
    verbose: bool = False,
) -> list[list[Path]]:
    """List the images of each input.

    Of folders and patterns, masks beside their images are left out, what a run wrote (OUT may lie in one of them), and
    folders that contain themselves by a link. A file that is named is never left out.

    Args:
        inputs: files, folders and patterns.
        folder: OUT; None where it is no folder of this machine.
        on_warning: called with a line for each file that is left out, or for many, see `describe_omissions`.
        recursive: folders within the folders are searched too.
        verbose: a line for each file that is left out.

    Raises:
        SalusError: no input is there, or a folder holds no image.
    """
    require_any_input(inputs)
    groups: list[list[Path]] = []
    seen: set[str] = set()
    omissions: list[Omission] = []
    for path in inputs:
        images = find_images(path, recursive=recursive, on_omission=omissions.append)
        if images != [path]:
            images = _without_outputs(path, images, folder, on_warning)
        by_identity = {path_identity(image): image for image in images}
        groups.append([image for key, image in by_identity.items() if key not in seen])
        seen.update(by_identity)
    if inputs and not any(groups):
        raise SalusError(f"{inputs[0]}: no image but what salus segment wrote; name the folder of the scans")
    named = {path_identity(path) for path in inputs}
    left_out = [
        omission
        for omission in omissions
        if path_identity(omission.path) not in named and not _lies_in(omission.path, folder)
    ]
    for line in describe_omissions(left_out, verbose):
        on_warning(line)
    return groups


def _lies_in(path: Path, folder: Path | None) -> bool:
    return folder is not None and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _without_outputs(
    path: Path, images: Sequence[Path], folder: Path | None, on_warning: Callable[[str], object]
) -> list[Path]:
    """Leave out outputs of runs, and images that are reached in a circle, among those found below a path."""
    root = _search_root(path)
    out = None if folder is None else os.path.realpath(folder)

    @cache
    def is_run(directory: Path) -> bool:
        return os.path.realpath(directory) == out or any(directory.glob("journal*.jsonl"))

    @cache
    def holds_outputs(directory: Path) -> bool:
        if directory == root or directory == directory.parent:
            return False
        is_output = directory.name in OUTPUT_FOLDERS and is_run(directory.parent)
        return is_output or holds_outputs(directory.parent)

    @cache
    def real_folders(directory: Path) -> frozenset[str] | None:
        """Return the real folders from the root to a directory; None where one is there twice."""
        real = os.path.realpath(directory)
        if directory == root or directory == directory.parent:
            return frozenset([real])
        above = real_folders(directory.parent)
        return None if above is None or real in above else above | {real}

    kept = [image for image in images if real_folders(image.parent) is not None]
    found = [
        image
        for image in kept
        if not holds_outputs(image.parent) and not (PREVIEW_NAME.fullmatch(image.name) and is_run(image.parent))
    ]
    if len(found) < len(kept):
        on_warning(f"{path}: {len(kept) - len(found)} images are left out, because salus segment wrote them")
    return found


def _search_root(path: Path) -> Path:
    """Return a folder itself, and of a pattern the folders before its first wildcard."""
    if path.is_dir():
        return path
    parts = []
    for part in path.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)
