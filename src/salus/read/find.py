"""Find the images that a file, a folder or a glob pattern names, and say what is left out and why."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from salus.errors import SalusError
from salus.read.formats import DICOM, DICOMDIR, NO_PICTURE, format_by_suffix, read_head, recognise, sop_class

AnyPath = TypeVar("AnyPath", bound=PurePath)

MASK_NAME = re.compile(r"(?P<image>.+)_(tumou?r|mask|lesion|gt|seg|segmentation)(_?\d+)?", re.IGNORECASE)
"""Stem of a mask that lies beside its image, such as case001_mask.png beside case001.png."""

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that names in tables should not have: control characters, line breaks, and bytes that are not UTF-8."""

SIDECAR_SUFFIXES = frozenset((
    ".txt", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".xlsx", ".xls", ".ods", ".md", ".rst", ".pdf", ".log",
    ".yaml", ".yml", ".toml", ".ini", ".cfg", ".html", ".htm", ".css", ".js", ".doc", ".docx", ".rtf", ".db",
    ".sqlite", ".py", ".ipynb", ".sh", ".bat", ".m", ".r", ".sha256", ".md5", ".lnk", ".url", ".bak", ".tmp",
    ".part",
))  # fmt: skip
SIDECAR_NAMES = frozenset((
    "thumbs.db", "desktop.ini", "readme", "license", "licence", "notice", "changelog", "copying", "citation",
    "makefile", "md5sums", "sha256sums", "autorun.inf", "dicomdir",
))  # fmt: skip
"""Files that lie beside images and are none, which needs no word; so are hidden files."""

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg", ".webm")

NAMED_EACH = 3
"""Number of files left out for one reason up to which each has a line of its own."""


@dataclass(frozen=True)
class Omission:
    """A file or folder that was found and left out; `reason` completes "it was left out, because it ..."."""

    path: Path
    reason: str


OnOmission = Callable[[Omission], object]


def find_images(path: Path, *, recursive: bool = False, on_omission: OnOmission = lambda omission: None) -> list[Path]:
    """List the images that a file, a folder or a glob pattern names.

    A file is recognised by its content, so its name does not matter. Of folders and patterns, masks that lie beside
    their images (NAME.png, NAME_mask.png) are left out, and all that is no image. A file that is named is never left
    out, nor is a pattern without a match: they are returned as they are.

    Args:
        path: file, folder or pattern.
        recursive: folders within the folder are searched too.
        on_omission: called for each file that is left out, but for those that are known to be no image: DICOMDIR,
            hidden files, and texts, tables and documents by their suffix.

    Returns:
        The images, sorted.

    Raises:
        SalusError: a folder holds no image, or no file that a pattern matches is one.
    """
    if path.is_dir():
        found = _search(_list_files(path, recursive, on_omission, set()), on_omission)
        if not found:
            raise SalusError(f"{path}: no image in it{_hint(path)}")
        return found
    if path.exists() or os.path.islink(path) or not glob.has_magic(str(path)):
        return [path]
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    files = [match for match in matches if not match.is_dir()]
    if "**" not in path.parts:
        for match in matches:
            if match.is_dir():
                on_omission(Omission(match, "is a folder that a pattern matches; name it, or use **"))
    found = _search(files, on_omission)
    if matches and not found:
        raise SalusError(f"{path}: none of the {len(matches)} files it matches is an image")
    return found or [path]


def path_identity(path: Path) -> str:
    """Return a path as the user wrote it, from the root on; `..` is resolved only where that does not change the file.

    Example:
        >>> path_identity(Path("a/../scan.png")) == str(Path.cwd() / "scan.png")
        True
    """
    absolute = os.path.join(os.getcwd(), path)
    if ".." in path.parts:
        plain = os.path.abspath(absolute)
        if os.path.realpath(os.path.dirname(plain)) == os.path.realpath(os.path.dirname(absolute)):
            return plain
    return absolute


def require_any_input(inputs: Sequence[Path]) -> None:
    """Check that at least one of the named files, folders and patterns is there.

    Raises:
        SalusError: none is, so that a command whose only input is misspelt writes nothing.
    """
    missing = [path for path in inputs if not path.exists() and not _matches(path)]
    if missing and len(missing) == len(inputs):
        more = f", nor {len(missing) - 1} more" if len(missing) > 1 else ""
        raise SalusError(f"{missing[0]}: no such file{more}; nothing was written")


def _matches(path: Path) -> bool:
    return glob.has_magic(str(path)) and next(glob.iglob(str(path), recursive=True), None) is not None


def exclude_masks(paths: Sequence[AnyPath]) -> list[AnyPath]:
    """Leave out files that are the mask of another one by their names: NAME_mask.png beside NAME.png."""
    stems = {(path.parent, path.stem) for path in paths}
    return [
        path
        for path in paths
        if not ((match := MASK_NAME.fullmatch(path.stem)) and (path.parent, match["image"]) in stems)
    ]


