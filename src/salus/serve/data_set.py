"""Corrected cases as a data set that `salus train` takes: images/, masks/ with equal names, and manifest.csv.

A calibrated file may show several B-mode regions among text. Training uses what the network looks at, so each region is
an image of its own. Frames of one file are one patient, so that no fold separates them.
"""

from __future__ import annotations

import csv
import threading
from io import StringIO
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

from salus.atomic import write_text
from salus.serve.frames import FrameFiles, write_png

COLUMNS = ("name", "patient")


class DataSetFolder:
    """A data set on disk that grows case by case.

    Args:
        root: its folder, created when something is added.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()

    def add(self, case: str, frame: FrameFiles, *, is_cine: bool) -> None:
        """Add or replace a segmented frame with its current mask.

        Args:
            case: name of its case, and of the patient.
            frame: image and mask.
            is_cine: whether its file holds several frames, so that the frame's number becomes part of the name.

        Raises:
            OSError: it cannot be written.
        """
        mask, pixels, regions = frame.mask(), frame.pixels(), frame.answer().parts
        with self._lock:
            for folder in ("images", "masks"):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            old_rows = dict(self._read_manifest())
            rows = dict(old_rows)
            for index, region in enumerate(regions):
                name = _image_name(case, frame, is_cine) + (f"-region-{index + 1}" if len(regions) > 1 else "")
                write_png(self._path("images", name), region.crop(pixels))
                write_png(self._path("masks", name), region.crop(mask))
                rows[name] = case
            if rows != old_rows:
                self._write_manifest(rows)

    def remove(self, case: str, frame: FrameFiles, *, is_cine: bool) -> None:
        """Remove a frame; the arguments are those of `add`."""
        stem = _image_name(case, frame, is_cine)
        with self._lock:
            for name in self.names():
                if name == stem or name.rpartition("-region-")[0] == stem:
                    self._path("masks", name).unlink(missing_ok=True)
                    self._path("images", name).unlink(missing_ok=True)
            if self.root.is_dir():
                names = self.names()
                self._write_manifest({name: case for name, case in self._read_manifest() if name in names})

    def names(self) -> set[str]:
        """List the names of the images in it."""
        return {path.stem for path in (self.root / "masks").glob("*.png")}

    def cases(self) -> set[str]:
        """List the cases with at least one image in it."""
        names = self.names()
        return {case for name, case in self._read_manifest() if name in names}

    def zip(self, path: Path) -> None:
        """Write all of it into a ZIP file.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock, ZipFile(path, "w", ZIP_STORED) as archive:
            for file in sorted(self.root.rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    archive.write(file, f"salus-corrected/{file.relative_to(self.root).as_posix()}")

    def _path(self, folder: str, name: str) -> Path:
        return self.root / folder / f"{name}.png"

    def _read_manifest(self) -> list[tuple[str, str]]:
        manifest = self.root / "manifest.csv"
        if not manifest.is_file():
            return []
        with manifest.open(newline="", encoding="utf-8") as file:
            return [(row["name"], row["patient"]) for row in csv.DictReader(file)]

    def _write_manifest(self, rows: dict[str, str]) -> None:
        """Write names and their patients, in the order of names."""
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *sorted(rows.items())])
        write_text(self.root / "manifest.csv", text.getvalue())


def _image_name(case: str, frame: FrameFiles, is_cine: bool) -> str:
    return f"{case}-{frame.number:04}" if is_cine else case


def folder_size(folder: Path) -> int:
    """Sum the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
