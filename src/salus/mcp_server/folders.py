"""The folders that the user named: files are read inside the one kind, and written inside the other.

Links are followed before a path is judged, so one that leads out of a folder is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from salus.errors import SalusError


class Folders:
    """Folders in which files may be read and written.

    Args:
        readable: images and data sets are read inside these.
        writable: results are written inside this one, and can be read there; None writes nothing.

    Raises:
        SalusError: a folder is not there.
    """

    def __init__(self, readable: Sequence[Path], writable: Path | None = None) -> None:
        for folder in readable:
            if not folder.is_dir():
                raise SalusError(f"{folder}: no such folder")
        if writable is not None:
            writable.mkdir(parents=True, exist_ok=True)
        self.writable = None if writable is None else writable.resolve()
        self.readable = tuple(dict.fromkeys(folder.resolve() for folder in readable))

    @property
    def all(self) -> tuple[Path, ...]:
        """Folders in which files may be read."""
        extra = () if self.writable is None else (self.writable,)
        return tuple(dict.fromkeys((*self.readable, *extra)))

    def readable_path(self, path: str) -> Path:
        """Return the path of a file or folder that may be read.

        Args:
            path: absolute, or as seen from one of the folders, which are tried in turn.

        Raises:
            SalusError: it is not there, or not inside a folder that the user named.
        """
        candidates = [folder / path for folder in self.all]
        if (found := next((item for item in candidates if os.path.lexists(item)), None)) is None:
            if Path(path).is_absolute() and not self._is_inside(Path(path)):
                raise self._outside(path)
            raise SalusError(f"{path}: no such file or folder")
        self.require_inside([found])
        return found

    def writable_path(self, path: str) -> Path:
        """Return the path of a folder that may be written; it need not exist.

        Args:
            path: absolute, or as seen from the folder of results.

        Raises:
            SalusError: nothing may be written, or not there.
        """
        if self.writable is None:
            raise SalusError("nothing may be written; start the server with --out FOLDER for that")
        target = (self.writable / path).resolve()
        if not target.is_relative_to(self.writable):
            raise SalusError(f"{path}: results are written inside {self.writable} alone")
        return target

    def require_inside(self, paths: Iterable[Path]) -> None:
        """Check that paths, with their links followed, lie inside folders that may be read.

        Raises:
            SalusError: one does not.
        """
        for path in paths:
            if not self._is_inside(path):
                raise self._outside(str(path))

    def require_tree_inside(self, folder: Path) -> None:
        """Check that no link within a folder leads out of the folders that may be read.

        Raises:
            SalusError: one does.
        """
        for root, names, files in os.walk(folder):
            entries = (Path(root, name) for name in (*names, *files))
            self.require_inside(entry for entry in entries if entry.is_symlink())

    def _is_inside(self, path: Path) -> bool:
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError):  # a link that leads to itself
            return False
        return any(resolved.is_relative_to(folder) for folder in self.all)

    def _outside(self, path: str) -> SalusError:
        names = ", ".join(map(str, self.all))
        return SalusError(f"{path}: lies outside the folders that this server may read ({names})")
