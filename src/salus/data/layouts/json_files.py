"""JSON files of annotation tools, and the images that they name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from salus.data.case import Case
from salus.data.layouts.files import images_by_stem, list_folders, remark_on
from salus.errors import SalusError
from salus.read.formats import strip_suffix

MAX_JSON = 2**30
"""Largest JSON file that is read, in bytes."""


def read_json(path: Path) -> Any:
    """Read a JSON file; the last few are kept.

    Raises:
        SalusError: it cannot be read, or is no JSON.
    """
    try:
        status = path.stat()
        if not path.is_file() or status.st_size > MAX_JSON:
            raise SalusError(f"{path}: is no file of up to {MAX_JSON / 2**30:.0f} GiB")
        return _read_json(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise SalusError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise SalusError(f"{path}: is no JSON in UTF-8 ({' '.join(str(error).split())[:100]})") from None


@lru_cache(maxsize=4)
def _read_json(path: Path, modified: int, size: int) -> Any:
    return json.loads(path.read_text(encoding="utf-8-sig"))


def read_dictionary(path: Path) -> dict[str, Any]:
    """Read a JSON file that should hold a dictionary; empty where it does not, or cannot be read."""
    try:
        content = read_json(path)
    except SalusError:
        return {}
    return content if isinstance(content, dict) else {}


def json_files(root: Path) -> Iterator[Path]:
    """Yield the JSON files directly in a folder and in its folders, less hidden ones."""
    for folder in (root, *list_folders(root)):
        for path in sorted(folder.glob("*.json")):
            if not path.name.startswith(".") and path.is_file():
                yield path


class ImageFinder:
    """Finds the image files that annotations name, in a data set's folder and two levels below.

    Args:
        root: the data set's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders = [root]
        for folder in list_folders(root):
            self.folders += [folder, *list_folders(folder)]

    def find(self, name: str, beside: Path) -> Path:
        """Find an image by the path that a file gives of it; separators of Windows will do.

        Args:
            name: absolute, or relative to the file's folder, the data set's, or one in it.
            beside: the file that names it.

        Returns:
            The file; where there is none, the path beside the naming file, where it was expected.
        """
        name = name.replace("\\", "/")
        last = PurePosixPath(name).name
        places = [beside.parent / name, *(folder / name for folder in self.folders)]
        places += [beside.parent / last, *(folder / last for folder in self.folders)] if last != name else []
        for place in places:
            try:
                if place.is_file():
                    return place
            except (OSError, ValueError):  # a name that is too long, or holds a null
                continue
        return places[0]


def unique_names(images: Sequence[Path]) -> list[str]:
    """Name cases by their images' names without suffix; by folder and name where two have the same.

    Example:
        >>> unique_names([Path("a/scan.nii.gz"), Path("a/1.2.840.1"), Path("a/1.2.840.2")])
        ['scan', '1.2.840.1', '1.2.840.2']
    """
    stems = [strip_suffix(path) for path in images]
    often = Counter(stems)
    names = [
        stem if often[stem] == 1 else f"{path.parent.name}_{stem}" for path, stem in zip(images, stems, strict=True)
    ]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name}_{path.suffix[1:]}" for name, path in zip(names, images, strict=True)
    ]


def unlisted_images(
    cases: Sequence[Case], folder: Path, places: Iterable[Path], text: str
) -> tuple[list[Case], list[str]]:
    """Find images that lie beside those of the cases and that no annotation names: they are unlabelled.

    Args:
        cases: whose images are named.
        folder: the data set's.
        places: further folders to look in.
        text: what to say of them.

    Returns:
        Their cases, under names that no other case has; and remarks.
    """
    remarks: list[str] = []
    listed, taken = {case.image.resolve() for case in cases}, {case.name for case in cases}
    found: list[Case] = []
    for place in dict.fromkeys([*places, *(case.image.parent for case in cases)]):
        for path in images_by_stem(place, remarks).values():
            if path.resolve() not in listed:
                stem = strip_suffix(path)
                name = stem if stem not in taken else f"{path.parent.name}_{path.name}"
                taken.add(name)
                found.append(Case(name, path, source=folder.resolve().name))
    return found, remarks + remark_on((case.image for case in found), text)
