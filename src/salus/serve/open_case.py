"""One open image of a session: its file, its frames, and what is known of it on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

from salus.atomic import write_text
from salus.read.frames import Frames, open_frames
from salus.serve.data_set import CaseIdentity
from salus.serve.frames import FrameFiles
from salus.serve.names import patient_of_name


@lru_cache(maxsize=2)
def _open_cached(path: Path, size: int, modified: int) -> Frames:
    """Open a file in one state. The headers of the last files (of NRRD, pixels) are kept, so that a cine is not opened
    anew for each of its frames.
    """
    return open_frames(path)


CASE_FILE = "case.json"


class NotFound(Exception):
    """There is no such case, frame or file."""


@dataclass(frozen=True, eq=False)
class OpenCase:
    """One open file.

    Attributes:
        key: its random name in the interface.
        name: its name in the exported data set.
        folder: of its frames' files.
        source: the file itself.
        count: number of frames.
        seconds: from one frame to the next, None where the file does not say.
        dicom: whether the file is DICOM.
        work: its number in the worklist, None where it was uploaded.
        label: the file's own name, "" where it is not known.
        patient_key: of the patient that DICOM tags name, "" where there is none.
        order: place among the session's cases.
        upload: the browser's own name of the upload, by which one that is sent twice is known again; "" without one.
        revision: state of the worklist's file when it was opened, see `file_revision`; "" where it was uploaded.
    """

    key: str
    name: str
    folder: Path
    source: Path
    count: int
    seconds: float | None
    dicom: bool
    work: int | None = None
    label: str = ""
    patient_key: str = ""
    order: int = 0
    upload: str = ""
    revision: str = ""

    @property
    def is_replaced(self) -> bool:
        """Whether the file of the worklist is another one by now; one that is gone is not."""
        return self.work is not None and file_revision(self.source) not in ("", self.revision)

    @property
    def is_cine(self) -> bool:
        """Whether the file holds several frames."""
        return self.count > 1

    @property
    def file_stem(self) -> str:
        """Its name as the start of a download's name: without folders."""
        return self.name.replace("/", "_")

    def frame(self, number: int) -> FrameFiles:
        """Get a frame by its number, from 1.

        Raises:
            NotFound: there is no such frame.
        """
        if not 1 <= number <= self.count:
            raise NotFound(f"no frame {number}; there are {self.count}")
        return FrameFiles(self.folder, number)

    def open(self) -> Frames:
        """Open the file to read its frames."""
        try:
            status = self.source.stat()
        except OSError:
            return open_frames(self.source)  # raises its error
        return _open_cached(self.source, status.st_size, status.st_mtime_ns)

    def identity(self, pattern: str = "") -> CaseIdentity:
        """Give what a data set says of it.

        Args:
            pattern: the reader's, of file names; see `salus.serve.names.patient_of_name`.
        """
        patient = patient_of_name(self.label or self.name, pattern)
        return CaseIdentity(self.name, self.label, self.is_cine, patient, self.patient_key)

    def image_names(self) -> set[str]:
        """List the names that its frames may get in the data set."""
        identity = self.identity()
        return {identity.image_name(number) for number in range(1, self.count + 1)}

    def store(self) -> None:
        """Write what is known of it into its folder, so that it is found after a restart."""
        content = asdict(self) | {"folder": "", "source": str(self.source)}
        if self.source.parent == self.folder:
            content["source"] = self.source.name
        write_text(self.folder / CASE_FILE, json.dumps(content))


def load_case(folder: Path, work_files: Mapping[str, Path]) -> OpenCase | None:
    """Read a case from its folder; None where it is damaged, or of a file that is not in the worklist any more or was
    replaced since.

    Args:
        folder: of the case.
        work_files: of the worklist, by name.
    """
    try:
        content = json.loads((folder / CASE_FILE).read_text(encoding="utf-8"))
        known = {field.name for field in fields(OpenCase)}
        case = OpenCase(**{name: value for name, value in content.items() if name in known})
        case = replace(case, folder=folder, source=folder / content["source"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if case.work is not None:
        names = list(work_files)
        if work_files.get(case.name) != case.source or case.is_replaced:
            return None
        case = replace(case, work=names.index(case.name) + 1)
    return case if case.source.is_file() else None


def file_revision(path: Path) -> str:
    """Name the state of a file: another one as soon as it is written again; "" where there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def forget_opened_files() -> None:
    """Close the files whose headers are kept, before they are removed."""
    _open_cached.cache_clear()
