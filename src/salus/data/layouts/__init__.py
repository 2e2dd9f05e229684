"""Layouts: how public data sets are arranged on disk, one file a layout.

A layout is a module with two functions: `matches(root)` tells whether a folder has the layout, and `read(root)` lists
its cases. `matches` looks at file names only, except that `manifest` reads a table's first line, `colours` opens masks
and the layouts of annotation tools open their JSON, XML or DICOM files. Those modules also have `write(root, samples)`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from salus.data.case import DataSet
from salus.data.layouts import (
    busbra,
    busi,
    coco,
    colours,
    cvat,
    dicom_seg,
    images,
    labelme,
    manifest,
    monai,
    nnunet,
    pairs,
    published,
)
from salus.data.layouts.files import list_folders
from salus.errors import SalusError
from salus.read.mask_values import AUTO, check_mask_values


class Layout(Protocol):
    """The functions of a layout's module."""

    def matches(self, root: Path) -> bool:
        """Tell whether `root` has this layout."""

    def read(self, root: Path) -> DataSet:
        """List the cases of `root`."""


LAYOUTS: dict[str, Layout] = {
    "manifest": manifest,
    "busbra": busbra,
    "busi": busi,
    "colours": colours,
    "published": published,
    "nnunet": nnunet,
    "monai": monai,
    "coco": coco,
    "cvat": cvat,
    "labelme": labelme,
    "dicom-seg": dicom_seg,
    "pairs": pairs,
    "images": images,
}
"""Every layout by name, the most specific first: the first that matches a folder reads it."""


def read_data_set(folder: Path | str, layout: str | None = None, mask_values: str = AUTO) -> DataSet:
    """List the cases of a folder.

    Args:
        folder: the data set's folder, or a manifest: a CSV of any name.
        layout: a name in `LAYOUTS`; None detects it.
        mask_values: how the values of masks are read; see `salus.read.mask_values`.

    Raises:
        SalusError: no such folder, unknown layout, no layout matches, or no case in it.
    """
    root = Path(folder)
    if layout is not None and layout not in LAYOUTS:
        raise SalusError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    if root.is_file() and root.suffix.lower() == ".csv" and layout in (None, "manifest"):
        layout = "manifest"
    elif not root.is_dir():
        raise SalusError(f"{root}: {'is a file, a data set is a folder' if root.exists() else 'no such folder'}")
    try:
        name = layout or detect(root)
        if name in (None, "images") and layout is None and (root / "manifest.csv").is_file():
            name = "manifest"  # raises the error that says what is wrong with the table
        if name is None:
            raise SalusError(
                f"{root}: no known layout (looked for {', '.join(LAYOUTS)}){_hint_at_subfolders(root)}; "
                "name one with --layout, or write a manifest.csv with the columns image,mask"
            )
        data = LAYOUTS[name].read(root)
    except PermissionError as error:
        raise SalusError(f"{error.filename}: no permission to read it") from None
    if not data.cases:
        raise SalusError(f"{root}: the layout {name!r} finds no image in it")
    if mask_values == AUTO:
        return data
    check_mask_values(mask_values)
    return replace(data, cases=tuple(replace(case, mask_values=mask_values) for case in data.cases))


def detect(root: Path) -> str | None:
    """Return the name of the first layout that matches a folder, None if none does."""
    return next((name for name, module in LAYOUTS.items() if module.matches(root)), None)


def _hint_at_subfolders(root: Path) -> str:
    """Name the folder's folders that are data sets, for an error message."""
    data_sets = [f"{folder.name} ({name})" for folder in list_folders(root)[:20] if (name := detect(folder))]
    return f"; but in it are {', '.join(data_sets)}: name one of these folders" if data_sets else ""
