"""OUT while a run writes into it: one run at a time, and nothing half-written from a run that was killed.

A lock is a file that a process holds open; it ends with the process, also when that is killed. A whole run holds OUT
alone. The parts of a divided run share it, and each holds its own part alone.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from salus.errors import SalusError
from salus.folder_lock import release, try_lock
from salus.pipeline.inputs import OUTPUT_FOLDERS

TEMPORARY_NAME = re.compile(r"\.\d+-\d+\.part.*", re.DOTALL)
"""Names of files that `salus.atomic.write_whole` is writing."""

ABANDONED = 3600.0
"""Seconds since the last change after which a temporary file beside other parts of a run belongs to no one."""

LOCK, PART_LOCK = ".run.lock", ".run-{}-of-{}.lock"


@contextmanager
def output_folder(folder: Path, part: tuple[int, int] | None = None) -> Iterator[None]:
    """Make OUT, hold it for a run, and remove temporary files of a run that was killed.

    Args:
        folder: OUT; one that was made here and is empty in the end is removed again.
        part: which part of how many, for a divided run.

    Raises:
        SalusError: it is no folder, or another run holds it.
        OSError: it cannot be made or written.

    Example:
        >>> import tempfile
        >>> with output_folder(out := Path(tempfile.mkdtemp()) / "out"):
        ...     out.is_dir()
        True
    """
    if folder.exists() and not folder.is_dir():
        raise SalusError(f"{folder}: is a file; name a folder with -o")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as locks:
            locks.enter_context(_lock(folder, LOCK, shared=part is not None))
            if part is not None:
                locks.enter_context(_lock(folder, PART_LOCK.format(*part), shared=False))
            remove_temporary_files(folder, 0 if part is None else ABANDONED)
            yield
    finally:
        with suppress(OSError):  # it holds something
            for path in made:
                path.rmdir()


def remove_temporary_files(folder: Path, age: float = 0) -> None:
    """Remove what a killed run left half-written in OUT and in the folders that runs make in it.

    Args:
        folder: OUT.
        age: seconds since the last change from which on a file is removed.
    """
    for top in (folder, *(folder / name for name in (*OUTPUT_FOLDERS, "shards"))):
        for directory, folders, names in os.walk(top):
            if top == folder:
                folders.clear()
            for name in filter(TEMPORARY_NAME.fullmatch, names):
                path = Path(directory, name)
                with suppress(OSError):  # gone since, or of another user
                    if time.time() - path.stat().st_mtime >= age:
                        path.unlink()


@contextmanager
def _lock(folder: Path, name: str, *, shared: bool) -> Iterator[None]:
    path = folder / name
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        is_held = True
        with suppress(OSError):  # a file system without locks
            is_held = try_lock(file, shared=shared)
        if not is_held:
            os.lseek(file, 0, os.SEEK_SET)
            holder = os.read(file, 200).decode(errors="replace").strip()
            os.close(file)
            raise SalusError(
                f"{folder}: another run writes there{holder and f' ({holder})'}; wait for its end, or name another "
                "folder with -o"
            )
        if _is_file(file, path):
            break
        os.close(file)  # its holder has just ended and removed it
    try:
        if not shared:
            os.truncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, f"process {os.getpid()} on {platform.node()}\n".encode())
        yield
    finally:
        release(file, path)


def _is_file(file: int, path: Path) -> bool:
    """Tell whether an open file is the one at a path now."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
