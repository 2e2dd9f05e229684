"""The journal of a run over many images: a line of JSON for each that is finished, so that the run can be resumed.

The first line holds the settings that the results depend on. A last line that was broken off is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.write.tables import Record, record_from

END = {"end": True}
"""The last line of the journal of a run that went through all its images."""


class Journal:
    """A journal that is being written; a context manager.

    Args:
        path: the file; replaced.
        settings: what the results depend on, ready for JSON.
        records: of an earlier run, kept.

    Raises:
        OSError: it cannot be written.

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
        lines = [json.dumps({"settings": settings}), *(json.dumps(asdict(record)) for record in records)]
        write_whole(path, lambda temporary: temporary.write_text("\n".join(lines) + "\n", encoding="utf-8"))
        self.file = path.open("a", encoding="utf-8")

    def add(self, record: Record) -> None:
        """Write a record, at once."""
        try:
            self.file.write(json.dumps(asdict(record)) + "\n")
            self.file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def end(self) -> None:
        """Note that all images were worked on."""
        try:
            self.file.write(json.dumps(END) + "\n")
            self.file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def __enter__(self) -> Journal:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        """Close the file; what a full disk did not take is given up."""
        try:
            self.file.close()
        except OSError:
            if kind is None:
                raise


def is_ended(path: Path) -> bool:
    """Whether the run of a journal went through all its images.

    Raises:
        OSError: it cannot be read.
    """
    return path.read_text(encoding="utf-8", errors="replace").rstrip().endswith(json.dumps(END))


def read_journal(path: Path) -> tuple[dict[str, Any], dict[str, Record]]:
    """The settings of a journal, and its records by name; of two with a name the later one.

    Raises:
        SalusError: it is damaged.
        OSError: it cannot be read.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    records = {}
    try:
        settings = json.loads(lines[0])["settings"]
    except (ValueError, TypeError, KeyError):
        raise SalusError(f"{path}: is damaged; start again with --overwrite, or name another folder with -o") from None
    for line in lines[1:]:
        try:
            record = record_from(json.loads(line))
        except (ValueError, TypeError, KeyError):
            continue  # broken off when the run was killed; the image is done again
        records[record.name] = record
    return settings, records
