"""Name the outputs of files: unique over a run, the same when inputs are added, within OUT, and short enough to write.

The first file of a name has it: scans/a.png is named "a", whatever comes after it. A later file of the same name takes
its suffix (a.jpg) where it lies beside the first, and else its folders as the user wrote them (ward2/a), as many as are
needed. Names are equal where file systems may take them for one: upper and lower case, and the two spellings of "ü"
in Unicode. Among files that are found together, a PNG is the first, so that masks/a.png is not the mask of a.jpg
beside it.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from zlib import crc32

from salus.read.formats import strip_suffix

OUTPUT_SUFFIXES = (".png", ".jpg", ".json", ".geojson", ".dcm", ".nii.gz")
"""Suffixes that outputs have after their name."""

MAX_BYTES = 255 - max(map(len, OUTPUT_SUFFIXES))
"""Largest length of one part of a name, so that it can still gain a suffix; file systems allow 255 bytes."""


class OutputNames:
    """The names that are given so far.

    Example:
        >>> names = OutputNames()
        >>> [names.add(Path(path)) for path in ("w1/a.png", "w1/b.png", "w1/A.jpg", "w2/a.png", "../x/w2/a.png")]
        ['a', 'b', 'A.jpg', 'w2/a', 'x/w2/a']
    """

    def __init__(self) -> None:
        self._owners: dict[str, Path] = {}
        self._folders: set[str] = set()

    def reserve(self, name: str, path: Path) -> bool:
        """Give a file a certain name; return False where it is not free."""
        is_free = self._is_free(name)
        if is_free:
            self._give(name, path)
        return is_free

    def add(self, path: Path, *, is_folder: bool = False, inside: Path = Path()) -> str:
        """Give a file its name.

        Args:
            path: of the file, as the user wrote it.
            is_folder: the file's outputs are a folder of this name, as are those of a cine.
            inside: folders that the name has at least.
        """
        for name in self._candidates(path, len(inside.parts)):
            name = safe_folder(name) if is_folder else name
            if self._is_free(name):
                self._give(name, path)
                return name
        raise AssertionError("candidates never end")

    def _candidates(self, path: Path, least_depth: int) -> Iterator[str]:
        name = short_part(_stem(path))
        whole = short_part(path.name)
        folders = [safe_folder(short_part(part)) for part in path.parent.parts if part not in (path.anchor, "..")]
        for depth in range(min(least_depth, len(folders)), len(folders) + 1):
            inside = "".join(f"{folder}/" for folder in folders[len(folders) - depth :])
            yield inside + name
            owner = self._owners.get(fold_name(inside + name))
            if owner is not None and owner.parent == path.parent:
                yield inside + whole
        digest = f"{crc32(os.fsencode(path)):08x}"
        yield short_part(f"{name}-{digest}")
        for number in count(2):
            yield short_part(f"{name}-{digest}-{number}")

    def _is_free(self, name: str) -> bool:
        key = fold_name(name)
        return key not in self._owners and key not in self._folders and self._owners.keys().isdisjoint(_folders(key))

    def _give(self, name: str, path: Path) -> None:
        key = fold_name(name)
        self._owners.setdefault(key, path)
        self._folders.update(_folders(key))


def _stem(path: Path) -> str:
    """Return a file's name without its suffix; ...dcm is no folder "..", so it stays."""
    name = strip_suffix(path)
    return name if name.strip(".") else path.name


def short_part(part: str) -> str:
    """Shorten one part of a name to `MAX_BYTES`; a checksum of the whole stands for what is cut.

    Example:
        >>> short_part("scan"), len(short_part("n" * 255))
        ('scan', 247)
    """
    content = os.fsencode(part)
    if len(content) <= MAX_BYTES:
        return part
    digest = f"-{crc32(content):08x}"
    kept = part
    while len(os.fsencode(kept)) > MAX_BYTES - len(digest):
        kept = kept[:-1]
    return kept + digest


def safe_folder(name: str) -> str:
    """Return the name of a folder, which must not be that of another's output: a.png becomes a.png_."""
    return f"{name}_" if name.lower().endswith(OUTPUT_SUFFIXES) else name


def stays_inside(name: str) -> bool:
    """Check that outputs of a name lie in OUT; one that is read from a file may not.

    Example:
        >>> [stays_inside(name) for name in ("a", "ward/a", "/etc/a", "../a", "")]
        [True, True, False, False, False]
    """
    return bool(name) and not name.startswith("/") and ".." not in name.split("/") and "\0" not in name


def _folders(key: str) -> list[str]:
    """Return the folders that a name lies in."""
    parts = key.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def fold_name(name: str) -> str:
    """Return what two names share that a file system may take for one: case, and the spellings of one letter.

    Example:
        >>> fold_name("Scan-\u00dc") == fold_name("sCAN-U\u0308")
        True
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
