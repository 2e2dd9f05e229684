"""The layout of a manifest.csv that names the files: for everything that no other layout reads.

Columns `image` and `mask`, and any of `name`, `saliency`, `patient`, `label`, `fold`, `source`. Paths are relative to
the CSV; several masks of an image are separated by semicolons (their union is the lesion). An empty mask cell means an
unlabelled image, the word `none` a tumour-free one.
"""

from __future__ import annotations

from collections import Counter
from os.path import isfile  # unlike Path.is_file, returns False for a name that is too long
from pathlib import Path

from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.files import remark_on
from salus.errors import SalusError
from salus.read.formats import strip_suffix
from salus.read.table import read_table

ADVICE = "its first line must name the columns image,mask and may add name,saliency,patient,label,fold,source"


def matches(root: Path) -> bool:
    """Tell whether `root` has a manifest.csv with the columns image and mask."""
    try:
        read_table(root / "manifest.csv", ("image", "mask"), ADVICE)
    except SalusError:
        return False
    return True


def read(root: Path) -> DataSet:
    """List the cases of a manifest.

    Args:
        root: the folder of a manifest.csv, or a manifest of any name.

    Raises:
        SalusError: a column is missing; a line has no image, an unknown label, or a fold that is not a number; or two
            lines have the same name.
    """
    path = root if root.is_file() else root / "manifest.csv"
    folder = path.parent
    cases, folds, missing = [], {}, []
    rows = read_table(path, ("image", "mask"), ADVICE)
    stems = Counter(strip_suffix(Path(_slashes(row.get("image", "")))) for row in rows)
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        image, label = _slashes(row.get("image", "")), row.get("label", "").lower()
        if not image:
            raise SalusError(f"{where}: names no image; give its path in the column image")
        if label and label not in LABELS:
            raise SalusError(f"{where}: the label is {row['label']!r}; write {', '.join(LABELS)} or nothing")
        stem = strip_suffix(Path(image))
        case = Case(
            name=row.get("name") or (stem if stems[stem] == 1 else str(Path(image).parent / stem).replace("/", "_")),
            image=folder / image,
            masks=_parse_masks(folder, _slashes(row.get("mask", ""))),
            saliency=folder / _slashes(row["saliency"]) if row.get("saliency") else None,
            patient=row.get("patient") or None,
            label=label or None,
            source=row.get("source") or folder.resolve().name,
        )
        cases.append(case)
        missing += [p for p in (case.image, *(case.masks or ()), case.saliency) if p is not None and not isfile(p)]
        if row.get("fold"):
            try:
                folds[case.name] = int(row["fold"])
            except ValueError:
                raise SalusError(f"{where}: the fold is {row['fold']!r}; write a whole number") from None
    repeated = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if repeated:
        raise SalusError(
            f"{path}: {len(repeated)} names stand on several lines, e.g. {repeated[0]!r}; a name must be unique"
        )
    cases.sort(key=lambda case: case.name)
    remarks = remark_on(missing, f"named in {path.name}, but no file")
    return DataSet(folder, "manifest", tuple(cases), folds, tuple(remarks))


def _parse_masks(folder: Path, cell: str) -> tuple[Path, ...] | None:
    """Parse the cell of a mask: "none", or paths separated by semicolons."""
    if cell.lower() == "none":
        return ()
    return tuple(folder / part.strip() for part in cell.split(";") if part.strip()) or None


def _slashes(path: str) -> str:
    """Replace the separators of Windows in a path."""
    return path.replace("\\", "/")
