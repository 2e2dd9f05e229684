"""A session: what one browser works on, kept in a folder so that a killed server finds it again."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from salus.atomic import write_text
from salus.errors import SalusError
from salus.serve.audit import append_line, now
from salus.serve.data_set import DataSetFolder
from salus.serve.names import check_pattern
from salus.serve.open_case import NotFound, OpenCase, load_case

SESSION_FILE, AUDIT_FILE = "session.json", "audit.jsonl"

TOUCH_SECONDS = 60.0
"""Time from one mark on the disk that the session is in use to the next."""

MAX_READER = 64
"""Characters of a reader's name, as many as a DICOM person name may have."""


@dataclass(eq=False)
class Session:
    """What one browser works on.

    Attributes:
        key: random; the value of the session's cookie.
        folder: of its files.
        last_used: time of the last request (`time.monotonic`).
        cases: by key, in the order in which they were opened.
        opened: number of cases opened so far.
        reader: name of the person at the browser, "" until it is given.
        patient_pattern: where file names hold the patient; see `salus.serve.names.patient_of_name`.
        lock: for opening cases.
        data_set: the outlines that were saved.
    """

    key: str
    folder: Path
    last_used: float
    cases: dict[str, OpenCase] = field(default_factory=dict)
    opened: int = 0
    reader: str = ""
    patient_pattern: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    data_set: DataSetFolder = field(init=False)
    _touched: float = 0.0

    def __post_init__(self) -> None:
        self.data_set = DataSetFolder(self.folder / "corrected")

    def case_of_upload(self, upload: str) -> OpenCase | None:
        """Find the case that came in as this upload; None where there is none, or the upload has no name."""
        return next((case for case in list(self.cases.values()) if upload and case.upload == upload), None)

    def case(self, key: str) -> OpenCase:
        """Get a case by its key.

        Raises:
            NotFound: there is none, or the worklist's file was replaced since it was opened.
        """
        if key not in self.cases:
            raise NotFound("no such case in this session")
        if self.cases[key].is_replaced:
            raise NotFound("no such case in this session: its file was replaced; open it again")
        return self.cases[key]

    def open_cases(self) -> list[OpenCase]:
        """List the cases in the order in which they were opened, without those whose file was replaced since."""
        return [case for case in list(self.cases.values()) if not case.is_replaced]

    def image_names(self) -> set[str]:
        """List the names in the data set that are taken by open cases or saved outlines."""
        return self.data_set.names().union(*(case.image_names() for case in self.cases.values()))

    def change(self, reader: str | None, patient_pattern: str | None) -> None:
        """Change the reader's name or the pattern of patients; what was saved without a name gets the new one.

        The data sets are to be told of the pattern, see `DataSetFolder.rename_patients`.

        Raises:
            SalusError: the name or the pattern makes no sense.
        """
        if reader is not None:
            reader = " ".join(reader.split())
            if len(reader) > MAX_READER or not reader.isprintable() or any(c in reader for c in "\\="):
                raise SalusError(f"the reader's name: up to {MAX_READER} characters, without \\ and =")
            if reader and reader != self.reader:
                for case in self.cases.values():
                    for number in range(1, case.count + 1):
                        case.frame(number).name_reader(reader)
                self.audit("reader named", reader=reader, was=self.reader)
            self.reader = reader
        if patient_pattern is not None:
            check_pattern(patient_pattern)
            self.patient_pattern = patient_pattern
        self.store()

    def audit(self, action: str, **content: object) -> None:
        """Append a line to the session's audit log."""
        append_line(self.folder / AUDIT_FILE, time=now(), action=action, **content)

    def store(self) -> None:
        """Write what a restarted server must know."""
        content = {"opened": self.opened, "reader": self.reader, "patient_pattern": self.patient_pattern}
        write_text(self.folder / SESSION_FILE, json.dumps(content))

    def touch(self) -> None:
        """Mark on the disk that the session is in use."""
        if time.monotonic() - self._touched > TOUCH_SECONDS and (self.folder / SESSION_FILE).is_file():
            self._touched = time.monotonic()
            os.utime(self.folder / SESSION_FILE)


def session_folder_name(key: str) -> str:
    """Name the folder of a session: a hash, so that nobody who reads the disk learns a cookie."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def load_session(folder: Path, key: str, now: float, work_files: Mapping[str, Path]) -> Session | None:
    """Read a session from its folder; None where there is none.

    Args:
        folder: of the session.
        key: of its cookie.
        now: time of the request.
        work_files: of the worklist, by name.
    """
    try:
        content = json.loads((folder / SESSION_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    session = Session(
        key, folder, now, opened=content["opened"], reader=content["reader"], patient_pattern=content["patient_pattern"]
    )
    found = (load_case(path.parent, work_files) for path in folder.glob("*/case.json"))
    for case in sorted((case for case in found if case is not None), key=lambda case: case.order):
        session.cases[case.key] = case
    session.opened = max(session.opened, *(case.order for case in session.cases.values()), 0)
    return session
