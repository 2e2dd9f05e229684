"""Corrected cases as a data set that `salus train` takes: images/, masks/ with equal names, and manifest.csv.

A calibrated file may show several B-mode regions among text; what is trained on is what the network looks at, so each
region is an image of its own. Frames of one file are one patient, so that no fold parts them.
"""

from __future__ import annotations

import csv
import os
import threading
from functools import partial
from io import StringIO
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

from salus.atomic import write_whole
from salus.scan import Region
from salus.serve.frames import FrameFiles
from salus.serve.result_json import png

COLUMNS = ("name", "patient")


class DataSetFolder:
    """A folder that grows by a case at a time.

    Args:
        root: it is made when something is added.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()

    def add(self, case: str, frame: FrameFiles, many: bool) -> None:
        """Add, or replace, a frame with its mask in force.

        Args:
            case: the name of its case, and of the patient.
            frame: segmented.
            many: whether its file holds several frames.

        Raises:
            OSError: it cannot be written.
        """
        answer, mask, pixels = frame.answer(), frame.mask(), frame.pixels()
        parts = answer.regions or (Region(0, 0, answer.height, answer.width),)
        with self._lock:
            for folder in ("images", "masks"):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            for letter, part in enumerate(parts):
                name = self._name(case, frame.number if many else None, letter if len(parts) > 1 else None)
                for folder, values in (("images", pixels), ("masks", mask)):
                    content = png(part.of(values))
                    whole = partial(Path.write_bytes, data=content)
                    write_whole(self.root / folder / f"{name}.png", whole)
                self._note(name, case)

    def remove(self, case: str, frame: FrameFiles, many: bool) -> None:
        """Take a frame out again."""
        stem = self._name(case, frame.number if many else None, None)
        with self._lock:
            for name in self.names():
                if name == stem or name.rpartition("-region-")[0] == stem:
                    (self.root / "masks" / f"{name}.png").unlink(missing_ok=True)
                    (self.root / "images" / f"{name}.png").unlink(missing_ok=True)
            self._write([row for row in self._rows() if row[0] in self.names()])

    def names(self) -> set[str]:
        """Of what is in it."""
        return {path.stem for path in (self.root / "masks").glob("*.png")}

    def cases(self) -> set[str]:
        """Of which something is in it."""
        there = self.names()
        return {case for name, case in self._rows() if name in there}

    def zip(self, path: Path) -> None:
        """Write all of it into a ZIP file.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock, ZipFile(path, "w", ZIP_STORED) as archive:
            for file in sorted(self.root.rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    archive.write(file, f"salus-corrected/{file.relative_to(self.root).as_posix()}")

    def _name(self, case: str, frame: int | None, region: int | None) -> str:
        return case + ("" if frame is None else f"-{frame:04}") + ("" if region is None else f"-region-{region + 1}")

    def _rows(self) -> list[tuple[str, str]]:
        table = self.root / "manifest.csv"
        if not table.is_file():
            return []
        with table.open(newline="", encoding="utf-8") as file:
            return [(row["name"], row["patient"]) for row in csv.DictReader(file)]

    def _note(self, name: str, case: str) -> None:
        rows = dict(self._rows())
        if rows.get(name) != case:
            self._write(sorted({**rows, name: case}.items()))

    def _write(self, rows: list[tuple[str, str]]) -> None:
        if not self.root.is_dir():
            return
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        content = text.getvalue()
        write_whole(self.root / "manifest.csv", lambda path: path.write_text(content, encoding="utf-8"))


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