def is_image_by_name(path: PurePath) -> bool:
    """Tell by its name alone whether a file may be an image, where its content is not at hand.

    Example:
        >>> [is_image_by_name(PurePath(name)) for name in ("a.png", "1.2.840.1", "IM_0001", "notes.txt", ".a.png")]
        [True, True, True, False, False]
    """
    if path.name.startswith(".") or path.name.lower() in SIDECAR_NAMES:
        return False
    return format_by_suffix(path) is not None or not path.suffix or path.suffix[1:].isdigit()


def is_known_by_name(path: PurePath) -> bool:
    """Tell whether a file is an image by its name, or known to be none, so that leaving it out needs no word."""
    is_sidecar = path.suffix.lower() in SIDECAR_SUFFIXES or path.name.lower() in SIDECAR_NAMES
    return is_sidecar or path.name.startswith(".") or is_image_by_name(path)


def describe_omissions(omissions: Iterable[Omission], verbose: bool = False) -> list[str]:
    """Write lines on what was left out: one for each of up to `NAMED_EACH` of a reason, one for all of them beyond.

    Args:
        omissions: what was left out.
        verbose: a line for each.

    Example:
        >>> omissions = [Omission(Path(f"{n}.mp4"), "is a video") for n in range(9)]
        >>> describe_omissions(omissions)
        ['0.mp4 and 8 more were left out: each is a video (--verbose names all)']
    """
    by_reason: dict[str, list[Path]] = {}
    for omission in omissions:
        by_reason.setdefault(omission.reason, []).append(omission.path)
    lines = []
    for reason, paths in by_reason.items():
        if verbose or len(paths) <= NAMED_EACH:
            lines += [f"{path} was left out: it {reason}" for path in paths]
        else:
            lines.append(f"{paths[0]} and {len(paths) - 1} more were left out: each {reason} (--verbose names all)")
    return lines


def _list_files(folder: Path, recursive: bool, on_omission: OnOmission, visited: set[str]) -> Iterator[Path]:
    """List the files in a folder, sorted, and those in its folders; a folder that is reached again is left out."""
    visited.add(os.path.realpath(folder))
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise SalusError(f"{folder}: cannot be listed ({error.strerror})") from None
    for entry in entries:
        if not entry.is_dir():
            yield entry
        elif reason := _reason_against_folder(entry, recursive, visited):
            on_omission(Omission(entry, reason))
        elif recursive and not entry.name.startswith((".", "__")):
            yield from _list_files(entry, recursive, on_omission, visited)


def _reason_against_folder(folder: Path, recursive: bool, visited: set[str]) -> str:
    """Return why a folder within a folder is left out; "" where it is not, or needs no word."""
    if folder.name.startswith((".", "__")):  # of systems and archivers
        return ""
    try:
        is_empty = next(folder.iterdir(), None) is None
    except OSError as error:
        return f"is a folder that cannot be listed ({error.strerror})"
    if not recursive:
        return "" if is_empty else "is a folder within the folder; --recursive looks into them"
    return "is a link to a folder that is searched already" if os.path.realpath(folder) in visited else ""


def _search(files: Iterable[Path], on_omission: OnOmission) -> list[Path]:
    """Select the images among files."""
    images = []
    for file in files:
        reason = reason_against(file)
        if reason is None:
            images.append(file)
        elif reason:
            on_omission(Omission(file, reason))
    kept = exclude_masks(images)
    for mask in sorted(set(images) - set(kept)):
        on_omission(Omission(mask, "is by its name the mask of an image beside it; name it to have it read"))
    return sorted(kept)


def reason_against(file: Path) -> str | None:
    """Return why a file is left out of a folder: None where it is an image, "" where that needs no word."""
    file_format = recognise(file)
    if file.name.startswith("."):
        is_known = file.name.startswith("._") or file_format is None
        return "" if is_known else "is hidden; name it to have it read"
    if file_format == DICOM:
        kind = sop_class(read_head(file))
        if kind == DICOMDIR or file.name.upper() == "DICOMDIR":
            return ""
        return "is a DICOM object without a picture" if kind and kind.startswith(NO_PICTURE) else None
    if file_format or format_by_suffix(file):
        return None  # also what is damaged: that is said when it is read
    if file.suffix.lower() in SIDECAR_SUFFIXES or file.name.lower() in SIDECAR_NAMES:
        return ""
    if not file.is_file():
        return "is a link that leads nowhere" if file.is_symlink() else "is no file but a pipe or a device"
    if not os.access(file, os.R_OK):
        return "may be an image, but you have no permission to read it"
    if file.suffix.lower() in VIDEO_SUFFIXES:
        return "is a video; save its frames as PNG"
    return "is no image that Salus reads"


def _hint(folder: Path) -> str:
    """Say what to do where a folder holds no image."""
    subfolders = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    inside = next((name for name in ("images", "Images") if name in subfolders), None)
    if inside:
        return f"; its images lie in {folder / inside}"
    return "; --recursive looks into the folders in it" if subfolders else "; name the folder they lie in directly"
