"""The worklist: images of a folder to be reviewed one after another, with their outlines in an output folder."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.serve.data_set import DataSetFolder
from salus.serve.frames import FrameFiles
from salus.serve.notes import HANDLED_MARKS
from salus.serve.open_case import OpenCase
from salus.serve.worklist_files import label_of, list_work_files


@dataclass(frozen=True)
class WorkItem:
    """An image of the folder.

    Attributes:
        number: from 1, in the order of names.
        name: of its file, with the folders within the worklist's folder.
        done: whether an outline of it was saved, or a reader marked that it needs none.
        mark: the reader's, such as "unsure"; "" for none.
    """

    number: int
    name: str
    done: bool
    mark: str = ""


class Worklist:
    """The images of a folder and of the folders in it, and the data set that their review builds.

    Args:
        folder: with images.
        output: where saved outlines go: images/, masks/, manifest.csv; within them, in the folders of the images.

    Raises:
        SalusError: there is no such folder, or no image in it.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        if not folder.is_dir():
            raise SalusError(f"{folder}: is no folder; name one with images")
        self.folder = Path(os.path.abspath(folder))  # what is stored of its files holds in any current folder
        self.output = DataSetFolder(Path(os.path.abspath(output)))
        self.files = list_work_files(self.folder, self.output.root)

    @property
    def id(self) -> str:
        """Name this review: the same after a restart, another one for another folder or output."""
        paths = "\n".join(os.path.realpath(path) for path in (self.folder, self.output.root))
        return hashlib.sha256(os.fsencode(paths)).hexdigest()[:16]

    def items(self) -> list[WorkItem]:
        """List all images, with what is done now."""
        done, marks = self.output.cases(), self.output.marks()
        return [
            WorkItem(number, self.label(path), name in done or marks.get(name) in HANDLED_MARKS, marks.get(name, ""))
            for number, (name, path) in enumerate(self.files.items(), start=1)
        ]

    def label(self, path: Path) -> str:
        """Name a file as the list shows it: its path within the folder."""
        return label_of(path, self.folder)

    def find(self, number: int) -> tuple[str, Path] | None:
        """Find an item's name and file by its number; None where there is no such item."""
        files = list(self.files.items())
        return files[number - 1] if 1 <= number <= len(files) else None

    def load_outline(self, case: OpenCase, frame: FrameFiles) -> None:
        """Take the outline that was saved last, by anyone, as a frame's corrected one; none where none is saved.

        So it is with what readers noted beside it: the calibration by hand, and the notes.

        Args:
            case: of the worklist.
            frame: of the case, segmented.
        """
        _mirror(self.output.calibration_path(case.name), frame.calibration_path)
        _mirror(self.output.notes_path(case.identity().image_name(frame.number)), frame.notes_path)
        stem, known = case.identity().image_name(frame.number), frame.record()
        version = self.output.version(stem)
        if version == (known.version if known else ""):
            return
        answer = frame.network_answer()
        mask = self.output.mask(stem, answer.parts, (answer.height, answer.width)) if version else None
        if mask is None:
            frame.revert()
        else:
            frame.save_mask(mask, self.output.record(stem))


def _mirror(source: Path, copy: Path) -> None:
    """Make a file the copy of another, or remove it where there is no other."""
    content = source.read_bytes() if source.is_file() else None
    if content is None:
        copy.unlink(missing_ok=True)
    elif not copy.is_file() or copy.read_bytes() != content:
        write_whole(copy, lambda temporary: temporary.write_bytes(content))
