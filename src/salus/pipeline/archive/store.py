"""Folders and files that lie here or in an object store (s3://, gs://, ...), as fsspec opens them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salus.atomic import write_whole
from salus.errors import SalusError


def opened(place: str) -> tuple[Any, str, bool]:
    """The file system of a place, the place's name in it, and whether that is this machine's own.

    Raises:
        SalusError: what fsspec needs for it is not installed.

    Example:
        >>> opened("/data/scans")[1:], opened("memory://scans/a.png")[1:]
        (('/data/scans', True), ('/scans/a.png', False))
    """
    try:
        import fsspec
        from fsspec.implementations.local import LocalFileSystem
    except ImportError:
        raise SalusError('fsspec is not installed; run: pip install "salus[ray]"') from None
    try:
        system, path = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:  # "Install s3fs to access S3"
        raise SalusError(f"{place}: {' '.join(str(error).split())}") from None
    return system, path, isinstance(system, LocalFileSystem)


@contextmanager
def told(place: str) -> Iterator[None]:
    """Errors of a file system, which may be of any kind, as one of a file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or 0, error.strerror or str(error) or type(error).__name__, place) from None
    except SalusError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise SalusError(f"{place}: cannot be reached ({reason})") from None


class Store:
    """A folder that results go to.

    Args:
        place: a path or a URL.

    Raises:
        SalusError: see `opened`; so of every method, and OSError: it cannot be read or written.

    Example:
        >>> store = Store("memory://archive")
        >>> store.write("shards/1", b"whole")
        >>> store.read("shards/1"), store.names("shards"), store.names("none")
        (b'whole', {'1'}, set())
    """

    def __init__(self, place: str) -> None:
        self.system, self.root, self.is_local = opened(place)
        self.place = place

    def path(self, name: str) -> str:
        """A file's name in the file system."""
        return f"{self.root.rstrip('/')}/{name}"

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        with told(f"{self.place}/{name}"):
            return bool(self.system.isfile(self.path(name)))

    def names(self, folder: str) -> set[str]:
        """Of the files in a folder; none where it is missing."""
        with told(f"{self.place}/{folder}"):
            self.system.invalidate_cache()
            try:
                found = self.system.ls(self.path(folder), detail=False)
            except FileNotFoundError:
                return set()
            return {str(path).rpartition("/")[2] for path in found}

    def read(self, name: str) -> bytes:
        """A file's content."""
        with told(f"{self.place}/{name}"):
            return bytes(self.system.cat_file(self.path(name)))

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all: here by rename; an object store shows an object once it is complete."""
        with told(f"{self.place}/{name}"):
            if not self.is_local:
                self.system.pipe_file(self.path(name), content)
                return
            path = Path(self.path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, lambda temporary: temporary.write_bytes(content))

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, if it is there."""
        with told(f"{self.place}/{name}"):
            if self.system.exists(self.path(name)):
                self.system.rm(self.path(name), recursive=True)
