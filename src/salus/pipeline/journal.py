"""The journal of a run over many images: a line of JSON for each finished image, so that the run can be resumed.

The first line holds the settings that the results depend on. A last line that was broken off is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from salus.atomic import name_file, write_text
from salus.errors import SalusError
from salus.output_names import stays_inside
from salus.write.tables import Record, read_record, record_json

END = {"end": True}
"""Last line of the journal of a run that went through all its images."""


class Journal:
    """A journal that is being written; a context manager.

    Args:
        path: of the file, which is replaced.
        settings: that the results depend on, ready for JSON.
        records: of an earlier run, to keep.

    Raises:
        OSError: the journal cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "journal.jsonl"
        >>> with Journal(path, {"threshold": 0.5}) as journal:
        ...     journal.add(Record("scan.png", "scan", "no tumour found"))
        >>> read_journal(path)[0], list(read_journal(path)[1])
        ({'threshold': 0.5}, ['scan'])
    """

    def __init__(self, path: Path, settings: dict[str, Any], records: Iterable[Record] = ()) -> None:
        self.path = path
        lines = [json.dumps({"settings": settings}), *(json.dumps(record_json(record)) for record in records)]
        write_text(path, "\n".join(lines) + "\n")
        self.file = path.open("a", encoding="utf-8")

    def add(self, record: Record) -> None:
        """Add a record; it is in the file when this returns."""
        self._add_line(record_json(record))

    def end(self) -> None:
        """Mark the run as complete."""
        self._add_line(END)

    def _add_line(self, content: dict[str, Any]) -> None:
        with name_file(self.path):
            self.file.write(json.dumps(content) + "\n")
            self.file.flush()

    def __enter__(self) -> Journal:
        """Return the journal itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        """Close the file. On an error within the block, an error of closing is ignored."""
        try:
            self.file.close()
        except OSError:
            if kind is None:
                raise


def is_complete(path: Path) -> bool:
    """Check whether the run of a journal went through all its images.

    Raises:
        OSError: the journal cannot be read.
    """
    return path.read_text(encoding="utf-8", errors="replace").rstrip().endswith(json.dumps(END))


def read_journal(path: Path) -> tuple[dict[str, Any], dict[str, Record]]:
    """Read a journal.

    Returns:
        The settings, and the records by name; of two with the same name, or of the same image, the later one. A name
        whose outputs would lie outside OUT is left out.

    Raises:
        SalusError: the journal is damaged.
        OSError: the journal cannot be read.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    records: dict[str, Record] = {}
    name_of: dict[tuple[str, int | None], str] = {}
    try:
        settings = json.loads(lines[0])["settings"]
    except (ValueError, TypeError, KeyError):
        raise SalusError(f"{path}: is damaged; start again with --overwrite, or name another folder with -o") from None
    for line in lines[1:]:
        try:
            record = read_record(json.loads(line))
        except (ValueError, TypeError, KeyError):
            continue  # broken off when the run was killed; the image is segmented again
        if not stays_inside(record.name):
            continue
        records.pop(name_of.get((record.image, record.frame), record.name), None)
        name_of[record.image, record.frame] = record.name
        records[record.name] = record
    return settings, records


@dataclass(frozen=True)
class KnownFile:
    """A file of an earlier run.

    Attributes:
        image: the file, as it was named.
        file_name: name of its outputs, without a frame's number.
        sha256: checksum of the file; "" where it failed.
        size: its size in bytes.
        modified: when it was modified, in nanoseconds.
    """

    image: Path
    file_name: str
    sha256: str
    size: int
    modified: int


def known_files(folder: Path) -> list[KnownFile]:
    """List the files that a run and its parts have names for, in the order of their journals; each path once.

    Args:
        folder: OUT. A journal that is damaged, or being written, is read as far as it goes.
    """
    files: dict[str, KnownFile] = {}
    for journal in sorted(folder.glob("journal*.jsonl")):
        try:
            records = read_journal(journal)[1]
        except (SalusError, OSError):
            continue
        for r in records.values():
            file_name = r.name if r.frame is None else r.name.rpartition("/")[0]
            files[r.image] = KnownFile(Path(r.image), file_name or r.name, r.sha256, r.size, r.modified)
    return list(files.values())
