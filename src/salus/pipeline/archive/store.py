"""Folders and files on this machine or in an object store (s3://, gs://, ...), opened by fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from salus.atomic import write_whole
from salus.errors import SalusError


def open_file_system(location: str) -> tuple[Any, str, bool]:
    """Open the file system of a path or URL.

    Returns:
        The fsspec file system, the path in it, and whether it is this machine's own.

    Raises:
        SalusError: what fsspec needs for it is not installed.

    Example:
        >>> open_file_system("/data/scans")[1:], open_file_system("memory://scans/a.png")[1:]
        (('/data/scans', True), ('/scans/a.png', False))
    """
    try:
        import fsspec
        from fsspec.implementations.local import LocalFileSystem
    except ImportError:
        raise SalusError('fsspec is not installed; run: pip install "salus[ray]"') from None
    try:
        system, path = fsspec.core.url_to_fs(location)
    except (ImportError, ValueError) as error:  # "Install s3fs to access S3"
        raise SalusError(f"{location}: {' '.join(str(error).split())}") from None
    return system, path, isinstance(system, LocalFileSystem)


@contextmanager
def name_location(location: str) -> Iterator[None]:
    """Make errors of a file system, which may be of any kind, name a path or URL in one line."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or 0, error.strerror or str(error) or type(error).__name__, location) from None
    except SalusError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise SalusError(f"{location}: cannot be reached ({reason})") from None


class Store:
    """A folder for results.

    Args:
        location: a path or a URL.

    Raises:
        SalusError: see `open_file_system`; every method raises it too, and OSError: a file cannot be read or written.

    Example:
        >>> store = Store("memory://archive")
        >>> store.write("shards/1", b"whole")
        >>> store.read("shards/1"), store.names("shards"), store.names("none")
        (b'whole', {'1'}, set())
    """

    def __init__(self, location: str) -> None:
        self.system, self.root, self.is_local = open_file_system(location)
        self.location = location

    def path(self, name: str) -> str:
        """Return a file's path in the file system."""
        return f"{self.root.rstrip('/')}/{name}"

    def has(self, name: str) -> bool:
        """Check whether a file exists."""
        with name_location(f"{self.location}/{name}"):
            return bool(self.system.isfile(self.path(name)))

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a folder; none where it is missing."""
        with name_location(f"{self.location}/{folder}"):
            self.system.invalidate_cache()
            try:
                paths = self.system.ls(self.path(folder), detail=False)
            except FileNotFoundError:
                return set()
            return {str(path).rpartition("/")[2] for path in paths}

    def read(self, name: str) -> bytes:
        """Read a file's content."""
        with name_location(f"{self.location}/{name}"):
            return bytes(self.system.cat_file(self.path(name)))

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all: by rename on this machine; object stores show complete objects alone."""
        with name_location(f"{self.location}/{name}"):
            if not self.is_local:
                self.system.pipe_file(self.path(name), content)
                return
            path = Path(self.path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, lambda temporary: temporary.write_bytes(content))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with its content, if it exists."""
        with name_location(f"{self.location}/{name}"):
            if self.system.exists(self.path(name)):
                self.system.rm(self.path(name), recursive=True)
