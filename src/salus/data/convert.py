"""Convert data sets from any layout to another; every mask stays the same, to the pixel.

Images stay the files they are where the new layout takes them, and become 8-bit grey PNG else. What a layout cannot
hold (folds, patients, labels, saliency maps) is left out and named.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.data.case import DataSet
from salus.data.layouts import coco, cvat, dicom_seg, labelme, monai, nnunet, read_data_set
from salus.data.layouts.sample import Sample, Write
from salus.data.write_layouts import (
    write_busbra,
    write_busi,
    write_colours,
    write_manifest,
    write_pairs,
    write_published,
)
from salus.errors import SalusError
from salus.read.find import MASK_NAME

WRITERS: dict[str, Write] = {
    "manifest": write_manifest,
    "published": write_published,
    "pairs": write_pairs,
    "busi": write_busi,
    "busbra": write_busbra,
    "colours": write_colours,
    "labelme": labelme.write,
    "coco": coco.write,
    "cvat": cvat.write,
    "nnunet": nnunet.write,
    "monai": monai.write,
    "dicom-seg": dicom_seg.write,
}
"""What writes each layout. Only the layout of bare images has none, as it holds no masks."""


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        data: the new data set, as it reads back.
        renamed: new names of the cases whose name had to change, by old name.
        lost: what the new layout cannot hold, one line each.
    """

    data: DataSet
    renamed: dict[str, str]
    lost: tuple[str, ...]


def convert_data_set(
    data: DataSet, folder: Path, layout: str, *, progress: Callable[[int, int], None] | None = None
) -> Conversion:
    """Write a data set in another layout, and read it back to make sure that every mask is the same.

    Args:
        data: the data set.
        folder: a new or empty folder; what was written is removed where the conversion fails.
        layout: a name in `WRITERS`.
        progress: called with (done, total) after each case.

    Raises:
        SalusError: no such layout, the folder is not empty, a file cannot be read, the layout needs something that a
            case lacks, or a mask does not read back the same.
        OSError: it cannot be written.

    Example:
        >>> import tempfile
        >>> from salus.data.layouts import read_data_set
        >>> from salus.data.phantom.make import write_phantoms
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = write_phantoms(folder / "a", 2)
        >>> convert_data_set(read_data_set(folder / "a"), folder / "b", "coco").data.layout
        'coco'
    """
    if layout not in WRITERS:
        raise SalusError(f"cannot write the layout {layout!r}; choose one of {', '.join(WRITERS)}")
    folder = Path(folder)
    existed = folder.exists()
    if existed and (not folder.is_dir() or any(folder.iterdir())):
        raise SalusError(f"{folder}: exists and is not an empty folder; name a new one")
    names = _file_names([case.name for case in data.cases])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        WRITERS[layout](folder, _samples(data, names, progress))
        written = read_data_set(folder, layout)
        _compare(data, written, names)
    except BaseException:
        shutil.rmtree(folder)
        if existed:
            folder.mkdir()
        raise
    renamed = {old: new for old, new in names.items() if old != new}
    return Conversion(written, renamed, tuple(_losses(data, written, names)))


def _samples(data: DataSet, names: dict[str, str], progress: Callable[[int, int], None] | None) -> Iterator[Sample]:
    """Read the cases, one at a time."""
    for done, case in enumerate(data.cases, 1):
        scan = case.read_image()
        mask = None if case.masks is None else case.read_mask(scan.shape)
        yield Sample(names[case.name], case, scan, mask, data.official_folds.get(case.name))
        if progress:
            progress(done, len(data))


def _file_names(names: list[str]) -> dict[str, str]:
    """Give each case a unique name that is a file name in every system, and is not taken for a mask's."""
    taken: set[str] = set()
    files = {}
    for name in names:
        base = re.sub(r'[^\w.() +=@-]|[<>:"/\\|?*]', "_", name).strip(". ")[:120] or "image"
        if MASK_NAME.fullmatch(base) or re.search(r"_other(_?\d+)?$", base, re.IGNORECASE):
            base += "_image"
        file, number = base, 2
        while file.lower() in taken:
            file, number = f"{base}-{number}", number + 1
        taken.add(file.lower())
        files[name] = file
    return files


def _compare(data: DataSet, written: DataSet, names: dict[str, str]) -> None:
    """Check that every case reads back with the same mask.

    Raises:
        SalusError: one does not, which is a fault of Salus.
    """
    cases = {case.name: case for case in written.cases}
    for case in data.cases:
        new = cases.get(names[case.name])
        if new is None or (new.masks is None) != (case.masks is None):
            raise SalusError(f"{case.image}: does not read back as it was; this is a fault of Salus, please report it")
        if case.masks is not None:
            shape = new.read_image().shape
            if not np.array_equal(new.read_mask(shape), case.read_mask(shape)):
                raise SalusError(f"{case.image}: its mask does not read back the same; please report this fault")


def _losses(data: DataSet, written: DataSet, names: dict[str, str]) -> Iterator[str]:
    """Tell what the new layout does not hold."""
    cases = {case.name: case for case in written.cases}
    pairs = [(case, cases[names[case.name]]) for case in data.cases]
    layout = written.layout
    labels = sum(old.label is not None and new.label != old.label for old, new in pairs)
    if labels:
        yield f"the layout {layout} does not hold the label of {labels} images"
    old_patients = [old.patient for old, _ in pairs if old.patient is not None]
    groups = {(old.patient, new.patient) for old, new in pairs if old.patient is not None}
    if any(new is None for _, new in groups) or len(groups) != len(set(old_patients)):
        yield f"the layout {layout} does not hold the patients; folds dealt of it may part a patient's images"
    elif any(old != new for old, new in groups):
        yield f"the layout {layout} names patients in its own way; who belongs to whom is kept"
    if any(written.official_folds.get(names[name]) != fold for name, fold in data.official_folds.items()):
        yield f"the layout {layout} does not hold the folds that {data.root} ships"
    if any(old.saliency is not None and new.saliency is None for old, new in pairs):
        yield f"the layout {layout} does not hold saliency maps"
