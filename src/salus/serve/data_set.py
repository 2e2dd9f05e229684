"""Corrected cases as a data set that `salus train` takes: images/, masks/ with equal names, and manifest.csv.

A calibrated file may show several B-mode regions among text. Training uses what the network looks at, so each region is
an image of its own. Images of one patient have one name in the column patient, so that no fold separates them. Earlier
versions of an outline stay in history/NAME/, with who saved them; audit.jsonl holds a line for each change.
Calibrations by hand are in calibrations/, readers' notes in notes/.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from salus.atomic import write_text, write_whole
from salus.folder_lock import folder_lock
from salus.read.image import read_mask
from salus.scan import Region
from salus.serve.data_set_manifest import Row, read_manifest, write_manifest
from salus.serve.frames import FrameFiles
from salus.serve.names import patient_of_name
from salus.serve.notes import read_notes
from salus.serve.outline_record import OutlineRecord, read_record
from salus.serve.picture_files import write_png

PATIENT_NAMES, PATIENT_KEYS, PATIENT_PATTERN = ".patients.json", ".patient-keys.json", ".patient-pattern"
"""Files that tell which images are of one patient: of each key (see `names.patient_key`) the first case, of each case
its key, and the pattern of file names."""


@dataclass(frozen=True)
class CaseIdentity:
    """What a data set says of a case.

    Attributes:
        name: of the case.
        file: name of its file, "" where it is not known.
        is_cine: whether the file holds several frames, so that the frame's number becomes part of the name.
        patient: name of the patient, by the reader's pattern; "" where there is none.
        patient_key: key of the patient, by DICOM tags; "" where there is none.
    """

    name: str
    file: str = ""
    is_cine: bool = False
    patient: str = ""
    patient_key: str = ""

    def image_name(self, number: int) -> str:
        """Name a frame in the data set."""
        return f"{self.name}-{number:04}" if self.is_cine else self.name


class DataSetFolder:
    """A data set on disk that grows case by case; several servers may write to it at a time.

    Args:
        root: its folder, created when something is added.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._manifest = root / "manifest.csv"
        self._marks: dict[Path, tuple[int, str]] = {}
        self._lock, self._depth = threading.RLock(), 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all others from changing the data set."""
        with self._lock:
            if self._depth:
                yield
                return
            self.root.mkdir(parents=True, exist_ok=True)
            with folder_lock(self.root):
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1

    def add(self, case: CaseIdentity, frame: FrameFiles, mask: np.ndarray, record: OutlineRecord) -> None:
        """Add or replace a segmented frame with an outline; the outline before it is kept in history/.

        Args:
            case: of the frame.
            frame: with its image and regions.
            mask: (height, width) bool, the outline.
            record: of the outline; its version is not used.

        Raises:
            OSError: it cannot be written.
        """
        regions, stem = frame.network_answer().parts, case.image_name(frame.number)
        with self.locked():
            self._keep_version(stem, regions, mask.shape)
            for folder in ("images", "masks"):
                self._path(folder, stem).parent.mkdir(parents=True, exist_ok=True)
            old_rows = read_manifest(self._manifest)
            row = Row(self._patient(case), case.name, case.file)
            rows = dict(old_rows)
            pixels = frame.pixels() if len(regions) > 1 or regions[0].crop(mask).shape != mask.shape else None
            for name, region in _region_names(stem, regions):
                if pixels is None:
                    copy_file(frame.picture_path("image"), self._path("images", name))
                else:
                    write_png(self._path("images", name), region.crop(pixels))
                write_png(self._path("masks", name), region.crop(mask))
                rows[name] = replace(row, more=old_rows[name].more) if name in old_rows else row
            if rows != old_rows:
                write_manifest(self._manifest, rows)
            self._write_version(stem, mask, replace(record, version=self.version(stem)))

    def remove(self, case: CaseIdentity, frame: FrameFiles) -> None:
        """Remove a frame; its outline is kept in history/."""
        stem = case.image_name(frame.number)
        if not self.root.is_dir():
            return
        with self.locked():
            answer = frame.network_answer()
            self._keep_version(stem, answer.parts, (answer.height, answer.width))
            for name in self._names_of(stem):
                self._path("masks", name).unlink(missing_ok=True)
                self._path("images", name).unlink(missing_ok=True)
            names = self.names()
            rows = {name: row for name, row in read_manifest(self._manifest).items() if name in names}
            write_manifest(self._manifest, rows)

    def version(self, stem: str) -> str:
        """Give the version of a frame's outline, by its name in the data set; "" where none is saved."""
        names = self._names_of(stem)
        if not names:
            return ""
        return hashlib.sha256(b"".join(self._path("masks", name).read_bytes() for name in names)).hexdigest()[:16]

    def record(self, stem: str) -> OutlineRecord:
        """Read the record of a frame's saved outline; without a name where another program wrote it."""
        version = self.version(stem)
        return read_record(self.root / "history" / stem / f"{version}.json") or OutlineRecord(version=version)

    def mask(self, stem: str, regions: tuple[Region, ...], shape: tuple[int, ...]) -> np.ndarray | None:
        """Read a frame's saved outline, (height, width) bool; None where there is none of this size.

        Args:
            stem: the frame's name in the data set.
            regions: of the frame; see `salus.serve.result_json.Answer.parts`.
            shape: (height, width) of the frame.
        """
        mask = np.zeros(shape, bool)
        for name, region in _region_names(stem, regions):
            path = self._path("masks", name)
            if not path.is_file():
                return None
            part, place = read_mask(path), region.crop(mask)
            if part.shape != place.shape:
                return None
            place |= part
        return mask

    def versions(self, stem: str) -> list[OutlineRecord]:
        """List the kept versions of a frame's outline, the oldest first."""
        records = (read_record(path) for path in (self.root / "history" / stem).glob("*.json"))
        return sorted((record for record in records if record), key=lambda record: record.saved)

    def version_path(self, stem: str, version: str) -> Path:
        """Give the path of a kept version's mask, a PNG of the frame's size."""
        return self.root / "history" / stem / f"{version}.png"

    def calibration_path(self, case: str) -> Path:
        """Give the path of a case's calibration by hand, where there is one."""
        return self.root / "calibrations" / f"{case}.json"

    def notes_path(self, stem: str) -> Path:
        """Give the path of a frame's notes, where there are any."""
        return self.root / "notes" / f"{stem}.json"

    def names(self) -> set[str]:
        """List the names of the images in it; those of a worklist with folders hold the folder."""
        masks = self.root / "masks"
        return {path.relative_to(masks).as_posix().removesuffix(".png") for path in masks.rglob("*.png")}

    def marks(self) -> dict[str, str]:
        """Give the marks of images by their names in the data set; only those that have one."""
        folder, marks = self.root / "notes", {}
        for path in folder.rglob("*.json"):
            modified = path.stat().st_mtime_ns
            known = self._marks.get(path)
            if known is None or known[0] != modified:
                notes = read_notes(path)
                known = self._marks[path] = (modified, notes.mark if notes else "")
            if known[1]:
                marks[path.relative_to(folder).as_posix().removesuffix(".json")] = known[1]
        return marks

    def cases(self) -> set[str]:
        """List the cases with at least one image in it."""
        names = self.names()
        return {row.case for name, row in read_manifest(self._manifest).items() if name in names}

    def rename_patients(self, pattern: str) -> None:
        """Write the patients of all images anew by a pattern, which holds for images that come later too.

        Args:
            pattern: of file names; see `salus.serve.names.patient_of_name`.
        """
        with self.locked():
            write_text(self.root / PATIENT_PATTERN, pattern)
            if not self._manifest.is_file():
                return
            rows, keys = read_manifest(self._manifest), self._read_names(PATIENT_KEYS)
            for name, row in rows.items():
                case = CaseIdentity(row.case, row.file, patient_key=keys.get(row.case, ""))
                rows[name] = replace(row, patient=self._patient(case))
            write_manifest(self._manifest, rows)

    def zip(self, path: Path) -> None:
        """Write all of it but the earlier versions into a ZIP file.

        Raises:
            OSError: it cannot be written.
        """
        with self.locked(), ZipFile(path, "w", ZIP_STORED) as archive:
            for file in sorted(self.root.rglob("*")):
                inside = file.relative_to(self.root)
                if file.is_file() and not file.name.startswith(".") and inside.parts[0] != "history":
                    archive.write(file, f"salus-corrected/{inside.as_posix()}")

    def _keep_version(self, stem: str, regions: tuple[Region, ...], shape: tuple[int, ...]) -> None:
        """Keep the current outline in history/, unless it is there already."""
        version = self.version(stem)
        if version and not (self.root / "history" / stem / f"{version}.json").is_file():
            self._write_version(stem, self.mask(stem, regions, shape), OutlineRecord(version=version))

    def _write_version(self, stem: str, mask: np.ndarray | None, record: OutlineRecord) -> None:
        folder = self.root / "history" / stem
        folder.mkdir(parents=True, exist_ok=True)
        if mask is not None:
            write_png(folder / f"{record.version}.png", mask)
        path = folder / f"{record.version}.json"
        earlier = read_record(path)
        if earlier is not None and (earlier.reader, earlier.saved) != (record.reader, record.saved):
            number = len(list(folder.glob(f"{record.version}-*.json"))) + 1
            path.rename(folder / f"{record.version}-{number}.json")  # the same outline, saved before
        record.write(path)

    def _patient(self, case: CaseIdentity) -> str:
        """Name a case's patient: by a pattern; else the first case of the same DICOM patient; else by the case."""
        if case.patient_key:
            self._remember(PATIENT_KEYS, case.name, case.patient_key)
            self._remember(PATIENT_NAMES, case.patient_key, case.name)
        patient = patient_of_name(case.file or case.name, self.patient_pattern()) or case.patient
        return patient or self._read_names(PATIENT_NAMES).get(case.patient_key, case.name)

    def patient_pattern(self) -> str:
        """Read the pattern that was given last; "" for none."""
        path = self.root / PATIENT_PATTERN
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def _read_names(self, file: str) -> dict[str, str]:
        path = self.root / file
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _remember(self, file: str, name: str, value: str) -> None:
        """Write a name and its value into a file of names, unless the name is in it."""
        names = self._read_names(file)
        if name not in names:
            write_text(self.root / file, json.dumps(names | {name: value}))

    def _names_of(self, stem: str) -> list[str]:
        """List the images of one frame: itself, or its regions."""
        if self._path("masks", stem).is_file():
            return [stem]
        found: list[str] = []
        while self._path("masks", f"{stem}-region-{len(found) + 1}").is_file():
            found.append(f"{stem}-region-{len(found) + 1}")
        return found

    def _path(self, folder: str, name: str) -> Path:
        return self.root / folder / f"{name}.png"


def _region_names(stem: str, regions: tuple[Region, ...]) -> list[tuple[str, Region]]:
    """Name a frame's regions in the data set."""
    if len(regions) == 1:
        return [(stem, regions[0])]
    return [(f"{stem}-region-{index}", region) for index, region in enumerate(regions, start=1)]


def copy_file(source: Path, copy: Path) -> None:
    """Copy a file, so that the copy is whole or absent."""
    write_whole(copy, lambda temporary: shutil.copyfile(source, temporary))


def folder_size(folder: Path) -> int:
    """Sum the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
