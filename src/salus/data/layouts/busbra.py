"""The layout of BUS-BRA (Gómez-Flores et al., Medical Physics 2024): Images/, Masks/, bus_data.csv and official folds.

`Images/bus_0001-l.png` has `Masks/mask_0001-l.png`. In bus_data.csv `Case` is the patient and `Pathology` the label;
in 5-fold-cv.csv `kFold` is the fold in which an image is tested.
"""

from __future__ import annotations

from pathlib import Path

from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.files import find_root, images_by_stem, remark_on
from salus.errors import SalusError
from salus.read.table import read_table

ADVICE = "take the file from the BUS-BRA archive as it is, or write a manifest.csv with the columns image,mask,patient"


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has Images/, Masks/ and bus_data.csv."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of BUS-BRA.

    Raises:
        SalusError: a table lacks a column, or a fold is not a number.
    """
    folder = find_root(root, _has_layout) or root
    remarks: list[str] = []
    images, masks = images_by_stem(folder / "Images", remarks), images_by_stem(folder / "Masks", remarks)
    rows = {row["id"]: row for row in read_table(folder / "bus_data.csv", ("id", "case", "pathology"), ADVICE)}

    cases, used_masks = [], set()
    for name, image in images.items():
        row = rows.get(name, {})
        patient, label = row.get("case"), row.get("pathology", "").lower()
        mask = next((stem for stem in (f"mask_{name.removeprefix('bus_')}", name) if stem in masks), None)
        used_masks.add(mask)
        cases.append(
            Case(
                name=name,
                image=image,
                masks=(masks[mask],) if mask else None,
                patient=f"busbra-{patient}" if patient else None,
                label=label if label in LABELS else None,
                source="BUS-BRA",
            )
        )
    remarks += remark_on((case.image for case in cases if case.masks is None), "an image without a mask")
    remarks += remark_on((case.image for case in cases if case.patient is None), "its patient is not in bus_data.csv")
    remarks += remark_on((path for stem, path in masks.items() if stem not in used_masks), "a mask without an image")
    remarks += remark_on(
        (folder / "Images" / name for name in rows if name not in images), "in bus_data.csv, but no file"
    )
    return DataSet(
        folder, "busbra", tuple(cases), _read_folds(folder / "5-fold-cv.csv", images, remarks), tuple(remarks)
    )


def _read_folds(path: Path, images: dict[str, Path], remarks: list[str]) -> dict[str, int]:
    """Read the official fold of each image; no file means no folds and a remark."""
    if not path.is_file():
        remarks.append(f"{path}: missing, so there are no official folds")
        return {}
    folds = {}
    for row in read_table(path, ("id", "kfold"), ADVICE):
        if row["id"] in images:
            try:
                folds[row["id"]] = int(row["kfold"])
            except ValueError:
                raise SalusError(f"{path}: the fold of {row['id']} is {row['kfold']!r}, not a number") from None
    return folds


def _has_layout(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("Images", "Masks", "bus_data.csv"))
