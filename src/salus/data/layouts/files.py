"""Files of a layout: images by stem, the root folder, and remarks on files that are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from salus.read.find import UNPRINTABLE, reason_against
from salus.read.formats import CLINICAL_SUFFIXES, IMAGE_SUFFIXES, strip_suffix

PREFERRED = (*IMAGE_SUFFIXES, *CLINICAL_SUFFIXES)
"""Suffixes in the order in which one of several files of equal stems is taken."""


def images_by_stem(folder: Path, remarks: list[str] | None = None) -> dict[str, Path]:
    """List the image files directly in a folder by stem, sorted, without hidden files and `UNPRINTABLE` names.

    Files are recognised by their content, as in `salus.read.find`, so images may be DICOM files named by UID. Of files
    with equal stems (case001.png, case001.jpg) the one whose suffix comes first in `PREFERRED` is taken.

    Args:
        folder: the folder; if it is missing, the result is empty.
        remarks: gets lines on the files that are left out.
    """
    images: dict[str, Path] = {}
    clashes, unprintable = [], []
    others: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or path.is_dir():
            continue
        if UNPRINTABLE.search(path.name):
            unprintable.append(path)
            continue
        # The suffix of a picture is enough, so that large data sets are listed quickly.
        if path.suffix.lower() not in IMAGE_SUFFIXES and (reason := reason_against(path)) is not None:
            if reason:
                others.setdefault(reason, []).append(path)
            continue
        first = images.setdefault(strip_suffix(path), path)
        if first != path:
            kept, ignored = sorted((first, path), key=_preference)
            images[strip_suffix(path)] = kept
            clashes.append(ignored)
    if remarks is not None:
        remarks += remark_on(clashes, "ignored, for another file here has the same name with another suffix")
        remarks += remark_on(unprintable, "ignored, for its name holds a character that cannot be printed; rename it")
        for reason, paths in others.items():
            remarks += remark_on(paths, f"ignored, for it {reason}")
    return dict(sorted(images.items()))


def _preference(path: Path) -> tuple[int, str]:
    """Return what files of equal stems are sorted by."""
    name = path.name.lower()
    return next((i for i, suffix in enumerate(PREFERRED) if name.endswith(suffix)), len(PREFERRED)), path.name


def remark_on(paths: Iterable[Path], text: str) -> list[str]:
    """Write one line about each of up to three files, or one line about all of them."""
    files = [UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], str(path)) for path in paths]
    if len(files) <= 3:
        return [f"{path}: {text}" for path in files]
    return [f"{files[0]} and {len(files) - 1} more: {text}"]


def find_root(root: Path, has_layout: Callable[[Path], bool]) -> Path | None:
    """Return `root` if it has the layout, else the only folder in it (as archives unpack) if that has it, else None."""
    if has_layout(root):
        return root
    folders = list_folders(root)
    return folders[0] if len(folders) == 1 and has_layout(folders[0]) else None


def list_folders(root: Path) -> list[Path]:
    """List the folders directly in `root`, sorted, without those that archivers and systems leave behind."""
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
